"""What the column of a provider's settings holds."""

from typing import Any

from providers.configuration.stored import write_settings
from providers.provider_url import parse_provider_url


def settings_of(url: str) -> dict[str, Any]:
    """The stored settings of a provider with this URL."""
    return write_settings(parse_provider_url(url))
