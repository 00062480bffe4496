"""Return paths that identify their recipient (VERP), so that any bounce can be matched to its mail.

`b+<token>@host`: the token holds the recipient's id and a MAC over it. Forging a bounce requires having seen the mail,
and a recipient knows only the token of its own copy.
"""

import binascii
import hmac
from base64 import b32decode, b32encode
from collections.abc import Sequence
from uuid import UUID

PREFIX = "b+"
# 80 bits suffice, since a guess costs an attacker one mail. With the id the local part has 44 octets; RFC 5321,
# 4.5.3.1.1 allows 64.
MAC_BYTES = 10
ID_BYTES = 16
TOKEN_LENGTH = 42
# The padding of b32encode for 26 bytes.
PADDING = "=" * 6


def derive_key(secret: str) -> bytes:
    """The key for return paths, derived from a secret that has other uses too."""
    return hmac.digest(secret.encode(), b"emailsvc verp", "sha256")


def make_return_path(recipient_id: UUID, host: str, key: bytes) -> str:
    """The return path of the mail for one recipient."""
    data = recipient_id.bytes + _sign(recipient_id.bytes, key)
    # Base32, since some hosts change the case of local parts.
    return f"{PREFIX}{b32encode(data).decode().rstrip('=').lower()}@{host}"


def read_return_path(address: str, keys: Sequence[bytes]) -> UUID | None:
    """The recipient of one of our return paths; None for any other address and for a forged one."""
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
