"""DKIM-Signature fields by our own signer, compared with dkimpy, with the key loaded or parsed as each allows."""

from functools import partial

import dkim

from bench.measure import Options, compare
from bench.mime import bodies, by_hand
from delivery.dkim.signing import ED25519, RSA, Signer, generate_key, sign_all

DOMAIN, SELECTOR = "acme.test", "bench"
NAMES = [b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type", b"list-unsubscribe"]


def by_dkimpy(message: bytes, private_key: bytes) -> bytes:
    """As in dkimpy's documentation; it takes the key as PEM in every call."""
    return bytes(
        dkim.sign(
            message,
            SELECTOR.encode(),
            DOMAIN.encode(),
            private_key,
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=NAMES,
        )
    )


def run(_: Options) -> None:
    keys = {name: generate_key(name) for name in (RSA, ED25519)}
    rsa, ed25519 = (Signer(DOMAIN, SELECTOR, key) for key in keys.values())
    for title, size in [("5 KB", 5_000), ("20 KB", 20_000), ("1 MB", 1_000_000)]:
        message = by_hand(*bodies("Jane", size))
        compare(
            f"{title}, RSA-2048",
            "own signer",
            {
                "own signer": partial(rsa.sign, message),
                "own signers, RSA and Ed25519": partial(sign_all, message, [rsa, ed25519]),
                "own signer, Ed25519 alone": partial(ed25519.sign, message),
                "dkimpy": partial(by_dkimpy, message, keys[RSA].encode()),
            },
        )
