"""Return paths: the addresses to which bounces are sent."""

from uuid import UUID

from django.conf import settings

from delivery.verp import PURPOSE, make_return_path, read_return_path
from domains.signing_identities import identities
from messages.feedback.token_keys import list_keys, present_key


def find_return_path(domain_id: UUID | None, recipient_id: UUID) -> str | None:
    """The return path of one recipient's mail; None without a domain that routes bounces to this service."""
    host = find_return_host(domain_id)
    return make_return_path(recipient_id, host, present_key(PURPOSE)) if host else None


def find_return_host(domain_id: UUID | None) -> str:
    """The host whose mail comes to the report listener: the domain's own, whose record is checked, or REPORT_DOMAIN."""
    identity = identities.of(domain_id) if domain_id else None
    return (identity.return_path_host if identity else None) or settings.REPORT_DOMAIN


def read_recipient(return_path: str) -> UUID | None:
    """The recipient that our return path names; None for other addresses and for forged ones."""
    return read_return_path(return_path, list_keys(PURPOSE))
