"""Tokens in tracking URLs. A token names a recipient and a link, and only this service can make it.

A token is base64url without padding of: purpose (1 byte), recipient (16), link (2), and 16 bytes of HMAC-SHA-256 over
these, with a key derived from SECRET_KEY. It contains no address and no URL: a click's target is looked up.
"""

import binascii
import hmac
import struct
from base64 import urlsafe_b64decode
from collections.abc import Iterable
from enum import IntEnum
from functools import lru_cache
from hashlib import sha256
from uuid import UUID

from django.conf import settings

from delivery.records import record
from delivery.short_macs import begin_mac, make_mac

LAYOUT = struct.Struct(">B16sH")
MAC_SIZE = 16
LENGTH = 47  # 35 bytes, as base64url without padding
URL_SAFE = bytes.maketrans(b"+/", b"-_")


class TokenPurpose(IntEnum):
    """The purpose of a token. A token is invalid for any other purpose."""

    OPEN = 1
    CLICK = 2
    UNSUBSCRIBE = 3


@record(frozen=True, slots=True)
class Token:
    """The content of a valid token. `link` is the index in the message's list of links, 0 without a link."""

    purpose: TokenPurpose
    recipient_id: UUID
    link: int = 0


def write_token(token: Token) -> str:
    return write_tokens(token.purpose, token.recipient_id, [token.link])[0]


def write_tokens(purpose: TokenPurpose, recipient_id: UUID, links: Iterable[int]) -> list[str]:
    """The tokens of a recipient's links; a mail may have dozens, so that each call counts."""
    inner, outer = begin_mac(_derive_key(settings.SECRET_KEY))
    recipient, kind = recipient_id.bytes, int(purpose)
    pack, encode = LAYOUT.pack, binascii.b2a_base64
    tokens = []
    for link in links:
        # `make_mac` and `_write`, in place.
        body = pack(kind, recipient, link)
        within, around = inner.copy(), outer.copy()
        within.update(body)
        around.update(within.digest())
        raw = body + around.digest()[:MAC_SIZE]
        tokens.append(encode(raw, newline=False).translate(URL_SAFE)[:LENGTH].decode())
    return tokens


def read_token(text: str, purpose: TokenPurpose) -> Token | None:
    """Verify a token; None unless this service made it for this purpose, in exactly this spelling."""
    if len(text) != LENGTH or not text.isascii():
        return None
    try:
        raw = urlsafe_b64decode(text + "=" * (-LENGTH % 4))
    except (binascii.Error, ValueError):
        return None
    body, mac = raw[:-MAC_SIZE], raw[-MAC_SIZE:]
    if not _is_ours(body, mac):
        return None
    kind, recipient, link = LAYOUT.unpack(body)
    token = Token(TokenPurpose(kind), UUID(bytes=recipient), link)
    # The last character has spare bits, so the same bytes have other spellings, which are rejected.
    return token if kind == purpose and _write(raw) == text else None


def _write(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).translate(URL_SAFE)[:LENGTH].decode()


def _sign(body: bytes, secret: str) -> bytes:
    return make_mac(_derive_key(secret), body)[:MAC_SIZE]


def _is_ours(body: bytes, mac: bytes) -> bool:
    """Whether the present key or an earlier one has signed: links in sent mail outlive a change of the key."""
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(hmac.compare_digest(mac, _sign(body, secret)) for secret in secrets)


@lru_cache(maxsize=16)
def _derive_key(secret: str) -> bytes:
    return sha256(b"emailsvc tracking tokens\0" + secret.encode()).digest()
