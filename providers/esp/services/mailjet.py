"""Mailjet. Events: an array in a post, or one event without "Group events".

Source: https://dev.mailjet.com/email/guides/webhooks/ ("Event types" and "Possible values for errors").
"""

from collections.abc import Iterable, Mapping

from delivery.judging.model import NO_MAILBOX, Category
from delivery.judging.terms import HARD, Reason
from delivery.mime.attachments import parse_content_type
from providers.esp.event_model import EventKind, RawEvent, ReadEvent, join_reply, read_object, read_word
from providers.esp.model import Esp
from providers.esp.repackaging import EspFile
from providers.esp.signatures import Posted

EVENTS: Mapping[str, EventKind] = {
    "sent": EventKind.DELIVERED,  # taken by the recipient's server
    "bounce": EventKind.BOUNCED,
    "blocked": EventKind.FAILED,
    "spam": EventKind.COMPLAINED,
    "unsub": EventKind.UNSUBSCRIBED,
    "open": EventKind.OPENED,
    "click": EventKind.CLICKED,
}
# By the error. Not here: `greylisted`, the lists below, and what is wrong with a template, which Mailjet fills in.
CATEGORIES: Mapping[str, Category] = {
    "user unknown": NO_MAILBOX,
    "mailbox inactive": Category(Reason.DISABLED),
    "quota exceeded": Category(Reason.MAILBOX_FULL),
    "invalid domain": Category(Reason.HOST_UNKNOWN),
    "typofix": Category(Reason.HOST_UNKNOWN),
    "no mail host": Category(Reason.NO_MAIL_SERVICE),
    "relay/access denied": Category(Reason.RELAYING),
    "sender blocked": Category(Reason.BLOCKED),
    "content blocked": Category(Reason.CONTENT),
    "policy issue": Category(Reason.POLICY),
    "system issue": Category(Reason.SYSTEM),
    "protocol issue": Category(Reason.PROTOCOL),
    "connection issue": Category(Reason.NETWORK),
}
# The errors of `blocked` that are about the address: Mailjet did not try, for what it knows of the address. The other
# errors are about the mail.
LISTED = frozenset(
    {
        *("preblocked", "blacklisted", "spam reporter", "user unknown", "mailbox inactive", "quota exceeded"),
        *("invalid domain", "no mail host", "typofix"),
    }
)


def read_event(raw: RawEvent, _posted: Posted) -> Iterable[ReadEvent]:
    name, error = read_word(raw, "event"), read_word(raw, "error")
    kind = EVENTS.get(name, EventKind.UNKNOWN)
    if error == "greylisted" and raw.get("hard_bounce") is not True:
        # Mailjet tries again.
        kind = EventKind.DELAYED
    elif kind is EventKind.FAILED and error in LISTED:
        kind = EventKind.LISTED
    # `no mail host` is also what Mailjet calls a host that does not answer today.
    known = "" if is_doubtful(raw, error) else error
    yield ReadEvent(
        name=name,
        kind=kind,
        address=raw.get("email"),
        remote_id=raw.get("MessageID"),
        metadata=read_object(raw.get("Payload")),
        occurred_at=raw.get("time"),
        reply=raw.get("smtp_reply") or join_reply(raw.get("comment"), known),
        category=None if kind is EventKind.LISTED else CATEGORIES.get(known),
        url=raw.get("url"),
        user_agent=raw.get("agent"),
    )


def is_doubtful(raw: RawEvent, error: str) -> bool:
    """Whether the error makes the address of a bounce invalid, although Mailjet does not call the bounce permanent."""
    category = CATEGORIES.get(error)
    is_invalid = category is not None and category.reason in HARD
    return is_invalid and raw.get("event") == "bounce" and raw.get("hard_bounce") is not True


def leave_charset_out(file: EspFile) -> EspFile:
    """Mailjet writes `charset=utf-8` behind every text's type. A text that is not UTF-8 goes as any file."""
    if not file.mimetype.startswith("text/"):
        file.mimetype = file.content_type
    elif file.charset in {"utf-8", "us-ascii"} or file.b64content_utf8 != file.b64content:
        file.mimetype = str(parse_content_type(file.content_type).without("charset"))
    else:
        file.mimetype = "application/octet-stream"
    return file


# It writes these itself, and refuses a mail with one of them (dev.mailjet.com, "Send API v3.1", error send-0011).
REFUSED = frozenset({"domainkey-status", "list-id", "user-agent", "x-csa-complaints", "x-feedback-id", "x-mailer"})


ESP = Esp(
    name="mailjet",
    title="Mailjet",
    backend="anymail.backends.mailjet.EmailBackend",
    needed=("api_key", "secret_key"),
    read_event=read_event,
    secrets=frozenset({"api_key", "secret_key"}),
    takes_silence=True,
    login=("Authorization", "Basic {api_key}:{secret_key}"),
    # Beside the sending API, which is v3.1.
    probe="/v3/REST/myprofile",
    fit_file=leave_charset_out,
    refused_headers=REFUSED,
)
