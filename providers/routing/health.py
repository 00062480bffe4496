"""How a provider does, for people and programs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from providers.configuration.stored import find_settings
from providers.models import Provider, ProviderKind
from providers.routing.shared_breakers import Exchange, provider_breakers, provider_key

_exchange = Exchange()


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`until` is when it changes by itself, None when it does not."""

    status: Literal["ok", "paused", "disabled", "failing", "unreadable"]
    reason: str = ""
    until: datetime | None = None


def describe_health(provider: Provider) -> Health:
    """Whether mail goes this way now."""
    if not provider.is_enabled:
        return Health(status="disabled")
    if find_settings(provider) is None:
        return Health(status="unreadable", reason="the stored settings cannot be read")
    if provider.is_paused:
        return Health(status="paused", reason=provider.pause_reason)
    if provider.paused_until and provider.paused_until > timezone.now():
        return Health(status="paused", reason=provider.pause_reason, until=provider.paused_until)
    return describe_breaker(provider)


def describe_breaker(provider: Provider) -> Health:
    """What the workers have told of its circuit."""
    _exchange.run()
    found = provider_breakers.find_tripped(provider_key(provider.pk))
    if found is None:
        return Health(status="ok")
    return Health(status="failing", reason=found.reason, until=datetime.fromtimestamp(found.until, UTC))


def list_failing() -> list[UUID]:
    """The ids of the providers whose circuit breaker is open."""
    _exchange.run()
    return [UUID(key.partition(":")[2]) for key in provider_breakers.list_tripped()]


# The troubles that a list of providers can be narrowed to, by status.
TROUBLES: Mapping[str, Callable[[], Q]] = {
    "paused": lambda: Q(is_paused=True) | Q(paused_until__gt=timezone.now()),
    "failing": lambda: Q(pk__in=list_failing()),
    "unreadable": lambda: Q(unreadable_at__isnull=False),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderState:
    """A provider and how it does."""

    name: str
    kind: ProviderKind
    health: Health
    rate_limit: float | None = None
    connection_limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderStatus:
    """`providers` are those that the project's mail may take, as they are chosen (`selection.Routes`), enabled ones
    only; `disabled` the names of those that are switched off. `kinds` is of every provider, by its id, for attempts of
    then.
    """

    providers: Sequence[ProviderState]
    disabled: Sequence[str]
    kinds: Mapping[UUID, ProviderKind]


def provider_status(project_id: UUID) -> ProviderStatus:
    """One query. A project's own providers come before shared ones, whether they can be used or not."""
    rows = list(Provider.objects.filter(Q(project_id=project_id) | Q(project=None)).order_by("priority", "name"))
    enabled = [row for row in rows if row.is_enabled]
    used = [row for row in enabled if row.project_id is not None] or enabled
    # Live mail takes no simulator.
    used = [row for row in used if row.kind != ProviderKind.SIMULATOR]
    return ProviderStatus(
        providers=[
            ProviderState(
                name=row.name,
                kind=ProviderKind(row.kind),
                health=describe_health(row),
                rate_limit=row.rate_limit,
                connection_limit=row.connection_limit,
            )
            for row in used
        ],
        disabled=[row.name for row in rows if not row.is_enabled],
        kinds={row.pk: ProviderKind(row.kind) for row in rows},
    )
