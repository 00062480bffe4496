"""AWS's Signature Version 4, checked over the request as it came.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
"""

import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from urllib.parse import parse_qsl, quote

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "ses"
# AWS's window for requests that are signed in a header.
WINDOW = timedelta(minutes=5)
TIME_FORMAT = "%Y%m%dT%H%M%SZ"
PARTS = re.compile(
    r"AWS4-HMAC-SHA256[ ]+Credential=(?P<id>[A-Za-z0-9_]{1,128})/(?P<day>[0-9]{8})/(?P<region>[A-Za-z0-9-]{1,40})"
    r"/ses/aws4_request,[ ]*SignedHeaders=(?P<headers>[a-z0-9;-]{1,2000}),[ ]*Signature=(?P<signature>[0-9a-f]{64})"
)
SPACES = re.compile(" +")
# Without these, a signature would hold for another host or for ever.
NEEDED = frozenset({"host", "x-amz-date"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The `Authorization` header of a signed request."""

    access_key_id: str
    day: str
    region: str
    headers: tuple[str, ...]
    value: str

    @property
    def scope(self) -> str:
        return f"{self.day}/{self.region}/{SERVICE}/aws4_request"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """What is signed. `path` is percent-encoded as for the wire, `headers` have names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


def parse_signature(header: str) -> Signature | None:
    """The parts of the header; None for another form, another service, or one that signs too little."""
    found = PARTS.fullmatch(header.strip())
    if found is None:
        return None
    names = tuple(found["headers"].split(";"))
    if not set(names) >= NEEDED or list(names) != sorted(set(names)):
        return None
    return Signature(
        access_key_id=found["id"],
        day=found["day"],
        region=found["region"],
        headers=names,
        value=found["signature"],
    )


def is_timely(signature: Signature, stamp: str, now: datetime) -> bool:
    """Whether the request was signed within `WINDOW` of now, on the day of its scope."""
    try:
        at = datetime.strptime(stamp, TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return False
    return stamp.startswith(signature.day) and abs(now - at) <= WINDOW


def is_valid(signature: Signature, secret: str, request: SignedRequest) -> bool:
    """Whether the request was signed with `secret`."""
    key = f"AWS4{secret}".encode()
    for part in (signature.day, signature.region, SERVICE, "aws4_request"):
        key = sign(key, part)
    canonical = sha256(write_canonical(signature, request).encode()).hexdigest()
    text = "\n".join([ALGORITHM, request.headers.get("x-amz-date", ""), signature.scope, canonical])
    return hmac.compare_digest(sign(key, text).hex(), signature.value)


def sign(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), sha256).digest()


def write_canonical(signature: Signature, request: SignedRequest) -> str:
    """The canonical request: SDKs percent-encode the path for the wire, and once more for the signature."""
    names = signature.headers
    return "\n".join(
        [
            request.method,
            quote(request.path, safe="/"),
            "&".join(sorted(write_query(request.query))),
            *(f"{name}:{SPACES.sub(' ', request.headers.get(name, '').strip())}" for name in names),
            "",
            ";".join(names),
            sha256(request.body).hexdigest(),
        ]
    )


def write_query(query: str) -> Iterator[str]:
    for name, value in parse_qsl(query, keep_blank_values=True):
        yield f"{quote(name, safe='')}={quote(value, safe='')}"
