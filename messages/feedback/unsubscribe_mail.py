"""Unsubscribing by mail: the signed `mailto:` address in List-Unsubscribe (RFC 2369), and the mails that come to it.

The token stands in the local part (`u+<token>@host`) where mail comes to the report listener, and in the subject where
it comes to a bounce mailbox.
"""

import re
from uuid import UUID

from delivery.id_tokens import TOKEN_LENGTH, make_token, read_token
from messages.feedback.model import FeedbackResult
from messages.feedback.return_paths import find_return_host
from messages.feedback.token_keys import list_keys, present_key
from tracking.engagement.opt_outs import OptOut, find_mailed_recipient, unsubscribe
from tracking.models import SuppressionWay

PREFIX = "u+"
PURPOSE = b"emailsvc unsubscribe mail"
# The part of a mail that is searched for the token: its head. Returned mail behind it may hold the token too.
HEAD_BYTES = 64 * 1024
MAX_TOKENS = 5
_TOKEN = re.compile(rb"(?<![a-z0-9])u\+([a-z2-7]{%d})(?![a-z2-7])" % TOKEN_LENGTH, re.IGNORECASE)
# The offer in mail of ours that comes back as it was sent (a redirection, a host that bounces so) is no request.
_OFFER = re.compile(rb"^list-unsubscribe:.*(?:\n[ \t].*)*", re.IGNORECASE | re.MULTILINE)
_HEAD_END = re.compile(rb"\r?\n\r?\n")


def build_mailto(domain_id: UUID | None, mailbox_address: str, recipient_id: UUID) -> str | None:
    """The URL for List-Unsubscribe: to the report listener where mail comes to it, else to `mailbox_address`, a working
    bounce mailbox of the provider; None without either.
    """
    word = PREFIX + make_token(recipient_id, present_key(PURPOSE))
    if host := find_return_host(domain_id):
        return f"mailto:{word}@{host}?subject=unsubscribe"
    if mailbox_address:
        return f"mailto:{mailbox_address}?subject=unsubscribe%20{word.replace('+', '%2B')}"
    return None


def read_address(address: str) -> UUID | None:
    """The recipient that one of our unsubscribe addresses names; None for other addresses and for forged ones."""
    local_part = address.rpartition("@")[0].lower()
    return _read(local_part.removeprefix(PREFIX)) if local_part.startswith(PREFIX) else None


def read_mail(raw: bytes) -> UUID | None:
    """The recipient that a mail's head asks to unsubscribe; None for other mail."""
    head = _OFFER.sub(b"", _HEAD_END.split(raw[:HEAD_BYTES], 1)[0])
    tokens = (match[1].decode() for match in list(_TOKEN.finditer(head))[:MAX_TOKENS])
    return next((found for token in tokens if (found := _read(token.lower()))), None)


def unsubscribe_by_mail(recipient_id: UUID) -> FeedbackResult:
    """Unsubscribe the recipient from the stream of its mail; a repetition changes nothing."""
    mailed = find_mailed_recipient(recipient_id)
    if mailed is None:
        return FeedbackResult.UNKNOWN
    is_new = unsubscribe(mailed, OptOut(way=SuppressionWay.MAILTO))
    return FeedbackResult.APPLIED if is_new else FeedbackResult.KNOWN


def _read(token: str) -> UUID | None:
    return read_token(token, list_keys(PURPOSE))
