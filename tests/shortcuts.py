"""What each test would pay for anew, though its answer is the same: paid once, or made cheap."""

from collections.abc import Iterator
from contextlib import contextmanager

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
