"""Cheap or cached replacements for work that every test would repeat with the same result."""

import os
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import override_settings
from whitenoise.middleware import WhiteNoiseMiddleware


class OneRoundHasher(PBKDF2PasswordHasher):
    """Django's default with one round in place of a million: each can check what the other has made."""

    iterations = 1


@contextmanager
def cheap_passwords() -> Iterator[None]:
    """A million rounds are a third of a second for each user. tests/accounts/test_passwords.py sees the product's."""
    with override_settings(PASSWORD_HASHERS=[f"{OneRoundHasher.__module__}.{OneRoundHasher.__qualname__}"]):
        yield


@contextmanager
def static_files_listed_once() -> Iterator[None]:
    """Every test client loads the middleware anew; WhiteNoise then looks at hundreds of files, always the same."""
    listed: dict[tuple[object, ...], dict[str, object]] = {}
    look = WhiteNoiseMiddleware.add_files_from_finders

    def look_once(self: WhiteNoiseMiddleware) -> None:
        told = (self.static_prefix, self.max_age, self.static_root)
        if told not in listed:
            look(self)
            listed[told] = self.files
        self.files = listed[told]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", look_once)
        yield


def named_authorities() -> list[str | None]:
    return [os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")]


@contextmanager
def public_authorities_left_out() -> Iterator[None]:
    """Reading the machine's hundreds of certificates costs each new HTTP client 30 ms; no test asks a public server.

    A test that has SSL_CERT_FILE or SSL_CERT_DIR name others gets those.
    """
    load, at_first = ssl.SSLContext.load_default_certs, named_authorities()

    def load_named(self: ssl.SSLContext, purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH) -> None:
        if named_authorities() != at_first:
            load(self, purpose)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl.SSLContext, "load_default_certs", load_named)
        yield


@contextmanager
def shortcuts() -> Iterator[None]:
    """All of them."""
    with ExitStack() as stack:
        for each in (cheap_passwords, static_files_listed_once, public_authorities_left_out):
            stack.enter_context(each())
        yield
