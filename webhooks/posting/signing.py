"""Signatures of posts by Standard Webhooks 1.0, the scheme that Svix and Resend verify too."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable

PREFIX = "whsec_"
# Standard Webhooks requires 24 to 64 bytes.
SECRET_BYTES = 32


def new_secret() -> str:
    """A new random secret: `whsec_` and base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sign(secret: str, *, event_id: str, timestamp: int, body: bytes) -> str:
    """`v1,…`: HMAC-SHA256 of id, Unix time in seconds, and body, joined by dots."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    message = b".".join([event_id.encode(), str(timestamp).encode(), body])
    return f"v1,{base64.b64encode(hmac.digest(key, message, hashlib.sha256)).decode()}"


def build_headers(secrets: Iterable[str], *, event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of one post, signed with each of `secrets`, under the standard's names and under Svix's names."""
    signature = " ".join(sign(secret, event_id=event_id, timestamp=timestamp, body=body) for secret in secrets)
    values = {"id": event_id, "timestamp": str(timestamp), "signature": signature}
    return {f"{prefix}-{name}": value for prefix in ("webhook", "svix") for name, value in values.items()}
