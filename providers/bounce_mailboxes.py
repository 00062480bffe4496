"""Bounce mailboxes of providers: their input as a URL or as parts, check and row, and the claim of due ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import UUID, uuid4

from django.db.models.functions import Now

from accounts.services import write_notice
from common.errors import FieldError, InvalidFieldsError
from common.fields import LostSecret
from delivery.mailboxes.model import MailboxAddress, MailboxError, MailboxLimits
from delivery.mailboxes.opening import PORTS, open_mailbox
from delivery.ssrf import RefusedError, check_host
from ledger.sql import execute, fetch_value
from providers.models import BounceMailbox, Provider, ProviderKind
from providers.network_policy import find_guard

FIELD = "bounce_mailbox"
# A person waits for the check.
CHECK_LIMITS = MailboxLimits(seconds=8.0, total_bytes=4 * 1024 * 1024)
VISIT_LIMITS = MailboxLimits()
INTERVAL = timedelta(seconds=60)
# After failures a mailbox is tried less often; servers lock accounts that fail to log in each minute.
MAX_INTERVAL = timedelta(minutes=30)
# Longer than a visit, which ends by its own deadline, and the recording of its mails.
LEASE = timedelta(minutes=5)
MAX_FAILURE = 300
MAX_PART = 500
KINDS = frozenset({ProviderKind.SMTP, ProviderKind.MX, ProviderKind.ESP})


class MailboxPartError(ValueError):
    """A part of a mailbox is invalid; `part` is empty for the whole. No message repeats a part: one is the password."""

    def __init__(self, message: str, part: str = "") -> None:
        super().__init__(message)
        self.part = part


# The parts of a mailbox. All are texts; `keep` is yes or no.
PARTS = ("protocol", "host", "port", "username", "password", "folder", "keep")
LOGIN = ("username", "password")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxInput:
    """A mailbox from a caller, checked."""

    address: MailboxAddress
    is_kept: bool
    is_operated: bool


def split_mailbox_url(url: str) -> Mapping[str, str]:
    """The parts in `imaps://user:password@host:port/folder?keep=yes`, not checked. MailboxPartError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise MailboxPartError("the URL cannot be parsed; special characters must be percent-encoded") from None
    if parts.scheme not in PORTS:
        raise MailboxPartError("must begin with imaps:// or pop3s://")
    if not parts.hostname or parts.fragment or port == 0:
        raise MailboxPartError("must have a host; special characters in the password must be percent-encoded")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if options.keys() - {"keep"}:
        raise MailboxPartError("the only option is keep=yes or keep=no")
    return {
        "protocol": parts.scheme,
        "host": parts.hostname,
        "port": "" if port is None else str(port),
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "folder": unquote(parts.path.removeprefix("/")),
        **options,
    }


def build_mailbox(parts: Mapping[str, str]) -> tuple[MailboxAddress, bool]:
    """The mailbox with these parts, and whether reports are kept there. MailboxPartError names the wrong part."""
    given = {name: parts.get(name, "") for name in PARTS}
    if given["protocol"] not in PORTS:
        raise MailboxPartError("must be imaps or pop3s", "protocol")
    for name, words in (("username", "user name"), ("password", "password")):
        if not given[name]:
            raise MailboxPartError(f"the {words} is missing", name)
    try:
        host = check_host(given["host"])
    except RefusedError as error:
        raise MailboxPartError(error.message, "host") from None
    for name in ("username", "password", "folder"):
        if not given[name].isprintable() or len(given[name]) > MAX_PART:
            raise MailboxPartError(f"must hold printable characters only, at most {MAX_PART} in each part", name)
    if given["folder"] and given["protocol"] == "pop3s":
        raise MailboxPartError("POP3 has no folders", "folder")
    if given["keep"] not in {"", "yes", "no"}:
        raise MailboxPartError("the only option is keep=yes or keep=no", "keep")
    address = MailboxAddress(
        protocol=given["protocol"],
        host=host,
        port=read_port(given["port"]) or PORTS[given["protocol"]],
        username=given["username"],
        password=given["password"],
        folder=given["folder"] or "INBOX",
    )
    return address, given["keep"] == "yes"


def read_port(text: str) -> int:
    """The number; 0 for an empty text."""
    if text and not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536):
        raise MailboxPartError("must be between 1 and 65535", "port")
    return int(text or 0)


def read_mailbox(given: str | Mapping[str, str], *, kind: ProviderKind, is_operated: bool) -> MailboxInput:
    """The mailbox of a URL or of its parts, which is opened now. InvalidFieldsError naming `bounce_mailbox`, and which
    of the parts.

    Uses the network: call it outside transactions.
    """
    if kind not in KINDS:
        raise refuse_mailbox("invalid_mailbox", "A bounce mailbox is for providers of the kinds smtp, mx and esp")
    try:
        address, is_kept = build_mailbox(split_mailbox_url(given) if isinstance(given, str) else given)
        check_mailbox(address, is_operated=is_operated)
    except MailboxPartError as error:
        hint = "; special characters must be percent-encoded" if isinstance(given, str) and error.part in LOGIN else ""
        raise refuse_mailbox(
            "invalid_mailbox", f"{error}{hint}", "" if isinstance(given, str) else error.part
        ) from None
    except MailboxError as error:
        raise refuse_mailbox("mailbox_unusable", str(error)) from None
    return MailboxInput(address=address, is_kept=is_kept, is_operated=is_operated)


