"""Sender domains that the operator admits without verification, because the relay behind this service checks them."""

from collections.abc import Sequence
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from domains.domain_names import DomainNameError, canonical_name

ANY = "*"


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
