"""Time-based one-time passwords (RFC 6238) as authenticator apps make them: SHA-1, six digits, 30 seconds."""

import hmac
import secrets
from base64 import b32decode, b32encode
from urllib.parse import quote, urlencode

STEP_SECONDS = 30
DIGITS = 6
# RFC 4226, 4 recommends 160 bits.
KEY_BYTES = 20
# A code holds one step before and after its own, for slow people and wrong clocks (RFC 6238, 5.2).
DRIFT = 1


def new_key() -> str:
    """A key in Base32, as apps take it."""
    return b32encode(secrets.token_bytes(KEY_BYTES)).decode()


def code_at(key: str, step: int) -> str:
    """The code of a step (RFC 4226, 5.3)."""
    digest = hmac.digest(b32decode(key), step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 15
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def find_step(key: str, code: str, now: float, *, after: int) -> int | None:
    """The step to which `code` belongs, if it is near `now` (in Unix seconds) and later than the step `after`."""
    present = int(now) // STEP_SECONDS
    steps = range(max(after + 1, present - DRIFT), present + DRIFT + 1)
    matching = [step for step in steps if hmac.compare_digest(code_at(key, step).encode(), code.encode())]
    return matching[0] if matching else None


def build_uri(key: str, *, name: str, issuer: str) -> str:
    """The `otpauth:` URI that apps open or read from a QR code."""
    query = urlencode({"secret": key, "issuer": issuer}, quote_via=quote)
    return f"otpauth://totp/{quote(f'{issuer}:{name}')}?{query}"
