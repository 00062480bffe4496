"""Find addresses in reports: typed, in brackets, in xtext, with a route, or within a sentence."""

import re
from collections.abc import Iterable

# Bounded, and matched only at the start of a run: a long run without `@` costs one attempt, not one per character.
ADDRESS_PATTERN = (
    r"(?<![\w.!#$%&*+/=?^`{|}~-])(?:\"[^\"\s@]{1,64}\"|[\w!#$%&*+/=?^`{|}~-][\w.!#$%&'*+/=?^`{|}~-]{0,127})"
    r"@(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,250}[A-Za-z0-9_])?|\[[0-9A-Fa-f.:]{2,45}\])"
)
ADDRESS = re.compile(ADDRESS_PATTERN)

_TYPE = re.compile(r"\s*([\w-]{1,40})\s*;\s*")
_ROUTE = re.compile(r"^@[^:\s]{1,500}:")
_XTEXT = re.compile(r"\+(2B|3D)")
_CODE_POINT = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
_QUOTE = re.compile(r"^['\"<\s]+|['\">\s]+$")
_IN_LOCAL_PART = re.compile(r"[-+=]([\w.%]{1,64})=([a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,6})$", re.IGNORECASE)
_RECEIVED_FOR = re.compile(r"\bfor\s+<?(" + ADDRESS_PATTERN + ")")


def find_addresses(text: str) -> list[str]:
    """Every mailbox in `text`, in order, without repetitions (case ignored)."""
    return fold_addresses(match[0] for match in ADDRESS.finditer(text[:20_000]))


def fold_addresses(addresses: Iterable[str]) -> list[str]:
    """The addresses in order, without repetitions (case ignored)."""
    seen: dict[str, str] = {}
    for address in addresses:
        seen.setdefault(address.lower(), address)
    return list(seen.values())


def read_typed_address(value: str) -> str:
    """The address in a DSN's recipient field, `rfc822; <a@b.c>` (RFC 3464, 2.3.2; RFC 6533, 3): `""` if none is there.

    xtext that the reporting host left in (RFC 3461, 4) is decoded only for characters that need it, since `user+2D@…`
    may be a real address with a tag.
    """
    match = _TYPE.match(value)
    bare = value[match.end() :] if match else value
    if match and match[1].lower() == "utf-8":
        bare = _CODE_POINT.sub(lambda code: chr(min(int(code[1], 16), 0x10FFFF)), bare)
    bare = _ROUTE.sub("", _QUOTE.sub("", bare.split(" (")[0]))
    bare = _XTEXT.sub(lambda code: chr(int(code[1], 16)), bare)
    if found := ADDRESS.search(bare):
        return found[0]
    return bare if "@" in bare and not re.search(r"\s", bare) and len(bare) <= 320 else ""


def read_verp(address: str) -> str:
    """The recipient in a bounce address of the common form `bounces-17-user=example.org@…`, or `""`."""
    match = _IN_LOCAL_PART.search(address.rpartition("@")[0])
    return f"{match[1]}@{match[2]}" if match else ""


def find_received_for(received: tuple[str, ...]) -> str:
    """The recipient in the newest `Received` field that names one (RFC 5321, 4.4), or `""`."""
    return next((match[1] for value in received if (match := _RECEIVED_FOR.search(value))), "")
