"""Build every TLS context of the service, with explicit flags, so that each Python behaves the same.

The defaults differ: Python 3.13 checks certificates strictly, distributions compile Python with their own ciphers and
minimum version, and OpenSSL's configuration files add theirs. docs/decisions/0023-certificates.md has the reasons for
each choice.
"""

import ssl
from pathlib import Path

LEAST_VERSION = ssl.TLSVersion.TLSv1_2
# For TLS 1.2; OpenSSL's defaults apply to 1.3. The default list at level 2 (keys of 2048 bits or more, no SHA-1),
# without pre-shared keys, SRP and anonymous servers. It includes RSA key exchange, the only one of some old relays.
CIPHERS = "DEFAULT:!aNULL:!eNULL:!PSK:!SRP:@SECLEVEL=2"
# Without VERIFY_X509_STRICT, since certificates of company authorities lack fields that it requires. A configured
# authority is trusted even if another one signed it. Revocation lists are not checked.
VERIFY_FLAGS = ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST | ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
# OpenSSL's workarounds (OP_ALL). Without OP_IGNORE_UNEXPECTED_EOF, which some Python releases set: a truncated
# connection must not count as closed.
OPTIONS = (
    ssl.Options.OP_ALL
    | ssl.Options.OP_NO_COMPRESSION
    | ssl.Options.OP_CIPHER_SERVER_PREFERENCE
    | ssl.Options.OP_ENABLE_MIDDLEBOX_COMPAT
)


def make_client_context(ca_file: str = "") -> ssl.SSLContext:
    """A context that verifies the server's certificate and name, against the authorities in `ca_file`, or by default
    those of the system or of SSL_CERT_FILE and SSL_CERT_DIR. OSError for an invalid file.
    """
    context = _make_context(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = True
    # A certificate without any alternative name may have the host's name in its subject.
    context.hostname_checks_common_name = True
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context


def make_unchecked_context() -> ssl.SSLContext:
    """A context that accepts any certificate: it protects against eavesdropping, not against active attackers.

    It does not load the system's authorities, which would take 20 ms.
    """
    context = _make_context(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def make_server_context(certificate: Path) -> ssl.SSLContext:
    """A server's context; one PEM file holds certificate, chain and key. OSError for an invalid file."""
    context = _make_context(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(certificate)
    return context


def _make_context(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = LEAST_VERSION
    context.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    context.set_ciphers(CIPHERS)
    context.verify_flags = VERIFY_FLAGS
    context.options = OPTIONS
    return context
