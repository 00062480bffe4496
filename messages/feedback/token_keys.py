"""The keys of the tokens in mail, by purpose, derived from SECRET_KEY."""

from functools import lru_cache

from django.conf import settings

from delivery.id_tokens import derive_key


def present_key(purpose: bytes) -> bytes:
    """The key that new tokens are made with."""
    return derive_cached_key(settings.SECRET_KEY, purpose)


def list_keys(purpose: bytes) -> list[bytes]:
    """The keys that count, newest first: answers to mail that was sent under an older secret still arrive."""
    secrets = (settings.SECRET_KEY, *map(str, settings.SECRET_KEY_FALLBACKS))
    return [derive_cached_key(secret, purpose) for secret in secrets]


@lru_cache(maxsize=32)
def derive_cached_key(secret: str, purpose: bytes) -> bytes:
    return derive_key(secret, purpose)
