"""Creates, checks and revokes projects' keys; creates projects."""

import hmac
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from ipaddress import ip_network
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts import scopes as known
from accounts import tokens
from accounts.lifetimes.errors import ProjectClosedError
from accounts.models import ApiKey, AuditEntry, Notice, Project, SendingCap
from accounts.streams import add_default_stream
from common.addresses import AddressError, parse_address
from common.client_ip import IpAddress, find_origin
from common.errors import ApiError, ConflictError
from ledger.cached_rows import cached_rows
from ledger.sql import execute
from ledger.unique_values import is_taken

UNAUTHORIZED = {"WWW-Authenticate": "Bearer"}
# Precision of `last_used_at`; a write by each request would make the row a hot spot.
LAST_USED_STEP = timedelta(minutes=1)


class UnauthorizedError(ApiError):
    """An API key is required: `Authorization: Bearer <key>`."""

    code = "not_authenticated"
    status = HTTPStatus.UNAUTHORIZED

    def __init__(self) -> None:
        super().__init__(headers=UNAUTHORIZED)


class InvalidKeyError(UnauthorizedError):
    """The API key is unknown."""

    code = "invalid_key"


class RevokedKeyError(UnauthorizedError):
    """The API key was revoked."""

    code = "key_revoked"


class ExpiredKeyError(UnauthorizedError):
    """The API key has expired."""

    code = "key_expired"


class IpNotAllowedError(ApiError):
    """The API key may not be used from this IP address."""

    code = "ip_not_allowed"
    status = HTTPStatus.FORBIDDEN


class RecipientNotAllowedError(ApiError):
    """The API key may not send to {address}."""

    code = "recipient_not_allowed"
    status = HTTPStatus.FORBIDDEN


class UnknownScopeError(ApiError):
    """The scope {scope} does not exist. Known scopes: {known}."""

    code = "unknown_scope"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class InstallationKeyError(ApiError):
    """The scope admin stands alone, in a live key that belongs to the installation, to no project."""

    code = "installation_key"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class InvalidTokenError(ApiError):
    """A given key must begin with es_live_ or es_test_, to fit its kind, and end in at least 36 letters and digits."""

    code = "invalid_token"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class InvalidIpError(ApiError):
    """{text} is not an IP address or network."""

    code = "invalid_ip"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class InvalidRecipientPatternError(ApiError):
    """{text} is not an address or *@ followed by a domain."""

    code = "invalid_recipient_pattern"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class InvalidProjectNameError(ApiError):
    """A project needs a name of 1 to 100 printable characters."""

    code = "invalid_project_name"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class ProjectExistsError(ConflictError):
    """A project with this name exists already."""

    code = "project_exists"


class TokenTakenError(ConflictError):
    """This key belongs to another project."""

    code = "token_taken"


def create_project(*, name: str, contact_email: str = "", default_from: str = "", is_capped: bool = True) -> Project:
    """A new project with its default stream, and the cap of NEW_PROJECT_MESSAGES_PER_DAY unless `is_capped` is false.

    Raises `ProjectExistsError`, `InvalidProjectNameError`, or `AddressError` for the addresses.
    """
    name, contact = check_project_name(name), parse_address(contact_email).address if contact_email else ""
    if default_from:
        parse_address(default_from)
    project = Project(name=name, contact_email=contact, default_from=default_from)
    with transaction.atomic():
        if is_taken(project, name=name):
            raise ProjectExistsError
        project.save(force_insert=True)
        add_default_stream(project)
        if is_capped:
            add_sending_cap(project)
    return project


def add_sending_cap(project: Project) -> None:
    """Let a new project begin with few messages, if the installation says so."""
    if most := settings.NEW_PROJECT_MESSAGES_PER_DAY:
        SendingCap.objects.create(project=project, first_day_messages=most)


def check_project_name(text: str) -> str:
    """The name without spaces around it. Raises `InvalidProjectNameError`."""
    name = text.strip()
    if not name or len(name) > 100 or not name.isprintable():
        raise InvalidProjectNameError
    return name


