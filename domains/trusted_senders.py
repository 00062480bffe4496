"""Sender domains that the operator admits without verification, because the relay behind this service checks them."""

from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID, uuid5

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from domains.domain_names import DomainNameError, canonical_name

ANY = "*"


# Any fixed namespace: the ids are compared with each other only.
NAMESPACE = UUID("6f1c8f0e-3a53-4c55-9d55-0f2a4f0f2f57")


@lru_cache(maxsize=1000)
def trust_id(name: str) -> UUID:
    """The id of the trust in a name, for mail that was admitted by it."""
    return uuid5(NAMESPACE, name)


def is_current_trust(trust: UUID) -> bool:
    """Whether the trust with this id still holds. False also for ids of anything else."""
    trusted = trusted_names(tuple(settings.TRUSTED_SENDER_DOMAINS))
    return ANY in trusted or trust in map(trust_id, trusted)


def is_trusted(name: str) -> bool:
    """Whether TRUSTED_SENDER_DOMAINS holds exactly this name (canonical), or `*`."""
    trusted = trusted_names(tuple(settings.TRUSTED_SENDER_DOMAINS))
    return ANY in trusted or name in trusted


@lru_cache(maxsize=8)
def trusted_names(written: Sequence[str]) -> frozenset[str]:
    """The setting in canonical form. ImproperlyConfigured for an invalid name."""
    return frozenset(map(trusted_name, written))


def trusted_name(text: str) -> str:
    if text == ANY:
        return ANY
    try:
        return canonical_name(text)
    except DomainNameError as error:
        raise ImproperlyConfigured(f"TRUSTED_SENDER_DOMAINS: {text}: {error}") from None
