"""What reads strangers' mail is there once, with its limits: no module parses or serves by a library of its own."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.sources import find_sources, parse, walk

# What only some modules may import, and why those do.
ALLOWED: dict[str, dict[str, str]] = {
    "aiosmtpd": {"delivery/smtp/server.py": "the base of all SMTP servers"},
    "email.message_from_bytes": {},
    "email.message_from_binary_file": {},
    "email.message_from_file": {},
    "email.message_from_string": {},
    "email.parser": {},
    "email.feedparser": {},
    "email.policy": {},
    "email.header.decode_header": {},
    "mailbox": {},
}


def name_uses(tree: ast.AST) -> Iterator[str]:
    """The dotted names that are imported, or read as attributes of `email`."""
    for node in walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from (f"{module}.{each.name}" for each in names)
            case ast.Attribute(value=ast.Name(id="email"), attr=name):
                yield f"email.{name}"


def find_ruled(tree: ast.AST) -> set[str]:
    """What of `ALLOWED` a module uses."""
    used = {name for name in name_uses(tree) if name.startswith(("email.", "aiosmtpd", "mailbox"))}
    return {rule for name in used for rule in ALLOWED if f"{name}.".startswith(f"{rule}.")}


def test_mail_is_parsed_and_served_in_one_place_each() -> None:
    found = {(rule, str(path)) for path in find_sources() for rule in find_ruled(parse(path))}
    assert found == {(rule, place) for rule, places in ALLOWED.items() for place in places}


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("from aiosmtpd.smtp import SMTP", "aiosmtpd"),
        ("import aiosmtpd.controller as c", "aiosmtpd"),
        ("import email\nemail.message_from_bytes(b'')", "email.message_from_bytes"),
        ("from email import message_from_bytes as read", "email.message_from_bytes"),
        ("from email.parser import BytesParser", "email.parser"),
        ("def f():\n from email import policy", "email.policy"),
    ],
)
def test_what_is_ruled_is_found(code: str, rule: str) -> None:
    assert find_ruled(ast.parse(code)) == {rule}


def test_every_place_that_is_allowed_is_there() -> None:
    for places in ALLOWED.values():
        assert all(Path(place) in set(find_sources()) and reason for place, reason in places.items())
