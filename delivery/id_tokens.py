"""Tokens that prove an id: the id and a MAC over it, in 42 letters and digits.

Without the key nobody can make the token of another id; a holder of one learns nothing about others.
"""

import binascii
import hmac
from base64 import b32decode
from collections.abc import Sequence
from uuid import UUID

from delivery.short_macs import make_mac

# 80 bits suffice, since a guess costs an attacker one mail.
MAC_BYTES = 10
ID_BYTES = 16
TOKEN_LENGTH = 42
# The padding of Base32 for 26 bytes.
PADDING = "=" * 6
# Base32 in lower case (RFC 4648, 6), two letters for ten bits. 42 letters have two bits more than 26 bytes.
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
PAIRS = [first + second for first in LETTERS for second in LETTERS]
SPARE_BITS = 2
SHIFTS = range(200, -1, -10)


def derive_key(secret: str, purpose: bytes) -> bytes:
    """The key of one purpose, derived from a secret that has other uses too."""
    return hmac.digest(secret.encode(), purpose, "sha256")


def make_token(id_: UUID, key: bytes) -> str:
    """The token in lower case. It is Base32, since some hosts change the case of what they return."""
    own = id_.bytes
    bits = int.from_bytes(own + _sign(own, key), "big") << SPARE_BITS
    return "".join([PAIRS[bits >> shift & 1023] for shift in SHIFTS])


def read_token(token: str, keys: Sequence[bytes]) -> UUID | None:
    """The id in a token that was made with one of `keys`; None for everything else."""
    if len(token) != TOKEN_LENGTH:
        return None
    try:
        data = b32decode(token.upper() + PADDING)
    except (binascii.Error, ValueError):
        return None
    own, mac = data[:ID_BYTES], data[ID_BYTES:]
    if any(hmac.compare_digest(mac, _sign(own, key)) for key in keys):
        return UUID(bytes=own)
    return None


def _sign(data: bytes, key: bytes) -> bytes:
    return make_mac(key, data)[:MAC_BYTES]
