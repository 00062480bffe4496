"""Libraries that only some installations need: each group is an extra with a lock of its own, `requirements-NAME.txt`.

They are imported when they are used, so a program that does not use them neither needs nor loads them. So are some that
are always there and large, and that few processes use: this is the one place for such imports.
"""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

# By extra, the package that shows that it is there.
EXTRAS = {"mjml": "mrml", "otel": "opentelemetry.sdk", "s3": "storages", "sentry": "sentry_sdk", "ses": "boto3"}


class ExtraMissingError(Exception):
    """What was asked for needs an extra that is not installed. The text says how to install it."""

    def __init__(self, use: str, extra: str) -> None:
        super().__init__(f"{use} needs libraries that are not installed: ./run install {extra}")
        self.extra = extra


def require_extra(extra: str, use: str) -> None:
    """Raise ExtraMissingError unless the extra is installed; `use` begins its sentence, such as "Amazon SES"."""
    if not is_installed(EXTRAS[extra]):
        raise ExtraMissingError(use, extra)


def is_installed(package: str) -> bool:
    """Whether the package can be found; it is not imported."""
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        # Whoever hides packages may do so by an error, or by a module without a spec.
        return False


def load_when_used(module: str) -> ModuleType:
    """The module, imported by the first call."""
    return import_module(module)
