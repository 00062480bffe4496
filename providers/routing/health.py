"""How a provider does, for people and programs."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from django.utils import timezone

from providers.models import Provider
from providers.routing.shared_breakers import Exchange, provider_breakers, provider_key

_exchange = Exchange()


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`until` is when it changes by itself, None when it does not."""

    status: Literal["ok", "paused", "disabled", "failing"]
    reason: str = ""
    until: datetime | None = None


def describe_health(provider: Provider) -> Health:
    """Whether mail goes this way now."""
    if not provider.is_enabled:
        return Health(status="disabled")
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
