"""How clients of Redis and of message brokers verify their server: as `delivery.tls` does, on each Python.

Left alone, redis-py is strict from Python 3.13 on, kombu checks no certificate of `rediss://`, and no name of `amqps://`.
"""

import ssl
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from delivery.tls import CIPHERS, LEAST_VERSION

REDIS_TLS: dict[str, Any] = {
    "ssl_cert_reqs": ssl.CERT_REQUIRED,
    "ssl_check_hostname": True,
    "ssl_min_version": LEAST_VERSION,
    "ssl_ciphers": CIPHERS,
    "ssl_include_verify_flags": [ssl.VERIFY_X509_PARTIAL_CHAIN],
    "ssl_exclude_verify_flags": [ssl.VERIFY_X509_STRICT],
}
# The words of redis-py and kombu for `ssl_cert_reqs` in a URL.
CHECKS = {
    **dict.fromkeys(("none", "CERT_NONE"), ssl.CERT_NONE),
    **dict.fromkeys(("optional", "CERT_OPTIONAL"), ssl.CERT_OPTIONAL),
    **dict.fromkeys(("required", "CERT_REQUIRED"), ssl.CERT_REQUIRED),
}
NO_WORDS = {"false", "0", "no", "f", "n"}


def redis_tls(url: str) -> dict[str, Any]:
    """Arguments for redis-py's `from_url`, which lets the options of the URL itself count more. Empty without TLS."""
    return dict(REDIS_TLS) if url.startswith("rediss://") else {}


def split_broker_tls(url: str) -> tuple[str, dict[str, Any]]:
    """The URL of a broker without its TLS options, and all TLS options as kombu takes them; empty without TLS.

    kombu takes its options from one of both alone, so those of the URL are put over ours. ValueError for an
    `ssl_cert_reqs` that there is not.
    """
    parts = urlsplit(url)
    match parts.scheme:
        case "rediss":
            query = parse_qsl(parts.query, keep_blank_values=True)
            given = {name: read_option(name, value) for name, value in query if name.startswith("ssl_")}
            rest = urlencode([(name, value) for name, value in query if not name.startswith("ssl_")])
            return urlunsplit(parts._replace(query=rest)), {**REDIS_TLS, **given}
        case "amqps":
            checked = {"server_hostname": parts.hostname, "cert_reqs": ssl.CERT_REQUIRED}
            return url, {**checked, "ciphers": CIPHERS, "tls_minimum_version": LEAST_VERSION}
    return url, {}


def read_option(name: str, value: str) -> object:
    match name:
        case "ssl_check_hostname":
            return value.lower() not in NO_WORDS
        case "ssl_cert_reqs" if value in CHECKS:
            return CHECKS[value]
        case "ssl_cert_reqs":
            raise ValueError(f"ssl_cert_reqs={value}: none, optional or required")
    return value
