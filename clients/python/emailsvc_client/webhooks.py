"""Signing and verifying of webhook posts by Standard Webhooks 1.0 (standardwebhooks.com)."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from emailsvc_client.errors import EmailsvcError
from emailsvc_client.objects import WebhookEvent

TOLERANCE_SECONDS = 300
PREFIX = "whsec_"
VERSION = "v1"


class InvalidSignatureError(EmailsvcError):
    """The post is not from the service, or it is too old."""


class Webhook:
    """The secret of an endpoint, or several of them while it is rotated.

    `verify(body, headers)` returns the event of a genuine post. Raises ValueError for a secret that is none.
    """

    def __init__(
        self,
        secret: str | Sequence[str],
        *,
        tolerance: float = TOLERANCE_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        secrets = [secret] if isinstance(secret, str) else list(secret)
        self._keys = [read_secret(each) for each in secrets]
        if not self._keys:
            raise ValueError("there is no secret")
        self._tolerance = tolerance
        self._clock = clock

    def verify(self, body: bytes | str, headers: Mapping[str, str]) -> WebhookEvent:
        """The event. `body` is the body as it came, not parsed and written again. Raises InvalidSignatureError."""
        raw = body.encode() if isinstance(body, str) else body
        given = {name.lower(): value for name, value in headers.items()}
        values = [given.get(f"webhook-{name}") or given.get(f"svix-{name}", "") for name in HEADERS]
        message_id, timestamp, signatures = values
        if not all(values):
            raise InvalidSignatureError("A header of the signature is missing.")
        self._check_time(timestamp)
        expected = [compute_signature(key, message_id, timestamp, raw) for key in self._keys]
        candidates = [each.encode() for each in signatures.split()]
        # Every pair is compared: the time tells nothing about which one fits.
        matches = [hmac.compare_digest(given_, right) for given_ in candidates for right in expected]
        if not any(matches):
            raise InvalidSignatureError("No signature fits.")
        return read_event(raw)

    def sign(self, body: bytes, message_id: str) -> dict[str, str]:
        """The headers of a post with this body: for tests, and for events that are passed on."""
        timestamp = str(int(self._clock()))
        signatures = [compute_signature(key, message_id, timestamp, body).decode() for key in self._keys]
        return dict(
            zip((f"webhook-{name}" for name in HEADERS), (message_id, timestamp, " ".join(signatures)), strict=True)
        )

    def _check_time(self, timestamp: str) -> None:
        if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 16):
            raise InvalidSignatureError("The timestamp is not a number.")
        if abs(self._clock() - int(timestamp)) > self._tolerance:
            raise InvalidSignatureError("The post is too old, or one of the clocks is wrong.")


HEADERS = ("id", "timestamp", "signature")


def read_secret(secret: str) -> bytes:
    """The key behind `whsec_`. Raises ValueError."""
    try:
        key = base64.b64decode(secret.strip().removeprefix(PREFIX), validate=True)
    except ValueError as error:
        raise ValueError("a webhook secret is whsec_ and base64") from error
    if not key:
        raise ValueError("the webhook secret is empty")
    return key


def compute_signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> bytes:
    signed = f"{message_id}.{timestamp}.".encode() + body
    return f"{VERSION},".encode() + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))


def read_event(body: bytes) -> WebhookEvent:
    try:
        event: Any = json.loads(body)
    except ValueError as error:
        raise InvalidSignatureError("The body is not JSON.") from error
    if not isinstance(event, dict):
        raise InvalidSignatureError("The body is not an event.")
    return cast(WebhookEvent, event)
