"""django-anymail warns, each time that it is set up, of what is looked after here."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from anymail.exceptions import AnymailInsecureWebhookWarning, AnymailNotSupportedWarning

# Filters of warnings belong to the whole process.
_lock = threading.Lock()


@contextmanager
def be_quiet() -> Iterator[None]:
    """No word of webhooks without a password (the address holds a secret), nor of SendGrid (tested here instead)."""
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", AnymailInsecureWebhookWarning)
        warnings.simplefilter("ignore", AnymailNotSupportedWarning)
        yield
