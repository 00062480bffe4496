"""The addresses in a header field (RFC 5322, 3.4): names, comments, groups, in time linear in its length."""

import re
from collections.abc import Iterator

from common.addresses import Address, AddressError, parse_address
from delivery.mime.fields import Field, clean_line, decode_bytes, decode_words, unfold

# A quoted string, an address in angle brackets, a separator, the begin of a comment, or other text.
TOKEN = re.compile(
    r'\s*(?:("(?:[^"\\]|\\.)*")|(<(?:"(?:[^"\\]|\\.)*"|[^<>"])*>)|([,;:])|(\()|([^\s",;:<>()]+))', re.DOTALL
)
COMMENT = re.compile(r"\\.|[()]", re.DOTALL)
ESCAPE = re.compile(r"\\(.)", re.DOTALL)
GAP = re.compile(r"\s*\Z")
# A quoted local part that is followed by its domain, which the tokens take apart.
BARE_QUOTED = re.compile(r'("(?:[^"\\]|\\.)*") (@\S+)\Z')


def read_mailboxes(field: Field) -> list[str]:
    """The mailboxes of the field as `a@b.c` or `"Name" <a@b.c>`, in their order; what `parse_address` takes.

    Groups are opened. Raises AddressError if the field is no list of addresses.
    """
    return [write_mailbox(words, angle) for words, angle in split_mailboxes(unfold(decode_bytes(field.raw, "utf-8")))]


def split_mailboxes(text: str) -> Iterator[tuple[list[str], str]]:
    """The words of each mailbox, and the part in angle brackets, or empty."""
    words: list[str] = []
    angle, position = "", 0
    while not GAP.match(text, position):
        token = TOKEN.match(text, position)
        if token is None:
            raise AddressError("invalid_address", f"Is no list of addresses: see {text[position:].strip()[:1]}.")
        position = token.end()
        quoted, bracketed, separator, comment, other = token.groups()
        if comment:
            position = skip_comment(text, position)
        elif bracketed:
            angle = bracketed[1:-1].strip()
        elif separator:
            # The words before a colon are a group's name.
            if separator != ":" and (words or angle):
                yield words, angle
            words, angle = [], ""
        else:
            words.append(quoted or other)
    if words or angle:
        yield words, angle


def skip_comment(text: str, position: int) -> int:
    """The place after the comment that begins before `position`; comments nest."""
    depth = 1
    while depth:
        found = COMMENT.search(text, position)
        if found is None:
            raise AddressError("invalid_address", "Has a comment without an end.")
        position = found.end()
        depth += {"(": 1, ")": -1}.get(found[0], 0)
    return position


def write_mailbox(words: list[str], angle: str) -> str:
    if not angle:
        text = " ".join(words)
        quoted = BARE_QUOTED.match(text)
        return quoted[1] + quoted[2] if quoted else text
    plain = " ".join(ESCAPE.sub(r"\1", word[1:-1]) if word.startswith('"') else word for word in words)
    name = clean_line(decode_words(plain))
    return quote_name(name, angle)


def quote_name(name: str, address: str) -> str:
    """The form that `parse_address` reads back."""
    if not name:
        return address
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" <{address}>'


def write_address(address: Address) -> str:
    return quote_name(address.name, address.address)


def read_addresses(field: Field) -> list[Address]:
    """The addresses of the field. Raises AddressError for the first that is none."""
    return [parse_address(text) for text in read_mailboxes(field)]