def complete_parts(given: str | Mapping[str, str], present: BounceMailbox | None) -> str | Mapping[str, str]:
    """Parts with the login of the present mailbox where they have none and lead to the same server. A URL stays."""
    if isinstance(given, str) or present is None or isinstance(present.password, LostSecret):
        return given
    if given.get("host") != present.host:
        return given
    login = {"username": present.username, "password": present.password}
    return {**given, **{name: given.get(name) or value for name, value in login.items()}}


def refuse_mailbox(code: str, text: str, part: str = "") -> InvalidFieldsError:
    field = f"{FIELD}.{part}" if part else FIELD
    return InvalidFieldsError([FieldError(field, code, f"{text[:1].upper()}{text[1:].removesuffix('.')}.")])


def check_mailbox(address: MailboxAddress, *, is_operated: bool) -> None:
    """Connect, log in and open the folder. MailboxError."""
    with open_mailbox(address, guard=find_guard(is_operated=is_operated), limits=CHECK_LIMITS) as mailbox:
        mailbox.close()


def store_mailbox(provider: Provider, given: MailboxInput | None) -> None:
    """Store the provider's mailbox in place of the present one, or remove it; in the caller's transaction."""
    BounceMailbox.objects.filter(provider=provider).delete()
    if given is not None:
        BounceMailbox.objects.create(
            provider=provider,
            protocol=given.address.protocol,
            host=given.address.host,
            port=given.address.port,
            username=given.address.username,
            password=given.address.password,
            folder=given.address.folder,
            is_kept=given.is_kept,
            is_operated=given.is_operated,
            next_attempt_at=Now(),
            # The check has opened it.
            fetched_at=Now(),
        )
    # The relation may be cached on the instance.
    provider.refresh_from_db()


def build_address(mailbox: BounceMailbox) -> MailboxAddress:
    """The mailbox's address; MailboxError when no key decrypts its password."""
    if isinstance(mailbox.password, LostSecret):
        raise MailboxError("the stored password cannot be decrypted")
    return MailboxAddress(
        protocol=mailbox.protocol,
        host=mailbox.host,
        port=mailbox.port,
        username=mailbox.username,
        password=mailbox.password,
        folder=mailbox.folder,
    )


def find_mailbox(provider: Provider) -> BounceMailbox | None:
    """The provider's mailbox, if it has one; a provider that is not stored has none."""
    return None if provider._state.adding else getattr(provider, FIELD, None)


def describe_mailbox(provider: Provider) -> Mapping[str, object] | None:
    """The parts of a provider's mailbox that may be shown, and its state."""
    mailbox = find_mailbox(provider)
    if mailbox is None:
        return None
    return {
        "protocol": mailbox.protocol,
        "host": mailbox.host,
        "port": mailbox.port,
        "folder": mailbox.folder,
        "keep": mailbox.is_kept,
        "fetched_at": mailbox.fetched_at,
        "failure": mailbox.failure,
    }


_CLAIM = """
UPDATE providers_bouncemailbox SET lease_token = %(token)s, lease_until = now() + %(lease)s
WHERE id = (SELECT id FROM providers_bouncemailbox
            WHERE next_attempt_at <= now() AND (lease_until IS NULL OR lease_until < now())
            ORDER BY next_attempt_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id
"""


def claim_mailbox() -> BounceMailbox | None:
    """Lease the mailbox that is due for the longest time, for this process alone; None when none is due."""
    token = uuid4()
    found: UUID | None = fetch_value(_CLAIM, {"token": token, "lease": LEASE})
    return BounceMailbox.objects.select_related("provider__project").get(pk=found) if found else None


_FINISH = """
UPDATE providers_bouncemailbox
SET lease_token = NULL, lease_until = NULL, seen = %(seen)s, failure = %(failure)s, failed_count = %(failed)s,
    fetched_at = CASE WHEN %(failure)s = '' THEN now() ELSE fetched_at END, next_attempt_at = now() + %(wait)s
WHERE id = %(id)s AND lease_token = %(token)s
"""


def finish_visit(mailbox: BounceMailbox, *, failure: str = "", has_more: bool = False) -> None:
    """Record a visit and when the next one is due: at once if more mails are waiting. The first of several failures is
    told to the project's contact.
    """
    failed_count = min(mailbox.failed_count + 1, 100) if failure else 0
    values = {
        "seen": mailbox.seen,
        "failure": failure[:MAX_FAILURE],
        "failed": failed_count,
        "wait": timedelta(0) if has_more else min(INTERVAL * 2 ** min(max(failed_count - 1, 0), 10), MAX_INTERVAL),
        "id": mailbox.pk,
        "token": mailbox.lease_token,
    }
    if execute(_FINISH, values) and failed_count == 1:
        provider = mailbox.provider
        write_notice(
            provider.project,
            kind="bounce_mailbox_failed",
            text=f"The bounce mailbox of the provider {provider.name} cannot be read: {failure[:MAX_FAILURE]}. Bounces "
            "that arrive there are not known until it can be read again.",
            data={"provider": str(provider.pk)},
        )
