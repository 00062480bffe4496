"""Text bounces, second half: find the recipients in a bounce message, and the text about each.

Recipients appear at the start of lines, after introducing words, or in the SMTP conversation.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from delivery.addresses import ADDRESS_PATTERN
from delivery.judging.codes import find_reply_code
from delivery.judging.phrases import read_plainly
from delivery.reports.text_bounce import MAX_NOTICE

MAX_SAID = 2_000
MAX_RECIPIENTS = 100

_BULLET = r"[\s>*|#\"'`+-]{0,40}(?:\d{1,3}[.)] {1,4})?(?:<?mailto:)?"
_LEADING = re.compile(rf"^{_BULLET}<?({ADDRESS_PATTERN})")
_NAMED = re.compile(rf"^\s{{0,20}}['\"]?[^<>@:]{{1,60}}['\"]?\s?<(?:mailto:)?({ADDRESS_PATTERN})>\s*$")
_TALKED = re.compile(rf"^\s{{0,20}}(?:[245]\d\d[ -])?(?:[245]\.\d\.\d{{1,3}} )?<?({ADDRESS_PATTERN})>?\.\.\.")
_ANSWERED = re.compile(rf"^\s{{0,20}}[45]\d\d[ -](?:[45]\.\d\.\d{{1,3}} )?<?{ADDRESS_PATTERN}>?\.\.\.")
_INTRODUCED = re.compile(
    r"(?:deliver(?:ed|ing|y)?(?: (?:a |the |your )?(?:message|mail|e-?mail))?(?: failed)? to"
    r"|(?:message|mail|e-?mail|sent|send|addressed) to|undeliverable to|rcpt to|to address"
    r"|(?:to )?(?:the )?(?:following )?(?:address|recipient|user|account|mail ?box|host|userid)(?: address| name)?"
    r"(?: is| was)?|\d attempts|exceeds allowed size|\bid in|\bfor)"
    rf"\s{{0,4}}[:=]?\s{{0,4}}[('\"]?(?:rfc822;\s?)?<?({ADDRESS_PATTERN})",
    re.IGNORECASE,
)
_NOT_FROM = re.compile(rf"(?<!mail from )(?<!mail from <)({ADDRESS_PATTERN})", re.IGNORECASE)
_OUR_FIELD = re.compile(r"^\s*(?:mail )?(?:from|sender|return-path|reply-to|cc)\s*:", re.IGNORECASE)
_CONTACT = re.compile(
    r"\b(?:contact|assistance|help|support|questions?|please (?:send|write|forward))\b", re.IGNORECASE
)
_X400 = re.compile(r"\b(?:[a-z]=[^;\s]{0,60} ?;){1,12}dda:smtp=", re.IGNORECASE)  # Exchange 5.5, of foreign addresses
_GREETING = re.compile(rf"^\W*(?:hello|hi|dear|hola|bonjour|hallo)\b|^\W*{ADDRESS_PATTERN}\s?[,，您]", re.IGNORECASE)
_EXPANDED = re.compile(rf"(?:expanded|generated|forwarded) from:?\s+<?({ADDRESS_PATTERN})", re.IGNORECASE)

# From strict to loose; the next group is used only when the previous one finds no recipient.
_FINDERS = ((_LEADING, _NAMED, _TALKED), (_INTRODUCED,))


@dataclass(slots=True)
class Passage:
    """The text of a bounce message about one address."""

    address: str
    lines: list[str] = field(default_factory=list)

    @property
    def said(self) -> str:
        """The text in one line."""
        return " ".join(" ".join(self.lines).split())[:MAX_SAID]

    @property
    def original_address(self) -> str:
        """The address that was expanded to this one, if the text names it, else `""`."""
        match = _EXPANDED.search(self.said)
        return match[1] if match else ""


def find_passages(notice: str, own: Collection[str]) -> list[Passage]:
    """The recipients in a bounce message, and the text about each. `own` holds the bounce message's addressees in lower
    case. They belong to the sender and count only without any other address.
    """
    lines = _X400.sub(" ", notice).split("\n")
    for apart in (own, ()) if own else ((),):
        for finders in _FINDERS:
            if passages := _collect(lines, finders, apart):
                return passages
    addresses = (match[1] for match in _NOT_FROM.finditer(notice[:MAX_NOTICE]))
    return [Passage(address) for address in addresses if address.lower() not in own][:1]


def find_telling(text: str) -> str:
    """The paragraph of `text` with the other side's reply, else the one that names a reason, else `""`."""
    paragraphs = [" ".join(one.split())[:MAX_SAID] for one in re.split(r"\n[ \t]*\n", text[:MAX_NOTICE])]
    return next((one for tells in (find_reply_code, read_plainly) for one in paragraphs[:40] if tells(one)), "")


def _collect(lines: Sequence[str], finders: Collection[re.Pattern[str]], own: Collection[str]) -> list[Passage]:
    found: dict[str, Passage] = {}
    current: Passage | None = None
    before: list[str] = []
    for line in lines:
        if line.lstrip().startswith(">>>"):
            before = []  # the host's next command ends the previous reply
        address = next(_find(line, finders, own), "")
        if address and address.lower() not in found and len(found) < MAX_RECIPIENTS:
            # A reply precedes the line that names its recipient: `<<< 550 …`.
            current = Passage(address, [one for one in before if one.lstrip().startswith("<<<")])
            found[address.lower()] = current
        elif address:
            current = found.get(address.lower(), current)
        if current is not None:
            current.lines.append(line)
            # In the SMTP conversation a recipient has one line; the next lines are about the next recipient.
            current = None if _ANSWERED.match(line) else current
        before = [] if address else [*before[-5:], line]
    return list(found.values())


def _find(line: str, finders: Collection[re.Pattern[str]], own: Collection[str]) -> Iterator[str]:
    # Most lines of a bounce message name nobody.
    if "@" not in line or _OUR_FIELD.match(line) or _GREETING.match(line):
        return
    for finder in finders:
        if finder is not _LEADING and _CONTACT.search(line):
            continue
        yield from (match[1] for match in finder.finditer(line) if match[1].lower() not in own)
