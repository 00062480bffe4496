"""Email addresses, parsed once: one value serves validation, envelope and header.

Rejected although RFC 5322 allows it: comments, groups, address literals (`a@[192.0.2.1]`), and unquoted names with
special characters. Rejected although other systems accept it: local parts outside ASCII
(RFC 6531, which few relays support), domains without a dot, and the special-use domains of RFC 6761 and related
standards (`localhost`, `local`, `invalid`, `onion`, `arpa`). `test` is accepted: it is reserved for test systems.
"""

import re
from dataclasses import dataclass

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from common.text import find_bidi_control, find_control_character

# RFC 5321, 4.5.3.1.1 and 4.5.3.1.3 (a path of 256 with its brackets).
MAX_LOCAL = 64
MAX_ADDRESS = 254
MAX_NAME = 255
# Longer input is rejected unparsed: a fully escaped name and an address fit in.
MAX_TEXT = 2 * MAX_NAME + MAX_ADDRESS + 10


class AddressError(ValueError):
    """The text is not a usable email address. `code` is for programs, `message` for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Address:
    """An address with its display name.

    `address` is ASCII: the local part as it was given, but for quotes that it does not need; the domain as lower-case
    A-labels. `domain` is that domain.
    `name` has no control characters and may be empty; it is not quoted or encoded for a header.
    """

    name: str
    address: str
    domain: str


# What most addresses look like: dot-atom, labels of letters, digits and hyphens of at most 63, a letter at the end.
# email-validator takes six times as long, and refuses names that SMTP takes (RFC 5321, 2.3.5): labels such as
# xn--i-7iq, whose symbol IDNA no longer allows, and others with hyphens in third and fourth place.
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
DOT_ATOM = rf"{ATOM}(?:\.{ATOM})*"
PLAIN = re.compile(rf"({DOT_ATOM})@((?:{LABEL}\.)+{LABEL}(?<=[A-Za-z]))\Z")
# RFC 5321, 4.1.2: a local part in quotes, such as the `"a..b"` that some mobile carriers gave out.
QUOTED_LOCAL = re.compile(r'"((?:[^"\\]|\\.)+)"\Z')
QUOTED_TAIL = re.compile(r'(\A|<)("(?:[^"\\]|\\.)+"@[^"<>@\s,;:]*)\Z')
RESERVED = tuple(f".{name}" for name in SPECIAL_USE_DOMAIN_NAMES if name != "test")

QUOTED_NAME = re.compile(r'"((?:[^"\\]|\\.)*)"\Z')
ESCAPE = re.compile(r"\\(.)")
# RFC 5322, 3.2.3, `specials`, except the dot, which is common in practice (obs-phrase).
SPECIALS = re.compile(r'[()<>\[\]:;@\\,"]')


def parse_address(text: str) -> Address:
    """The address in `a@b.c`, `Name <a@b.c>` or `"Name, quoted" <a@b.c>`. Raises `AddressError` for anything else.

    Codes: `invalid_address`, `several_addresses`, `address_too_long`, `name_too_long`, `control_character`,
    `bidi_control`, `non_ascii_local_part`, `reserved_domain`.
    """
    if len(text) > MAX_TEXT:
        raise AddressError("address_too_long", f"Must have at most {MAX_ADDRESS} characters.")
    if PLAIN.match(text):
        return build_address("", text)
    refuse_controls(text)
    name, bare = split_name(text.strip(" "))
    return build_address(name, bare)


def refuse_controls(text: str) -> None:
    if found := find_control_character(text):
        raise AddressError("control_character", f"Must not hold the control character {found}.")
    if found := find_bidi_control(text):
        raise AddressError("bidi_control", f"Must not hold {found}, which changes the direction of writing.")


def split_name(text: str) -> tuple[str, str]:
    """`Name <a@b.c>` → (`Name`, `a@b.c`), the name without its quotes."""
    is_angled = text.endswith(">")
    quoted = QUOTED_TAIL.search(text[:-1] if is_angled else text)
    if quoted and not is_angled and not quoted[1]:
        return "", text
    if not is_angled:
        if "," in text or ";" in text:
            raise AddressError("several_addresses", "Must be a single address; use a list for several.")
        return "", text
    raw, opened, bare = text[:-1].rpartition("<")
    if quoted and quoted[1]:  # its local part may hold a bracket
        raw, bare = text[: quoted.start()], quoted[2]
    raw = raw.strip(" ")
    if not opened:
        raise AddressError("invalid_address", "There is a > without a matching <.")
    if quoted := QUOTED_NAME.match(raw):
        name = ESCAPE.sub(r"\1", quoted[1]).strip(" ")
    elif special := SPECIALS.search(raw):
        code = "several_addresses" if "@" in raw else "invalid_address"
        raise AddressError(code, f'The name holds {special[0]}; put the name in quotes: "Name" <a@example.com>.')
    else:
        name = raw
    if len(name) > MAX_NAME:
        raise AddressError("name_too_long", f"The name must have at most {MAX_NAME} characters.")
    return name, bare


def build_address(name: str, bare: str) -> Address:
    plain = PLAIN.match(bare)
    local, domain = (plain[1], plain[2].lower()) if plain else parse_unusual(bare)
    address = f"{local}@{domain}"
    if len(local) > MAX_LOCAL or len(address) > MAX_ADDRESS:
        limits = f"Must have at most {MAX_LOCAL} characters before the @-sign and {MAX_ADDRESS} in all."
        raise AddressError("address_too_long", limits)
    if f".{domain}".endswith(RESERVED):
        raise AddressError("reserved_domain", f"{domain} is a name that mail cannot be sent to.")
    if "." not in domain:
        raise AddressError("invalid_address", "The part after the @-sign must have a dot.")
    return Address(name, address, domain)


def parse_unusual(bare: str) -> tuple[str, str]:
    """Local part and domain of addresses that the fast pattern does not match, such as `a@bücher.example`."""
    local, at, domain = bare.rpartition("@")
    if at and not local.isascii():
        raise AddressError("non_ascii_local_part", "The part before the @-sign must be ASCII.")
    if quoted := QUOTED_LOCAL.match(local):
        plain = PLAIN.match(f"a@{domain}")
        return requote(ESCAPE.sub(r"\1", quoted[1])), plain[2].lower() if plain else parse_unusual(f"a@{domain}")[1]
    # The library has no error code for these two.
    if f".{domain.lower()}".endswith(RESERVED):
        return local, domain.lower()
    if len(bare) > MAX_ADDRESS:
        return local, domain
    try:
        checked = validate_email(
            bare,
            check_deliverability=False,
            test_environment=True,
            allow_smtputf8=False,
            strict=True,
            allow_quoted_local=False,
            allow_domain_literal=False,
            allow_display_name=False,
        )
    except EmailNotValidError as error:
        raise AddressError("invalid_address", str(error)) from None
    return local, (checked.ascii_domain or "").lower()


def requote(local: str) -> str:
    """The one form of a local part: `"a.b"` is the same mailbox as `a.b` (RFC 5321, 4.1.2)."""
    if re.fullmatch(DOT_ATOM, local):
        return local
    escaped = local.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
