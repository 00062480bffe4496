"""A caller's header fields by their syntax: read, brought into one form, and written.

Only text and phrases may hold characters outside ASCII, and only they are encoded: an encoded word within a message id,
a URI or an address is not read as one (RFC 2047, 5).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from delivery.mime.headers import (
    HARD_LINE,
    HeaderError,
    Mailbox,
    check_name,
    check_value,
    fold_header,
    mailboxes,
    phrase,
    structured,
    unstructured,
)

SEPARATORS = re.compile(r"[\s,]*")
MESSAGE_ID = re.compile(r"<[!-;=?-~]+>")
BARE_ID = re.compile(r"[!-+\--;=?-~]+@[!-+\--;=?-~]+")
# RFC 2369, 2: URIs in angle brackets, with comments between them, or the word NO.
URI = re.compile(r"<[^<>]*>|\([^()<>]*\)")
BARE_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-;=?-~]+")
MAILBOX = re.compile(
    r"""\s*+(?:
      (?P<name>"(?:[^"\\]|\\.)*+"|[^"<>,;:@\\\s]++(?:\s++[^"<>,;:@\\\s]++)*+|)\s*+
      <(?P<address>(?:"(?:[^"\\]|\\.)*+")?[^<>"]+)>
    | (?P<bare>(?:"(?:[^"\\]|\\.)*+"|[^"<>,;\s@]++)@[^"<>,;\s@]++)
    )\s*+(?:,|\Z)""",
    re.VERBOSE,
)
# RFC 2919, 2: a phrase, then an identifier in angle brackets.
PHRASE_AND_ID = re.compile(r'(?P<phrase>"(?:[^"\\]|\\.)*+"\s*+|[^<"]*+)<(?P<id>[!-;=?-~]+)>')
DOTTED_ID = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)+")
PHRASE = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^",]+)\s*(?:,|\Z)')
ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class HeaderSyntax:
    """One syntax of values.

    `read` takes a value and returns its one form, which `write` turns into the whole field with its CRLF. Both raise
    HeaderError. `has_phrases` tells that the value holds phrases beside things that must not be encoded.
    """

    read: Callable[[str, str], str]
    write: Callable[[str, str], bytes]
    longest: int = HARD_LINE
    has_phrases: bool = False


def read_header(name: str, value: str) -> str:
    """The value in its one form, without white space at its edges. Raises HeaderError for the wrong syntax."""
    check_value(name, value)
    value = value.strip()
    syntax = SYNTAXES.get(name.lower())
    return syntax.read(name, value) if syntax else value


def write_header(name: str, value: str) -> bytes:
    """The field, folded, with its CRLF. Raises HeaderError."""
    syntax = SYNTAXES.get(name.lower())
    if syntax is None:
        return unstructured(name, value.strip(" "))
    check_name(name)
    return syntax.write(name, read_header(name, value))


def write_value(name: str, value: str) -> str:
    """The value for a mail service that encodes whole values: phrases are encoded already, all other text is not."""
    syntax = SYNTAXES.get(name.lower())
    if syntax is None or not syntax.has_phrases:
        return read_header(name, value)
    return write_header(name, value).decode("ascii").partition(":")[2].replace("\r\n", "").strip()


def find_longest(name: str) -> int:
    """The number of characters that a value of this header may have."""
    syntax = SYNTAXES.get(name.lower())
    return syntax.longest if syntax else HARD_LINE


def read_message_ids(name: str, value: str) -> str:
    """`<a@b> <c@d>`. Of more than fit into a line, the first one and the last ones are kept (RFC 5322, 3.6.4)."""
    ids = [part if part.startswith("<") else f"<{part}>" for part in split_by(MESSAGE_ID, BARE_ID, value)]
    if not ids:
        raise HeaderError(name, "must hold message ids such as <id@example.com>")
    return " ".join(trim_ids(ids, HARD_LINE - len(name) - 2))


def trim_ids(ids: Sequence[str], room: int) -> list[str]:
    """Leave out ids in the middle until the others fit: the first one names the thread, the last one the parent.

    RFC 5537, 3.4.4, has the limit; RFC 5322 sets none, but several programs cut what is longer.
    """
    kept: list[str] = []
    size = len(ids[0])
    for each in reversed(ids[1:]):
        size += 1 + len(each)
        if size > room:
            break
        kept.append(each)
    if len(ids) > 1 and not kept:
        return [ids[-1]]
    return [ids[0], *reversed(kept)]


def read_uris(name: str, value: str) -> str:
    """`<https://…>, <mailto:…>`, with comments where they were."""
    if BARE_URI.fullmatch(value):
        return f"<{value}>"
    if value.upper() == "NO":
        return "NO"
    parts = ["".join(part.split()) if part.startswith("<") else part for part in split_by(URI, None, value)]
    if not any(part.startswith("<") and len(part) > 2 for part in parts):
        raise HeaderError(name, "must hold URIs in angle brackets such as <https://example.com/a>")
    if not value.isascii():
        raise HeaderError(name, "holds a character outside ASCII; percent-encode it")
    return join_uris(parts)


def join_uris(parts: Sequence[str]) -> str:
    """A comma stands between two URIs and not beside a comment."""
    joined = parts[0]
    has_uri = joined.startswith("<")
    for part in parts[1:]:
        is_uri = part.startswith("<")
        joined += f", {part}" if is_uri and has_uri else f" {part}"
        has_uri = has_uri or is_uri
    return joined


def split_by(pattern: re.Pattern[str], other: re.Pattern[str] | None, value: str) -> list[str]:
    """The parts of `value` that match, with white space and commas between; none where something else stands there."""
    parts: list[str] = []
    position = match_end(SEPARATORS, value, 0)
    while position < len(value):
        found = pattern.match(value, position) or (other.match(value, position) if other else None)
        if found is None:
            return []
        parts.append(found[0])
        following = match_end(SEPARATORS, value, found.end())
        if other and following == found.end() < len(value) and not found[0].startswith("<"):
            return []
        position = following
    return parts


def match_end(pattern: re.Pattern[str], value: str, position: int) -> int:
    found = pattern.match(value, position)
    return found.end() if found else position


def parse_mailboxes(name: str, value: str) -> list[Mailbox]:
    """The mailboxes of `a@b.c, Name <d@e.f>`."""
    members: list[Mailbox] = []
    position = 0
    while position < len(value):
        found = MAILBOX.match(value, position)
        if found is None:
            raise HeaderError(name, "must hold addresses such as Name <a@example.com>")
        address = found["address"] or found["bare"]
        members.append(Mailbox(name=unquote_phrase(found["name"] or ""), address=address.strip()))
        position = found.end()
    if not members:
        raise HeaderError(name, "must hold addresses such as Name <a@example.com>")
    return members


def read_mailboxes(name: str, value: str) -> str:
    members = parse_mailboxes(name, value)
    mailboxes(name, members)
    return ", ".join(f"{quote_phrase(each.name)} <{each.address}>" if each.name else each.address for each in members)


def write_mailboxes(name: str, value: str) -> bytes:
    return mailboxes(name, parse_mailboxes(name, value))


def read_phrase_and_id(name: str, value: str) -> str:
    """`Name <list.example.com>`."""
    if DOTTED_ID.fullmatch(value):
        return f"<{value}>"
    found = PHRASE_AND_ID.fullmatch(value)
    if found is None:
        raise HeaderError(name, "must be an id in angle brackets, <list.example.com>, with a name before it or none")
    text = unquote_phrase(found["phrase"])
    return f"{quote_phrase(text)} <{found['id']}>" if text else f"<{found['id']}>"


def write_phrase_and_id(name: str, value: str) -> bytes:
    found = PHRASE_AND_ID.fullmatch(value)
    assert found is not None
    text = unquote_phrase(found["phrase"])
    words = phrase(name, text) if text else []
    return fold_header(name, [*(f" {word}" for word in words), f" <{found['id']}>"])


def list_phrases(value: str) -> Iterator[str]:
    position = 0
    while found := PHRASE.match(value, position):
        if text := unquote_phrase(found[1]):
            yield text
        position = found.end()
        if position >= len(value):
            return


def read_phrases(name: str, value: str) -> str:
    """`one, "two, three"`."""
    phrases = list(list_phrases(value))
    if not phrases:
        raise HeaderError(name, "must hold words with commas between them")
    return ", ".join(map(quote_phrase, phrases))


def write_phrases(name: str, value: str) -> bytes:
    chunks: list[str] = []
    for text in list_phrases(value):
        if chunks:
            chunks[-1] += ","
        chunks += [f" {word}" for word in phrase(name, text)]
    return fold_header(name, chunks)


def unquote_phrase(text: str) -> str:
    """The text of a phrase, which may be a quoted string."""
    text = text.strip()
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        return ESCAPE.sub(r"\1", text[1:-1]).strip()
    return text


def quote_phrase(text: str) -> str:
    """A phrase in the form that `unquote_phrase` reads back."""
    if any(character in text for character in '"\\,<>;:@()'):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text


MESSAGE_IDS = HeaderSyntax(read_message_ids, structured, longest=64 * 1024)
URIS = HeaderSyntax(read_uris, structured, longest=8 * 1024)
MAILBOXES = HeaderSyntax(read_mailboxes, write_mailboxes, longest=8 * 1024, has_phrases=True)
LIST_ID = HeaderSyntax(read_phrase_and_id, write_phrase_and_id, has_phrases=True)
PHRASES = HeaderSyntax(read_phrases, write_phrases, has_phrases=True)

# Headers that are not here hold text.
SYNTAXES: Mapping[str, HeaderSyntax] = {
    # RFC 5322, 3.6.4; RFC 2156; RFC 5536, 3.2.12
    "in-reply-to": MESSAGE_IDS,
    "references": MESSAGE_IDS,
    "obsoletes": MESSAGE_IDS,
    "original-message-id": MESSAGE_IDS,
    "supersedes": MESSAGE_IDS,
    # RFC 2369; RFC 5064
    "archived-at": URIS,
    "list-archive": URIS,
    "list-help": URIS,
    "list-owner": URIS,
    "list-post": URIS,
    "list-subscribe": URIS,
    "list-unsubscribe": URIS,
    # RFC 8098; RFC 9057; RFC 2076 and common use
    "apparently-to": MAILBOXES,
    "author": MAILBOXES,
    "disposition-notification-to": MAILBOXES,
    "errors-to": MAILBOXES,
    "mail-followup-to": MAILBOXES,
    "mail-reply-to": MAILBOXES,
    "return-receipt-to": MAILBOXES,
    "x-confirm-reading-to": MAILBOXES,
    # RFC 2919
    "list-id": LIST_ID,
    # RFC 5322, 3.6.5
    "keywords": PHRASES,
}
