"""Split a report into its own text and our returned mail, and list its addressees."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from delivery.addresses import find_addresses, find_received_for, fold_addresses, read_verp
from delivery.reports.mime import MimePart, parse_headers, walk_parts
from delivery.reports.text_bounce import split_notice, unquote

MAX_ADDRESSES = 20

_ADDRESSED = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-apparently-to", "to")
_ORIGINAL_TYPES = {
    "message/rfc822",
    "message/global",
    "text/rfc822-headers",
    "message/rfc822-headers",
    "message/global-headers",
}
_MESSAGE_ID = re.compile(r"<?([^<>\s]{1,250})>?")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSections:
    """A report's sections: `text` is its own text, `notice` the part before our mail, `returned` our mail's headers.

    `is_returning` tells whether any part of our mail is enclosed, even without a readable header.
    """

    mail: MimePart
    text: str
    notice: str
    returned: MimePart | None
    is_returning: bool


def split_sections(mail: MimePart) -> MailSections:
    """Separate the report's own text from our returned mail."""
    original = next((part for part in walk_parts(mail) if part.media_type in _ORIGINAL_TYPES), None)
    text = unquote("\n".join(_list_texts(mail)))
    notice, rest = split_notice(text)
    return MailSections(
        mail=mail,
        text=text,
        notice=notice,
        returned=_open_original(original) or _read_headers(rest),
        is_returning=bool(original or rest),
    )


def list_addresses(part: MimePart, names: Sequence[str]) -> list[str]:
    """Every address in the header fields `names`, in order, without repetitions."""
    values = (value for name in names for value in part.headers.get(name, ()))
    return fold_addresses(address for value in values for address in find_addresses(value))


def list_addressed(mail: MimePart) -> list[str]:
    """The addressees of a mail, those of the envelope before those of the header."""
    return list_addresses(mail, _ADDRESSED)[:MAX_ADDRESSES]


def find_message_id(sections: MailSections) -> str:
    """Our mail's Message-ID without brackets: from the returned mail, else from the report's reference; or `""`."""
    for part, name in (
        (sections.returned, "message-id"),
        (sections.mail, "in-reply-to"),
        (sections.mail, "references"),
    ):
        if part is not None and (match := _MESSAGE_ID.search(part.header(name))):
            return match[1]
    return ""


def guess_recipients(sections: MailSections) -> list[str]:
    """The recipients for a report that names none: from our mail's headers, else from our VERP address."""
    if sections.returned is not None:
        for name in ("x-original-to", "to"):
            if len(found := list_addresses(sections.returned, (name,))) == 1:
                return found
        if found := find_addresses(find_received_for(sections.returned.headers.get("received", ()))):
            return found
    return [verp for address in list_addressed(sections.mail) if (verp := read_verp(address))][:1]


def _list_texts(part: MimePart) -> Iterator[str]:
    """The text parts of the report itself; of alternatives only the plain text."""
    if part.media_type == "multipart/alternative" and part.children:
        plain = (one for one in part.children if one.media_type == "text/plain" and one.body.strip())
        yield from _list_texts(next(plain, part.children[-1]))
    elif part.media_type.startswith("multipart/") and part.children:
        for child in part.children:
            yield from _list_texts(child)
    elif part.media_type.startswith(("text/", "multipart/")) and part.media_type not in _ORIGINAL_TYPES:
        yield part.text()


def _open_original(part: MimePart | None) -> MimePart | None:
    if part is None:
        return None
    return part.children[0] if part.children else _read_headers(part.text())


def _read_headers(text: str) -> MimePart | None:
    headers = parse_headers(text[:64_000])
    return MimePart(headers=headers, media_type="text/plain") if headers else None
