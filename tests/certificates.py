"""Certificates for test servers, created at run time: a certificate authority and its certificates."""

import hashlib
import ssl
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from delivery.tls import make_server_context

USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)
# What a certificate says of itself beside its names, with whether one that does not understand it must refuse it.
Extensions = list[tuple[x509.ExtensionType, bool]]


class Kind(StrEnum):
    """How an authority makes certificates."""

    FULL = "full"  # as the public ones do (RFC 5280)
    BARE = "bare"  # as a company's own may: no usage of keys, no identifiers, nothing critical


class CertificateAuthority:
    """An authority with its files in `folder`; `ca_file` is what a client is to trust. Signed by `parent` or itself."""

    def __init__(
        self,
        folder: Path,
        kind: Kind = Kind.FULL,
        *,
        name: str = "authority",
        parent: "CertificateAuthority | None" = None,
    ) -> None:
        self._folder = folder
        self._kind = kind
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._common_name = f"Test {name}"
        self._name = write_subject(self._common_name)
        own = self._key.public_key()
        self.certificate = (parent or self)._sign(self._name, own, self._describe_authority(), timedelta(days=1))
        self.ca_file = folder / f"{name}.pem"
        self.ca_file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def make_folder(self) -> Path:
        """A folder with the authority's file under the name by which OpenSSL finds it, as `openssl rehash` does."""
        folder = self._folder / "hashed"
        folder.mkdir()
        # The hash of the canonical name: in small letters, without the sequence's two bytes around it.
        canonical = write_subject(self._common_name.lower()).public_bytes()[2:]
        number = int.from_bytes(hashlib.sha1(canonical, usedforsecurity=False).digest()[:4], "little")
        (folder / f"{number:08x}.0").symlink_to(self.ca_file)
        return folder

    def issue(self, *names: str, lifetime: timedelta = timedelta(days=1)) -> ssl.SSLContext:
        """A server's context for `names`, host names or addresses. With a negative lifetime it has expired."""
        return make_server_context(self.issue_file(*names, lifetime=lifetime))

    def issue_file(self, *names: str, lifetime: timedelta = timedelta(days=1)) -> Path:
        """The PEM file with a server's key and certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        extensions = self._describe_server(names)
        certificate = self._sign(write_subject(names[0]), key.public_key(), extensions, lifetime)
        file = self._folder / f"{names[0]}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        return file

    def _describe_authority(self) -> Extensions:
        if self._kind is Kind.BARE:
            return [(x509.BasicConstraints(ca=True, path_length=None), False)]
        return [
            (x509.BasicConstraints(ca=True, path_length=None), True),
            (write_usage("key_cert_sign", "crl_sign", "digital_signature"), True),
        ]

    def _describe_server(self, names: tuple[str, ...]) -> Extensions:
        alternatives = (x509.SubjectAlternativeName([read_name(name) for name in names]), False)
        if self._kind is Kind.BARE:
            return [alternatives]
        return [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (write_usage("digital_signature"), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            alternatives,
        ]

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, extensions: Extensions, lifetime: timedelta
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + lifetime)
        )
        for extension, is_critical in [*extensions, *self._identify(key)]:
            builder = builder.add_extension(extension, critical=is_critical)
        return builder.sign(self._key, hashes.SHA256())

    def _identify(self, key: ec.EllipticCurvePublicKey) -> Extensions:
        """By which a client finds the right one among certificates of the same name."""
        if self._kind is Kind.BARE:
            return []
        return [
            (x509.SubjectKeyIdentifier.from_public_key(key), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False),
        ]


def write_subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def write_usage(*allowed: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in allowed for usage in USAGES})


def read_name(name: str) -> x509.GeneralName:
    """A host name or an IP address, as a certificate carries it."""
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
