"""A whole mail and its envelope as an email to send: the one reading for all ways in that take MIME.

The mail is rewritten as the body of a request to `/api/v1` and read by the same serializer, so that its rules hold. It
drops what the service writes itself: Message-ID, Date, the traces of earlier hops.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings

from common.addresses import Address, AddressError
from common.errors import FieldError, FieldErrors
from delivery.mime.fields import Field
from gateways.mime.addresses import read_addresses, write_address
from gateways.mime.beside import NOTHING, Beside, join_fields
from gateways.mime.control_fields import IDEMPOTENCY_KEY, is_control, read_controls
from gateways.mime.parts import read_parts, take_apart
from messages.accepting.draft import Draft
from messages.api.serializers import read_draft

# Written anew, or a trace of the way to us (RFC 5322, 3.6.6 and 3.6.7), which a later hop would take for ours.
DROPPED = frozenset(
    {
        *("message-id", "date", "received", "return-path", "bcc", "sender", "mime-version"),
        *("dkim-signature", "domainkey-signature", "authentication-results", "received-spf", "delivered-to"),
        *("resent-date", "resent-from", "resent-sender", "resent-to", "resent-cc", "resent-bcc", "resent-message-id"),
    }
)
DROPPED_PREFIXES = ("content-", "arc-")
# Those that the body of a request names otherwise.
NAMED = frozenset({"from", "to", "cc", "bcc", "reply-to", "subject", "message-id"})
MAX_SHOWN = 1_000
MAX_ID = 998


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMail:
    """A mail as an email to send: its draft without the invalid fields, and the errors of those.

    `payload` is what an idempotency key's fingerprint is made of: all but what a client writes anew with each try.
    """

    draft: Draft
    errors: Sequence[FieldError]
    idempotency_key: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The addresses in the header."""

    to: Sequence[Address] = ()
    cc: Sequence[Address] = ()
    bcc: Sequence[Address] = ()


def read_mail_request(raw: bytes, recipients: Sequence[Address] | None = None, beside: Beside = NOTHING) -> ReadMail:
    """Read a mail for these recipients of its envelope, or without an envelope for those that its header names.

    A recipient whom neither To nor Cc names is a blind copy. Addresses of To and Cc that are no recipients stay in the
    header and get nothing. `beside` is what the request says beside the mail. Raises InvalidFieldsError for a mail
    whose structure cannot be sent (`gateways.mime.parts`).
    """
    tree = take_apart(raw)
    errors = FieldErrors()
    named = sort_fields(tree.root.fields, errors)
    shown = Shown(**{kind: read_list(named, kind, errors) for kind in ("to", "cc", "bcc")})
    envelope = fold_addresses([*shown.to, *shown.cc, *shown.bcc] if recipients is None else recipients)
    controls = read_controls(filter(is_control, tree.root.fields), errors)
    key = controls.pop(IDEMPOTENCY_KEY, None) or ""
    own = beside.read(tree.root.fields, errors)
    written: dict[str, Any] = {
        "from_": read_sender(named, errors),
        "to": [address.address for address in envelope],
        "reply_to": [write_address(address) for address in read_list(named, "reply-to", errors)],
        "subject": read_line(named, "subject"),
        "headers": read_headers(tree.root.fields, beside.own, errors),
        **read_parts(tree),
    }
    body = join_fields(written, own, {name: value for name, value in controls.items() if value is not None})
    # What the request replaces need not be right in the mail.
    errors.errors = [error for error in errors.errors if error.field not in beside.given]
    body = join_fields(body, beside.given)
    draft, others = read_draft(body)
    draft = address_draft(draft, shown, envelope)
    draft = replace(draft, original_message_id=read_line(named, "message-id").strip("<>")[:MAX_ID])
    known = {error.field for error in errors.errors}
    return ReadMail(
        draft=draft,
        # A field that could not be read is not also a missing one.
        errors=[*errors.errors, *(error for error in others if error.field not in known)],
        idempotency_key=key,
        payload={**body, "shown": draft.header_recipients, **list_kinds(draft)},
    )


