"""What others may ask of providers."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Greatest, Now

from accounts.models import Project
from common.errors import ApiError, ConflictError, FieldError, InvalidFieldsError
from providers.esp.catalog import API_URL
from providers.models import Provider, ProviderKind
from providers.network_policy import check_reach
from providers.provider_url import (
    ProviderUrlError,
    build_provider_url,
    check_settings,
    hide_secrets,
    parse_provider_url,
    split_provider_url,
)
from providers.routing.selection import routes
from providers.routing.shared_breakers import forget_failures

# The row that PROVIDER_URL is kept in.
SHARED_NAME = "default"

# A provider that refuses our credentials is tried again after this: somebody may have mended them.
AUTH_PAUSE = timedelta(minutes=5)
# Where credentials go to. When it changes, credentials that were stored for the old one do not come along: else whoever
# may change a provider could have its password sent to a server of his own.
DESTINATION = frozenset({"host", "esp", API_URL})


class ProviderExistsError(ConflictError):
    """There is a provider {name} already."""

    code = "provider_exists"


class SharedProviderError(ApiError):
    """This provider is shared by all projects: only the operator of the service changes it."""

    code = "shared_provider"
    status = HTTPStatus.FORBIDDEN


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderTarget:
    """Where a provider is, as a caller gives it: a URL, or a kind with settings."""

    kind: ProviderKind | None = None
    url: str = ""
    settings: Mapping[str, str] | None = None


def read_target(target: ProviderTarget, *, is_operated: bool, kept: Provider | None = None) -> tuple[ProviderKind, str]:
    """The kind and the URL to store. InvalidFieldsError, naming `url`, `kind` or `settings.…`.

    Settings for a provider that is `kept` replace its own; what is not named of its credentials stays, as long as
    they would go to the same place. Who is not the operator may not name everything: see `reach`.
    """
    try:
        kind, settings = _read_settings(target, kept)
        address = check_settings(kind, settings)
        if not is_operated:
            check_reach(address)
    except ProviderUrlError as error:
        field = "url" if target.url else f"settings.{error.setting}" if error.setting else "settings"
        text = f"{str(error)[:1].upper()}{str(error)[1:].removesuffix('.')}."
        raise InvalidFieldsError([FieldError(field, error.code, text)]) from None
    return kind, build_provider_url(kind, settings)


def _read_settings(target: ProviderTarget, kept: Provider | None) -> tuple[ProviderKind, Mapping[str, str]]:
    if target.url:
        kind, settings = split_provider_url(target.url)
        if target.kind not in {None, kind}:
            message = f"The URL is for the kind {kind}."
            raise InvalidFieldsError([FieldError("kind", "kind_conflict", message)])
        return kind, settings
    assert target.kind is not None
    given = dict(target.settings or {})
    if kept is None or kept.kind != target.kind:
        return target.kind, given
    stored = split_provider_url(kept.url)[1]
    secrets_kept = stored.keys() - hide_secrets(target.kind, stored).keys()
    is_same_place = all(given.get(name, "") == stored.get(name, "") for name in DESTINATION)
    return target.kind, {**({name: stored[name] for name in secrets_kept} if is_same_place else {}), **given}


def add_provider(
    project: Project | None, *, name: str, target: ProviderTarget, is_operated: bool, **values: object
) -> Provider:
    """A new provider of `project`, or a shared one. Errors as of `build_provider` and `store_provider`."""
    return store_provider(build_provider(project, name=name, target=target, is_operated=is_operated, **values))


def build_provider(
    project: Project | None, *, name: str, target: ProviderTarget, is_operated: bool, **values: object
) -> Provider:
    """A new provider, checked and not stored. Asks the DNS: outside of transactions. InvalidFieldsError.

    `values` are the columns `priority`, `weight`, `rate_limit`, `connection_limit` and `is_enabled`.
    """
    kind, url = read_target(target, is_operated=is_operated)
    provider = Provider(project=project, name=name, kind=kind, url=url, is_operated=is_operated, **values)
    provider.event_secret = new_event_secret(kind)
    return provider


def store_provider(provider: Provider) -> Provider:
    """Write a new provider. ProviderExistsError."""
    return _save(provider, force_insert=True)


def change_provider(
    provider: Provider, *, target: ProviderTarget | None = None, is_operated: bool, **values: object
) -> Provider:
    """Change what is given. Errors as those of `add_provider`. Workers follow within a second.

    Where it leads is from then on the responsibility of whoever changes that: `is_operated` is for the operator.
    """
    if target is not None:
        provider.kind, provider.url = read_target(target, is_operated=is_operated, kept=provider)
        provider.is_operated = is_operated
        provider.event_secret = provider.event_secret or new_event_secret(ProviderKind(provider.kind))
        provider.paused_until = None
        forget_failures(provider.pk)
    for column, value in values.items():
        setattr(provider, column, value)
    return _save(provider, force_insert=False)


def _save(provider: Provider, *, force_insert: bool) -> Provider:
    try:
        with transaction.atomic():
            provider.save(force_insert=force_insert)
    except IntegrityError:
        raise ProviderExistsError(name=provider.name) from None
    forget_routes()
    return provider


def forget_routes() -> None:
    """Let this process read the providers anew: now, and once more when what was written can be seen."""
    routes.forget()
    transaction.on_commit(routes.forget)


def new_event_secret(kind: ProviderKind) -> str:
    return secrets.token_urlsafe(24) if kind is ProviderKind.ESP else ""


def remove_provider(provider: Provider) -> None:
    """Forget a provider. Mail that waits goes by the others; attempts keep its name."""
    provider.delete()
    routes.forget()


def sync_shared_provider(url: str) -> Provider | None:
    """Make the shared provider what `url` says: create it, change it, or disable it when `url` is empty.

    ProviderUrlError when the URL cannot be used; nothing is changed then.
    """
    with transaction.atomic():
        if not url:
            Provider.objects.filter(project=None, name=SHARED_NAME).update(is_enabled=False)
            provider = None
        else:
            kind = parse_provider_url(url).kind
            present = Provider.objects.filter(project=None, name=SHARED_NAME).first()
            if present and present.url == url and present.is_enabled:
                return present
            provider, _ = Provider.objects.update_or_create(
                project=None,
                name=SHARED_NAME,
                defaults={
                    "kind": kind,
                    "url": url,
                    "event_secret": (present and present.event_secret) or new_event_secret(kind),
                    "is_enabled": True,
                    "is_paused": False,
                    "paused_until": None,
                    "pause_reason": "",
                },
            )
    routes.forget()
    return provider


def has_shared_provider() -> bool:
    """Whether every project has a way out."""
    return Provider.objects.filter(project=None, is_enabled=True).exists()


def pause_provider(provider_id: UUID, *, reason: str, pause: timedelta | None) -> None:
    """Claim nothing for this provider for a while, or with None until it is resumed. Mail waits, nothing bounces."""
    until = None if pause is None else Now() + pause
    Provider.objects.filter(pk=provider_id).update(
        is_paused=pause is None, paused_until=until, pause_reason=reason[:500]
    )
    forget_routes()


def rest_provider(provider_id: UUID, *, reason: str) -> None:
    """Leave a provider alone that refuses us as such, for AUTH_PAUSE. A person's pause stays what it is."""
    Provider.objects.filter(pk=provider_id, is_paused=False).update(
        paused_until=Greatest(F("paused_until"), Now() + AUTH_PAUSE), pause_reason=reason[:500]
    )
    routes.forget()


def resume_provider(provider_id: UUID) -> None:
    """Use a paused provider again, whoever paused it. Other workers hear of it after the commit."""
    Provider.objects.filter(pk=provider_id).update(is_paused=False, paused_until=None, pause_reason="")
    transaction.on_commit(lambda: forget_failures(provider_id))
    forget_routes()


def show_settings(provider: Provider) -> dict[str, str]:
    """The provider's settings without its credentials."""
    kind, settings = split_provider_url(provider.url) if provider.url else (ProviderKind(provider.kind), {})
    return hide_secrets(kind, settings)
