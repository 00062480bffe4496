"""Operations on providers."""

import secrets
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from itertools import product
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, Q
from django.db.models.functions import Greatest, Now

from accounts.models import Project
from accounts.services import write_notice
from common.errors import ApiError, ConflictError
from ledger.sql import execute
from ledger.unique_values import is_taken
from providers.bounce_mailboxes import MailboxInput, store_mailbox
from providers.configuration.checks import check_libraries, hide_secrets
from providers.configuration.stored import find_settings, write_settings
from providers.models import Provider, ProviderKind
from providers.provider_url import parse_provider_url
from providers.routing.selection import routes
from providers.routing.shared_breakers import forget_failures
from providers.targets import ProviderTarget, read_target

# The name of the row that holds PROVIDER_URL.
SHARED_NAME = "default"

# The pause after a provider has rejected our credentials; they may have been corrected since.
AUTH_PAUSE = timedelta(minutes=5)
# No second notice of a pause within this time after the last one.
QUIET = timedelta(hours=1)


class ProviderExistsError(ConflictError):
    """A provider named {name} already exists."""

    code = "provider_exists"


class SharedProviderError(ApiError):
    """This provider is shared by all projects. Only the operator of the service can change it."""

    code = "shared_provider"
    status = HTTPStatus.FORBIDDEN


class Unchanged:
    """The bounce mailbox stays as it is."""


UNCHANGED = Unchanged()


def add_provider(
    project: Project | None,
    *,
    name: str,
    target: ProviderTarget,
    is_operated: bool,
    mailbox: MailboxInput | None = None,
    **values: object,
) -> Provider:
    """Add a provider of `project`, or a shared one. Errors as of `build_provider` and `store_provider`."""
    provider = build_provider(project, name=name, target=target, is_operated=is_operated, **values)
    return store_provider(provider, mailbox)


def build_provider(
    project: Project | None, *, name: str, target: ProviderTarget, is_operated: bool, **values: object
) -> Provider:
    """A new provider, validated but not stored. Queries the DNS: call it outside transactions. InvalidFieldsError.

    `values` are the columns `priority`, `weight`, `rate_limit`, `connection_limit` and `is_enabled`.
    """
    address = read_target(target, is_operated=is_operated)
    provider = Provider(project=project, name=name, is_operated=is_operated, **values)
    provider.kind, provider.settings = address.kind, write_settings(address)
    provider.event_secret = new_event_secret(address.kind)
    return provider


def store_provider(provider: Provider, mailbox: MailboxInput | None = None) -> Provider:
    """Store a new provider, with its bounce mailbox. ProviderExistsError when its name is taken."""
    return _save(provider, force_insert=True, mailbox=mailbox)


def change_provider(
    provider: Provider,
    *,
    target: ProviderTarget | None = None,
    is_operated: bool,
    mailbox: MailboxInput | Unchanged | None = UNCHANGED,
    **values: object,
) -> Provider:
    """Change a provider. Errors as of `add_provider`. Workers apply the change within a second."""
    fill_provider(provider, target=target, is_operated=is_operated, **values)
    return store_change(provider, mailbox)


def fill_provider(
    provider: Provider, *, target: ProviderTarget | None = None, is_operated: bool, **values: object
) -> None:
    """The provider with its new columns, not stored. Queries the DNS: call it outside transactions. InvalidFieldsError.

    A new target makes the caller responsible for the provider: `is_operated` is true for the operator.
    """
    if target is not None:
        address = read_target(target, is_operated=is_operated, kept=provider)
        provider.kind, provider.settings, provider.url = address.kind, write_settings(address), ""
        provider.unreadable_at = None
        provider.is_operated = is_operated
        provider.event_secret = provider.event_secret or new_event_secret(ProviderKind(provider.kind))
        provider.paused_until = None
        forget_failures(provider.pk)
    for column, value in values.items():
        setattr(provider, column, value)


def store_change(provider: Provider, mailbox: MailboxInput | Unchanged | None = UNCHANGED) -> Provider:
    """Store a changed provider; a `mailbox` of None removes the bounce mailbox. ProviderExistsError."""
    return _save(provider, force_insert=False, mailbox=mailbox)


def _save(provider: Provider, *, force_insert: bool, mailbox: MailboxInput | Unchanged | None) -> Provider:
    with transaction.atomic():
        if is_taken(provider, project_id=provider.project_id, name=provider.name):
            raise ProviderExistsError(name=provider.name)
        provider.save(force_insert=force_insert)
        if not isinstance(mailbox, Unchanged) and (mailbox or not force_insert):
            store_mailbox(provider, mailbox)
    forget_routes()
    return provider


def forget_routes() -> None:
    """Drop this process's cache of providers, now and again after the commit."""
    routes.forget()
    transaction.on_commit(routes.forget)


def new_event_secret(kind: ProviderKind) -> str:
    return secrets.token_urlsafe(24) if kind is ProviderKind.ESP else ""


def remove_provider(provider: Provider) -> None:
    """Delete a provider. Queued mail uses the other providers; attempts keep its name."""
    provider.delete()
    forget_routes()