def sort_fields(fields: Sequence[Field], errors: FieldErrors) -> dict[str, Field]:
    """The fields that a request names otherwise, by their names in lower case; each may occur once (RFC 5322, 3.6)."""
    named: dict[str, Field] = {}
    for field in fields:
        name = field.name.lower()
        if name in named and name not in DROPPED:
            errors.add(FIELD_OF.get(name, name), "duplicate_header", f"The header {field.name} occurs twice.")
        elif name in NAMED:
            named.setdefault(name, field)
    return named


FIELD_OF = {"from": "from_", "reply-to": "reply_to"}


def read_line(named: Mapping[str, Field], name: str) -> str:
    return named[name].decode() if name in named else ""


def read_list(named: Mapping[str, Field], name: str, errors: FieldErrors) -> list[Address]:
    """The addresses of the field; none, and an error, if it cannot be read."""
    if name not in named:
        return []
    return attempt(lambda: read_addresses(named[name])[:MAX_SHOWN], FIELD_OF.get(name, name), errors) or []


def attempt(read: Callable[[], list[Address]], path: str, errors: FieldErrors) -> list[Address] | None:
    try:
        return read()
    except AddressError as error:
        errors.add(path, error.code, error.message)
        return None


def read_sender(named: Mapping[str, Field], errors: FieldErrors) -> str | None:
    """The one address of From; without one, the default sender is taken."""
    senders = read_list(named, "from", errors)
    if len(senders) > 1:
        errors.add("from_", "several_addresses", "Must be a single address.")
    return write_address(senders[0]) if len(senders) == 1 else None


def read_headers(fields: Sequence[Field], own: Collection[str], errors: FieldErrors) -> dict[str, str]:
    """The header fields that the mail keeps. Those of `own` are removed."""
    headers: dict[str, str] = {}
    seen: set[str] = set()
    for field in fields:
        name = field.name.lower()
        if name in NAMED or name in own or is_dropped(name):
            continue
        if name in seen:
            errors.add(f"headers.{field.name[:100]}", "duplicate_header", "The header occurs twice.")
        elif value := field.decode():
            headers[field.name] = value
        seen.add(name)
    return headers


def is_dropped(name: str) -> bool:
    if name in DROPPED or name == settings.MAIL_ID_HEADER.lower():
        return True
    return name.startswith(DROPPED_PREFIXES) or is_control(Field(name, b""))


def fold_addresses(addresses: Sequence[Address]) -> list[Address]:
    """The addresses without repetitions; the first counts."""
    folded: dict[str, Address] = {}
    for address in addresses:
        folded.setdefault(address.address.lower(), address)
    return list(folded.values())


def address_draft(draft: Draft, shown: Shown, envelope: Sequence[Address]) -> Draft:
    """The draft for the envelope's recipients, each in the list of the header that names it, else a blind copy."""
    wanted = {address.address.lower(): address for address in envelope}
    to, cc = fold_addresses(shown.to), fold_addresses(shown.cc)
    reached_to = [address for address in to if address.address.lower() in wanted]
    named = {address.address.lower() for address in reached_to}
    reached_cc = [address for address in cc if address.address.lower() in wanted.keys() - named]
    named |= {address.address.lower() for address in reached_cc}
    is_whole = len(reached_to) == len(to) and all(address.address.lower() in named for address in cc)
    return replace(
        draft,
        to=reached_to,
        cc=reached_cc,
        bcc=[address for lower, address in wanted.items() if lower not in named],
        header_recipients=None if is_whole else {"to": list_shown(to), "cc": list_shown(cc)},
    )


def list_shown(addresses: Sequence[Address]) -> list[dict[str, str]]:
    return [{"name": address.name, "address": address.address} for address in addresses]


def list_kinds(draft: Draft) -> dict[str, list[str]]:
    return {kind: [address.address for address in getattr(draft, kind)] for kind in ("to", "cc", "bcc")}