def create_api_key(
    project: Project | None,
    *,
    name: str = "",
    scopes: Iterable[str],
    is_test: bool = False,
    expires_at: datetime | None = None,
    allowed_ips: Iterable[str] = (),
    allowed_recipients: Iterable[str] = (),
    hold_for_approval: bool = False,
    token: str | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its text, which is returned only here.

    Without a project it is a key of the installation: a live one, with the scope `admin` alone. A given `token` is
    installed as it is; if it exists already, its row is returned unchanged, even if revoked.
    Raises `UnknownScopeError`, `InstallationKeyError`, `InvalidIpError`, `InvalidRecipientPatternError`,
    `InvalidKeyNameError`, `InvalidTokenError`, `TokenTakenError` or `ProjectClosedError`.
    """
    if project is not None and project.closed_at is not None:
        raise ProjectClosedError
    text = token or tokens.new_token(is_test=is_test)
    if not tokens.is_token(text) or text.startswith(tokens.TEST) != is_test:
        raise InvalidTokenError
    tokens.check_key_name(name)
    checked = check_scopes(scopes)
    if (known.ADMIN in checked or project is None) and (project or is_test or checked != [known.ADMIN]):
        raise InstallationKeyError
    values: dict[str, Any] = {
        "project": project,
        "name": name,
        "prefix": tokens.prefix_of(text),
        "scopes": checked,
        "is_test": is_test,
        "expires_at": expires_at,
        "allowed_ips": [check_network(item) for item in allowed_ips],
        "allowed_recipients": [check_pattern(item) for item in allowed_recipients],
        "hold_for_approval": hold_for_approval,
    }
    if token is None:
        # A new text is random: nobody has it.
        return ApiKey.objects.create(key_hash=tokens.hash_of(text), **values), text
    key, _ = ApiKey.objects.get_or_create(key_hash=tokens.hash_of(text), defaults=values)
    if key.project_id != (project.pk if project else None):
        raise TokenTakenError
    return key, text


def check_scopes(given: Iterable[str]) -> list[str]:
    unique = set(given)
    if unknown := sorted(unique - known.KNOWN):
        raise UnknownScopeError(scope=unknown[0], known=", ".join(sorted(known.KNOWN)))
    return sorted(unique)


def check_network(text: str) -> str:
    try:
        return str(ip_network(text.strip(), strict=False))
    except ValueError:
        raise InvalidIpError(text=text) from None


def check_pattern(text: str) -> str:
    local, _, domain = text.strip().rpartition("@")
    try:
        parsed = parse_address(f"{'any' if local == '*' else local}@{domain}")
    except AddressError:
        raise InvalidRecipientPatternError(text=text) from None
    return f"*@{parsed.domain}" if local == "*" else parsed.address.lower()


def revoke_api_key(key: ApiKey) -> ApiKey:
    """Revoke the key. A second call keeps the first time."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now())
    key.refresh_from_db(fields=["revoked_at"])
    return key


def authenticate_token(text: str, ip: IpAddress | None) -> ApiKey:
    """The key with the text `text`, with its project; cached for a short time (`ledger.cached_rows`).

    Raises `InvalidKeyError`, `RevokedKeyError`, `ExpiredKeyError` (401) or `IpNotAllowedError` (403).
    """
    key = find_cached_key(text)
    if key is None:
        raise InvalidKeyError
    return check_key(key, ip)


def check_key(key: ApiKey, ip: IpAddress | None) -> ApiKey:
    """The known key, if a client at `ip` may use it now; its use is recorded.

    Raises `RevokedKeyError`, `ExpiredKeyError` (401) or `IpNotAllowedError` (403).
    """
    now = timezone.now()
    if key.revoked_at is not None:
        raise RevokedKeyError
    if key.has_expired(now):
        raise ExpiredKeyError
    if not key.admits_ip(ip):
        raise IpNotAllowedError
    touch(key, now)
    return key


class _NoKeyError(Exception):
    """No key has this text: this is not cached, so that a new key works at once."""


def find_cached_key(text: str) -> ApiKey | None:
    """As `find_key`. The instance is shared by threads."""

    def load() -> ApiKey:
        key = find_key(text)
        if key is None:
            raise _NoKeyError
        return key

    try:
        return cached_rows.get(("key", tokens.hash_of(text)), load)
    except _NoKeyError:
        return None


def find_key(text: str) -> ApiKey | None:
    if not tokens.is_token(text):
        return None
    digest = tokens.hash_of(text)
    candidates: Collection[ApiKey] = ApiKey.objects.select_related("project").filter(prefix=tokens.prefix_of(text))
    return next((key for key in candidates if hmac.compare_digest(key.key_hash, digest)), None)


def touch(key: ApiKey, now: datetime) -> None:
    """Record the use, at most once a minute, regardless of the number of concurrent requests."""
    if key.last_used_at is None or key.last_used_at < now - LAST_USED_STEP:
        is_stale = Q(last_used_at=None) | Q(last_used_at__lt=now - LAST_USED_STEP)
        ApiKey.objects.filter(is_stale, pk=key.pk).update(last_used_at=now)
        # The instance is cached.
        key.last_used_at = now


def write_notice(project: Project | None, *, kind: str, text: str, data: Mapping[str, object] | None = None) -> Notice:
    """Write a notice to the project's contact, or to the operator if `project` is None."""
    return Notice.objects.create(project=project, kind=kind, text=text, data=dict(data or {}))


_COUNT_NOTICE = """
UPDATE accounts_notice SET data = data || jsonb_build_object('count', COALESCE((data ->> 'count')::bigint, 1) + 1)
WHERE id = (SELECT id FROM accounts_notice WHERE project_id IS NULL AND kind = %s AND read_at IS NULL
            AND created_at > now() - interval '1 day' ORDER BY id DESC LIMIT 1)
"""


def count_notice(*, kind: str, text: str, data: Mapping[str, object]) -> None:
    """Tell the operator of something that strangers can cause at will: one notice a day, which counts its repetitions
    until it is read.
    """
    if not execute(_COUNT_NOTICE, [kind]):
        write_notice(None, kind=kind, text=text, data=data)


def write_audit(actor: str, action: str, obj: object, **data: object) -> AuditEntry:
    """Record an action in the audit log: `write_audit("command", "revoke", key, prefix=key.prefix)`.

    The entry also gets the object's project, and the origin and the reason of the request or the command.
    """
    project_id = obj.pk if isinstance(obj, Project) else getattr(obj, "project_id", None)
    return store_audit(actor=actor, action=action, obj=obj, project_id=project_id, data=data)


def store_audit(
    *, actor: str, action: str, obj: object, project_id: UUID | None, data: Mapping[str, object]
) -> AuditEntry:
    """As `write_audit`, for a given project."""
    origin = find_origin()
    values = {"actor": actor[:200], "action": action[:60], "object": str(obj)[:200], "origin": origin.place[:200]}
    return AuditEntry.objects.create(**values, project_id=project_id, reason=origin.reason, data=data)
