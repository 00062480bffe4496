"""Finds an address in texts, as a person or a program may have written it, and replaces it."""

import re

import idna

from tracking.suppressions.erased import ERASED_ADDRESS

# What may stand before the local part: no character of an address, or a percent-encoded one.
BEFORE = r"(?:(?<![[:alnum:]._+-])|(?<=%[[:xdigit:]]{2}))"
# The domain ends here: it goes on neither with a letter nor with a further label.
AFTER = r"(?![[:alnum:]-]|\.[[:alnum:]])"
NAMES = {"@": "commat", "&": "amp", "'": "apos", "+": "plus", ".": "period"}
# Separates the items of an array while it is one text.
ITEM = r"E'\x1f'"


def write_pattern(address: str) -> str:
    """A regular expression of PostgreSQL for the address: plain, percent-encoded, and as HTML writes it.

    It is used without regard to case. An internationalised domain is found in both of its forms.
    """
    local, _, domain = address.lower().rpartition("@")
    forms = {domain, decode_domain(domain)}
    domains = "|".join("".join(map(write_char, form)) for form in sorted(forms))
    return f"{BEFORE}{''.join(map(write_char, local))}{write_char('@')}(?:{domains}){AFTER}"


def decode_domain(domain: str) -> str:
    try:
        return idna.decode(domain)
    except idna.IDNAError:
        return domain


def write_char(char: str) -> str:
    if char.isalnum() and char.isascii():
        return char
    code = ord(char)
    encoded = "".join(f"%{byte:02x}" for byte in char.encode())
    ways = [encoded, f"&#0*{code};", f"&#x0*{code:x};"]
    if char in NAMES:
        ways.append(f"&{NAMES[char]};")
    return f"(?:{'|'.join([re.escape(char) if char.isascii() else char, *ways])})"


def replace_in(column: str, kind: str) -> str:
    """The SQL for a column without the address; `kind` is `text`, `jsonb`, `list` or `mailboxes`.

    The statement gets `%(pattern)s`, and `%(address)s` in lower case.
    """
    match kind:
        case "jsonb":
            return f"({replace_text(f'{column}::text')})::jsonb"
        case "list":
            joined = f"array_to_string({column}, {ITEM})"
            return f"string_to_array({replace_text(joined)}, {ITEM})"
        case "mailboxes":
            return replace_mailboxes(column)
    return replace_text(column)


def replace_text(value: str) -> str:
    return f"regexp_replace({value}, %(pattern)s, '{ERASED_ADDRESS}', 'gi')"


def replace_mailboxes(value: str) -> str:
    """Mailboxes of {"name", "address"}: the name of the erased one goes too."""
    gone = f"""'{{"name": "", "address": "{ERASED_ADDRESS}"}}'::jsonb"""
    items = f"CASE WHEN lower(box ->> 'address') = %(address)s THEN {gone} ELSE box END"
    return f"COALESCE((SELECT jsonb_agg({items}) FROM jsonb_array_elements({value}) AS box), '[]')"  # noqa: S608 - constants


def holds(column: str, kind: str) -> str:
    """The SQL condition that a column holds the address."""
    if kind == "list":
        return f"array_to_string({column}, ' ') ~* %(pattern)s"
    return f"{column}{'' if kind == 'text' else '::text'} ~* %(pattern)s"
