"""Every TLS context of ours is made here, with its flags stated, so that it is alike on each Python.

What is not stated differs: Python 3.13 checks certificates strictly, distributions compile their Python with a list of
ciphers and a least version of their own, OpenSSL's files of settings add theirs. The reasons for each choice are in
docs/decisions/0023-certificates.md.
"""

import ssl
from pathlib import Path

LEAST_VERSION = ssl.TLSVersion.TLSv1_2
# For TLS 1.2; those of 1.3 are OpenSSL's. Its default list at level 2 (keys of 2048 bits or more, no SHA-1), without
# shared keys, passwords and anonymous servers: RSA key exchange is in it, which some old relays know alone.
CIPHERS = "DEFAULT:!aNULL:!eNULL:!PSK:!SRP:@SECLEVEL=2"
# Not VERIFY_X509_STRICT, since authorities of companies' own leave out what it asks for. An authority that is named is
# trusted though another one signed it. Revocation lists are not looked at.
VERIFY_FLAGS = ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST | ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
# OpenSSL's workarounds (OP_ALL). Without OP_IGNORE_UNEXPECTED_EOF, which Python set for a while: a line that was cut is
# not one that was closed.
OPTIONS = (
    ssl.Options.OP_ALL
    | ssl.Options.OP_NO_COMPRESSION
    | ssl.Options.OP_CIPHER_SERVER_PREFERENCE
    | ssl.Options.OP_ENABLE_MIDDLEBOX_COMPAT
)


def make_client_context(ca_file: str = "") -> ssl.SSLContext:
    """A context that checks the server's certificate and name, against the authorities in `ca_file` alone or else those
    that OpenSSL finds: the system's, or those of SSL_CERT_FILE and SSL_CERT_DIR. OSError for a file that is none.
    """
    context = _make_context(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = True
    # A certificate without any alternative name may carry the host's in its subject.
    context.hostname_checks_common_name = True
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context


def make_unchecked_context() -> ssl.SSLContext:
    """A context that takes any certificate: encryption against those who listen, not against those who stand between.

    The system's authorities are not loaded, which would take 20 ms.
    """
    context = _make_context(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def make_server_context(certificate: Path) -> ssl.SSLContext:
    """A server's context; one PEM file holds certificate, chain and key. OSError for a file that is none."""
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
