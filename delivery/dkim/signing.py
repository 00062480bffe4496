"""DKIM signatures (RFC 6376, rsa-sha256; RFC 8463, ed25519-sha256) and the keys for them."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from delivery.dkim.canonical import Canonical, canonical_field, canonicalize

RSA = "rsa-sha256"
ED25519 = "ed25519-sha256"
RSA_BITS = 2048  # RFC 8301, 3.2; a longer record may not fit into one UDP response
LINE = 76

DOMAIN = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
SELECTOR = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
)

PrivateKey = RSAPrivateKey | Ed25519PrivateKey

MAKERS: dict[str, Callable[[], PrivateKey]] = {
    RSA: lambda: generate_private_key(65537, RSA_BITS),
    ED25519: Ed25519PrivateKey.generate,
}


class Signer:
    """A domain's loaded key; parsing a PEM costs more than a signature. Thread-safe."""

    def __init__(self, domain: str, selector: str, private_key: str) -> None:
        """`domain` in A-labels and lower case, `private_key` as PEM. ValueError for invalid arguments."""
        if not DOMAIN.fullmatch(domain):
            raise ValueError("not a domain in A-labels and lower case")
        if not SELECTOR.fullmatch(selector):
            raise ValueError("not a selector")
        self.domain = domain
        self.selector = selector
        self._key = load_key(private_key)
        self.algorithm = RSA if isinstance(self._key, RSAPrivateKey) else ED25519

    def sign(self, message: bytes) -> bytes:
        """The DKIM-Signature field for `message`, with its CRLF, to be prepended to it.

        The same message and key always give the same field. A bare CR or LF is signed as CRLF, so the message must
        leave with CRLF line ends. ValueError when it has no From field.
        """
        return self.sign_canonical(canonicalize(message))

    def sign_canonical(self, canonical: Canonical) -> bytes:
        field = self._unsigned_field(canonical)
        signature = self._signature(canonical.fields + canonical_field(field)[1])
        return field + folded(b64encode(signature)) + b"\r\n"

    def _unsigned_field(self, canonical: Canonical) -> bytes:
        """The field up to `b=`, which is part of the signed data (RFC 6376, 3.7)."""
        lead = f"v=1; a={self.algorithm}; c=relaxed/relaxed; d={self.domain};\r\n s={self.selector};"
        names = folded_names(canonical.names)
        return b"DKIM-Signature: %b\r\n %b;\r\n bh=%b;\r\n b=" % (lead.encode("ascii"), names, canonical.body_hash)

    def _signature(self, data: bytes) -> bytes:
        if isinstance(self._key, RSAPrivateKey):
            return self._key.sign(data, PKCS1v15(), SHA256())
        return self._key.sign(sha256(data).digest())  # RFC 8463, 3: Ed25519 signs the hash


def sign_all(message: bytes, signers: Iterable[Signer], own: Sequence[bytes] = (), *, has_pairs: bool = False) -> bytes:
    """The signature fields of several signers for one message, which is hashed once; `b""` without signers.

    `own` and `has_pairs` as in `canonicalize`.
    """
    present = list(signers)
    if not present:
        return b""
    canonical = canonicalize(message, own, has_pairs=has_pairs)
    return b"".join([signer.sign_canonical(canonical) for signer in present])


@lru_cache(maxsize=256)
def folded_names(names: tuple[bytes, ...]) -> bytes:
    """`h=from:to:…` in lines of at most 76 characters where the names allow it."""
    lines = [b"h="]
    for name in names:
        if len(lines[-1]) + len(name) + 2 > LINE:
            lines.append(b"")
        lines[-1] += name + b":"
    return b"\r\n ".join(lines)[:-1]


def folded(encoded: bytes) -> bytes:
    """Base64 in lines of at most 76 characters; the first line leaves room for the tag name."""
    first = LINE - len(" b=")
    rest = [encoded[start : start + LINE - 1] for start in range(first, len(encoded), LINE - 1)]
    return b"\r\n ".join([encoded[:first], *rest])


def load_key(private_key: str) -> PrivateKey:
    """Parse a PEM. The primes of an RSA key are not tested again: that takes 36 ms, and the key was generated here."""
    try:
        key = load_pem_private_key(private_key.encode("ascii"), password=None, unsafe_skip_rsa_key_validation=True)
    except (TypeError, UnsupportedAlgorithm):
        raise ValueError("not a private key in PEM without a password") from None
    if isinstance(key, RSAPrivateKey) and key.key_size >= 1024:  # RFC 8301, 3.2
        return key
    if isinstance(key, Ed25519PrivateKey):
        return key
    raise ValueError("the key must be RSA with at least 1024 bits, or Ed25519")


def generate_key(algorithm: str) -> str:
    """A new private key for `rsa-sha256` or `ed25519-sha256`, as PKCS #8 PEM. RSA takes up to a second of CPU."""
    if algorithm not in MAKERS:
        raise ValueError(f"not a DKIM algorithm: {algorithm!r}")
    key = MAKERS[algorithm]()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def public_record(private_key: str) -> str:
    """The TXT record to publish at `<selector>._domainkey.<domain>`: `v=DKIM1; k=rsa; p=…` (RFC 6376, 3.6.1).

    About 410 characters for RSA. In the DNS it must be split into strings of at most 255 characters.
    """
    public = load_key(private_key).public_key()
    if isinstance(public, Ed25519PublicKey):
        return f"v=DKIM1; k=ed25519; p={encoded(public.public_bytes_raw())}"  # RFC 8463, 4: the bare 32 bytes
    return f"v=DKIM1; k=rsa; p={encoded(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))}"


def encoded(key: bytes) -> str:
    return b64encode(key).decode("ascii")
