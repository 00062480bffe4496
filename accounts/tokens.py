"""API keys as text: `es_live_` or `es_test_`, then letters and digits; the first eight of these stay visible."""

import hashlib
import re
import secrets
import string
from http import HTTPStatus

from common.errors import ApiError

ALPHABET = string.ascii_letters + string.digits
VISIBLE = 8
# 28 letters or digits give 166 random bits, beyond the visible eight.
SECRET = 28
LIVE = "es_live_"
TEST = "es_test_"
TOKEN = re.compile(rf"(?:{LIVE}|{TEST})[A-Za-z0-9]{{{VISIBLE + SECRET},200}}\Z")
PREFIX_LENGTH = len(LIVE) + VISIBLE


class InvalidKeyNameError(ApiError):
    """A key's name has at most 100 printable characters."""

    code = "invalid_key_name"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


def new_token(*, is_test: bool = False) -> str:
    """A fresh key, as the caller presents it. It cannot be recovered from the stored data."""
    return (TEST if is_test else LIVE) + "".join(secrets.choice(ALPHABET) for _ in range(VISIBLE + SECRET))


def is_token(text: str) -> bool:
    """Whether `text` has the form of a key."""
    return TOKEN.match(text) is not None


def prefix_of(token: str) -> str:
    """The visible part, by which users and the database find the key."""
    return token[:PREFIX_LENGTH]


def hash_of(token: str) -> str:
    """SHA-256 in hex. A slow hash would add nothing: the secret is random, not chosen by a user."""
    return hashlib.sha256(token.encode()).hexdigest()


def check_key_name(text: str) -> str:
    """The name itself. Raises `InvalidKeyNameError`."""
    if len(text) > 100 or not text.isprintable():
        raise InvalidKeyNameError
    return text
