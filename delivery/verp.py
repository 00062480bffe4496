"""Return paths that name their recipient (VERP), so that a bounce finds its mail whatever the bounce itself says.

`b+<token>@host`: the token holds the recipient's id and a MAC over it. Nobody can make up a bounce for mail that he
never saw; who saw it knows the token of his own copy only.
"""

import binascii
import hmac
from base64 import b32decode, b32encode
from collections.abc import Sequence
from uuid import UUID

PREFIX = "b+"
# 80 bits, for an attacker who has one try per mail that he sends us. With the id a local part of 44 octets; RFC 5321,
# 4.5.3.1.1 allows 64.
MAC_BYTES = 10
ID_BYTES = 16
TOKEN_LENGTH = 42
# b32encode pads 26 bytes with these.
PADDING = "=" * 6


def derive_key(secret: str) -> bytes:
    """The key for return paths, from a secret that other things are made of too."""
    return hmac.digest(secret.encode(), b"emailsvc verp", "sha256")


def make_return_path(recipient_id: UUID, host: str, key: bytes) -> str:
    """The return path of the mail for one recipient."""
    data = recipient_id.bytes + _sign(recipient_id.bytes, key)
    # Base32: local parts keep their case by the standard, and not by every host.
    return f"{PREFIX}{b32encode(data).decode().rstrip('=').lower()}@{host}"


def read_return_path(address: str, keys: Sequence[bytes]) -> UUID | None:
    """The recipient that a return path of ours names; None for any other address, and for a forged one."""
    local_part = address.rpartition("@")[0].lower()
    if not local_part.startswith(PREFIX) or len(local_part) != len(PREFIX) + TOKEN_LENGTH:
        return None
    try:
        data = b32decode(local_part.removeprefix(PREFIX).upper() + PADDING)
    except binascii.Error:
        return None
    own, mac = data[:ID_BYTES], data[ID_BYTES:]
    if any(hmac.compare_digest(mac, _sign(own, key)) for key in keys):
        return UUID(bytes=own)
    return None


def _sign(data: bytes, key: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")[:MAC_BYTES]
