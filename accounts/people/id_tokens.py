"""ID tokens of OpenID Connect: signed JSON (RFC 7519, 7515), checked as OpenID Connect Core, 3.1.3.7 says."""

import hmac
import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

MAX_LENGTH = 20_000
# How wrong a clock may be, in seconds.
LEEWAY = 60
LEAST_RSA_BITS = 2048
ES256_BYTES = 64

Claims = Mapping[str, Any]
Key = Mapping[str, Any]


class TokenError(Exception):
    """The ID token proves nothing. The text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a token must say."""

    issuer: str
    client_id: str
    nonce: str


def read_id_token(token: str, keys: Sequence[Key], expected: Expected, now: float) -> Claims:
    """The claims of a token that one of the issuer's keys (RFC 7517) signed. Raises `TokenError`."""
    parts = token.split(".")
    if len(token) > MAX_LENGTH or len(parts) != 3:
        raise TokenError("it is not a signed token")
    head, claims = (decode_object(part) for part in parts[:2])
    check_signature(head, f"{parts[0]}.{parts[1]}".encode(), decode_bytes(parts[2]), keys)
    check_claims(claims, expected, now)
    return claims


def check_signature(head: Claims, signed: bytes, signature: bytes, keys: Sequence[Key]) -> None:
    kind = ALGORITHMS.get(str(head.get("alg")))
    if kind is None:
        raise TokenError("its algorithm is not RS256 or ES256")
    name, verify = kind
    fitting = [key for key in keys if key.get("kty") == name and key.get("use", "sig") == "sig"]
    if "kid" in head:
        fitting = [key for key in fitting if key.get("kid") == head["kid"]]
    for key in fitting:
        try:
            verify(key, signed, signature)
        except (InvalidSignature, ValueError, KeyError, TypeError):
            continue
        return
    raise TokenError("none of the issuer's keys signed it")


def verify_rsa(key: Key, signed: bytes, signature: bytes) -> None:
    public = rsa.RSAPublicNumbers(read_number(key["e"]), read_number(key["n"])).public_key()
    if public.key_size < LEAST_RSA_BITS:
        raise ValueError("short key")
    public.verify(signature, signed, padding.PKCS1v15(), SHA256())


def verify_ecdsa(key: Key, signed: bytes, signature: bytes) -> None:
    if key["crv"] != "P-256" or len(signature) != ES256_BYTES:
        raise ValueError("another curve")
    public = ec.EllipticCurvePublicNumbers(read_number(key["x"]), read_number(key["y"]), ec.SECP256R1()).public_key()
    half = ES256_BYTES // 2
    numbers = (int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
    public.verify(encode_dss_signature(*numbers), signed, ec.ECDSA(SHA256()))


Verify = Callable[[Key, bytes, bytes], None]
# The type of key, and the check: `none` and shared secrets are left out on purpose (RFC 8725, 3.1).
ALGORITHMS: Mapping[str, tuple[str, Verify]] = {"RS256": ("RSA", verify_rsa), "ES256": ("EC", verify_ecdsa)}


def check_claims(claims: Claims, expected: Expected, now: float) -> None:
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    nonce, ends = claims.get("nonce"), claims.get("exp")
    if claims.get("iss") != expected.issuer:
        raise TokenError("it is of another issuer")
    if expected.client_id not in audiences or claims.get("azp", expected.client_id) != expected.client_id:
        raise TokenError("it is for another client")
    if not isinstance(ends, int | float) or ends + LEEWAY < now:
        raise TokenError("it has expired")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise TokenError("it belongs to another sign-in")
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise TokenError("it names nobody")


def decode_bytes(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise TokenError("it is not a signed token") from None


def decode_object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(decode_bytes(text))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise TokenError("it is not a signed token")
    return found


def read_number(text: str) -> int:
    return int.from_bytes(decode_bytes(text), "big")
