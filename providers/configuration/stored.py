"""Settings in the database: a JSON object of texts, in which a URL is an object of its parts."""

from dataclasses import asdict
from typing import Any

from common.fields import LostSecret
from delivery.ssrf import UrlTarget
from providers.configuration.checks import check_settings
from providers.configuration.model import (
    Flaw,
    GivenValue,
    ProviderAddress,
    ProviderSettingsError,
    UnreadableSettingsError,
)
from providers.models import Provider, ProviderKind


def write_settings(address: ProviderAddress) -> dict[str, Any]:
    """The form of the column `settings`."""
    return {name: value if isinstance(value, str) else asdict(value) for name, value in address.given.items()}


def read_settings(provider: Provider) -> ProviderAddress:
    """The provider's settings. UnreadableSettingsError when no key decrypts them or they do not pass the checks."""
    stored = provider.settings
    if stored is None or isinstance(stored, LostSecret):
        raise UnreadableSettingsError("the stored settings cannot be decrypted")
    try:
        kind = ProviderKind(provider.kind)
        return check_settings(
            kind, {name: read_value(value) for name, value in stored.items()}, is_operated=provider.is_operated
        )
    except ProviderSettingsError as error:
        raise UnreadableSettingsError(f"the stored settings are invalid: {error}") from None


def find_settings(provider: Provider) -> ProviderAddress | None:
    """The provider's settings, or None when they cannot be read."""
    try:
        return read_settings(provider)
    except UnreadableSettingsError:
        return None


def read_value(value: object) -> GivenValue:
    match value:
        case str():
            return value
        case {"scheme": str(scheme), "host": str(host), "port": int(port), "path": str(path)} if not isinstance(
            port, bool
        ):
            return UrlTarget(scheme=scheme, host=host, port=port, path=path)
    return Flaw("must be a text or the parts of a URL")