def sync_shared_provider(url: str) -> Provider | None:
    """Create or change the shared provider from `url`, or disable it when `url` is empty.

    ProviderSettingsError when the URL is invalid; the provider is not changed then.
    """
    with transaction.atomic():
        if not url:
            Provider.objects.filter(project=None, name=SHARED_NAME).update(is_enabled=False)
            provider = None
        else:
            address = parse_provider_url(url)
            check_libraries(address)
            kind, settings = address.kind, write_settings(address)
            present = Provider.objects.filter(project=None, name=SHARED_NAME).first()
            if present and (present.kind, present.settings) == (kind, settings) and present.is_enabled:
                return present
            provider, _ = Provider.objects.update_or_create(
                project=None,
                name=SHARED_NAME,
                defaults={
                    "kind": kind,
                    "settings": settings,
                    "url": "",
                    "unreadable_at": None,
                    "event_secret": (present and present.event_secret) or new_event_secret(kind),
                    "is_enabled": True,
                    "is_paused": False,
                    "paused_until": None,
                    "has_refused": False,
                    "pause_reason": "",
                },
            )
    routes.forget()
    return provider


def has_shared_provider() -> bool:
    """Whether a shared provider is enabled, so that every project has a provider."""
    live = Provider.objects.exclude(kind=ProviderKind.SIMULATOR)
    return live.filter(project=None, is_enabled=True).exists()


def pause_provider(provider_id: UUID, *, reason: str, pause: timedelta | None) -> None:
    """Stop claims for a provider for the time `pause`, or with None until a resume. Mail waits; nothing bounces."""
    until = None if pause is None else Now() + pause
    Provider.objects.filter(pk=provider_id).update(
        is_paused=pause is None, paused_until=until, has_refused=False, pause_reason=reason[:500]
    )
    forget_routes()


def rest_provider(provider_id: UUID, *, reason: str) -> None:
    """Pause a provider for AUTH_PAUSE after it has refused us, and tell the operator or the project.

    A pause by a person is neither ended nor shortened. A provider that refuses us again after its pause gives no new
    notice within QUIET of the last pause.
    """
    with transaction.atomic():
        found = Provider.objects.select_related("project").select_for_update(of=["self"])
        provider = found.annotate(now=Now()).filter(pk=provider_id, is_paused=False).first()
        if provider is None:
            return
        last = provider.paused_until
        if not provider.has_refused or last is None or last < provider.now - QUIET:
            write_pause_notice(provider, reason)
        Provider.objects.filter(pk=provider_id).update(
            paused_until=Greatest(F("paused_until"), Now() + AUTH_PAUSE), has_refused=True, pause_reason=reason[:500]
        )
    routes.forget()


def write_pause_notice(provider: Provider, reason: str) -> None:
    write_notice(
        provider.project,
        kind="provider_paused",
        text=(
            f"The provider {provider.name} refuses the service: {reason[:300] or 'no reason given'}. Its mail waits, "
            "or goes by another provider. It is tried again every five minutes; resume_provider tries it at once."
        ),
        data={"provider_id": str(provider.pk), "provider": provider.name, "reason": reason[:500]},
    )


def count_resting() -> tuple[int, int]:
    """The number of enabled providers that are paused, and of those among them that refused the service."""
    is_waiting = Q(is_paused=False, paused_until__gt=Now())
    counts = Provider.objects.filter(Q(is_paused=True) | is_waiting, is_enabled=True).aggregate(
        all=Count("pk"), resting=Count("pk", filter=is_waiting & Q(has_refused=True))
    )
    return counts["all"], counts["resting"]


def count_paused() -> dict[tuple[str, str], int]:
    """The enabled providers that are paused, by owner (`shared`, `project`) and by cause (`person`, `refusal`)."""
    paused = Provider.objects.filter(Q(is_paused=True) | Q(paused_until__gt=Now()), is_enabled=True)
    counts = dict.fromkeys(product(("shared", "project"), ("person", "refusal")), 0)
    for project_id, has_refused in paused.values_list("project_id", "has_refused"):
        counts["project" if project_id else "shared", "refusal" if has_refused else "person"] += 1
    return counts


def resume_provider(provider_id: UUID) -> None:
    """Resume a provider, whether a person or the service paused it. Other workers notice it after the commit."""
    # The new version gives workers a new transport, which tries the credentials again.
    Provider.objects.filter(pk=provider_id).update(
        is_paused=False, paused_until=None, has_refused=False, pause_reason="", updated_at=Now()
    )
    transaction.on_commit(lambda: forget_failures(provider_id))
    forget_routes()


# More names than an ESP has types of events: further ones are counted together.
MAX_UNKNOWN_NAMES = MAX_UNKNOWN_LENGTH = 100
OTHER_NAMES = "(others)"
_COUNT_UNKNOWN = """
INSERT INTO providers_unknownevent (provider_id, name, count) VALUES (
    %(provider)s,
    CASE WHEN EXISTS (SELECT 1 FROM providers_unknownevent WHERE provider_id = %(provider)s AND name = %(name)s)
              OR (SELECT count(*) FROM providers_unknownevent WHERE provider_id = %(provider)s) < %(limit)s
         THEN %(name)s ELSE %(other)s END,
    %(count)s)
ON CONFLICT (provider_id, name) DO UPDATE
SET count = providers_unknownevent.count + excluded.count, last_at = now()
"""


def count_unknown_events(provider: Provider, counts: Mapping[str, int]) -> None:
    """Add to the number of the provider's events of unknown types, by name. The admin shows them."""
    with transaction.atomic():
        # In one order, so that two posts do not wait for each other.
        for name, count in sorted(counts.items()):
            values = {"provider": provider.pk, "name": name[:MAX_UNKNOWN_LENGTH], "count": count}
            execute(_COUNT_UNKNOWN, {**values, "limit": MAX_UNKNOWN_NAMES, "other": OTHER_NAMES})


def show_settings(provider: Provider) -> dict[str, str]:
    """The provider's settings without its credentials; empty when they cannot be read."""
    address = find_settings(provider)
    return hide_secrets(address.kind, address.given) if address else {}
