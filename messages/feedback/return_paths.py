"""Return paths: the addresses to which bounces are sent."""

from functools import lru_cache
from uuid import UUID

from django.conf import settings

from delivery.id_tokens import derive_key
from delivery.verp import PURPOSE, make_return_path, read_return_path
from domains.signing_identities import identities


def find_return_path(domain_id: UUID | None, recipient_id: UUID) -> str | None:
    """The return path of one recipient's mail; None without a domain that routes bounces to this service."""
    identity = identities.of(domain_id) if domain_id else None
    host = (identity.return_path_host if identity else None) or settings.REPORT_DOMAIN
    return make_return_path(recipient_id, host, _key(settings.SECRET_KEY)) if host else None


def read_recipient(return_path: str) -> UUID | None:
    """The recipient that our return path names; None for other addresses and for forged ones."""
    return read_return_path(return_path, [_key(secret) for secret in list_secrets()])


def list_secrets() -> list[str]:
    """The secrets, newest first. Bounces of mail that was sent under an older secret still arrive."""
    return [settings.SECRET_KEY, *map(str, settings.SECRET_KEY_FALLBACKS)]


@lru_cache(maxsize=8)
def _key(secret: str) -> bytes:
    return derive_key(secret, PURPOSE)
