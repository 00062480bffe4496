"""Provider settings as a URL: the operator's short form, which is parsed once into settings and never stored.

`smtp://user:password@host:587?tls=starttls`, `smtp://user@host?auth=xoauth2&oauth_…`, `smtps://…`, `mx:?port=25`, `esp://postmark?server_token=…`,
`inbox://127.0.0.1:2525`, `simulator:`.
"""

from urllib.parse import parse_qsl, unquote, urlsplit

from providers.configuration.checks import check_settings
from providers.configuration.model import ProviderAddress, ProviderSettingsError, SettingProblem
from providers.models import ProviderKind

SCHEMES = {"smtp": ProviderKind.SMTP, "smtps": ProviderKind.SMTP, **{kind.value: kind for kind in ProviderKind}}


def parse_provider_url(url: str) -> ProviderAddress:
    """Parse and validate `url`. ProviderSettingsError when it is invalid; its messages never repeat the URL."""
    return check_settings(*split_provider_url(url))


def split_provider_url(url: str) -> tuple[ProviderKind, dict[str, str]]:
    """The kind and the settings in `url`, without validation of their values. ProviderSettingsError."""
    if not url.isprintable():
        # urlsplit would drop line ends and tabs.
        raise refuse_url("the URL must hold printable characters only")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise refuse_url(f"the URL cannot be parsed: {error}") from None
    kind = SCHEMES.get(parts.scheme)
    if kind is None:
        raise refuse_url(f"the scheme must be one of {', '.join(SCHEMES)}")
    if parts.path not in {"", "/"} or parts.fragment:
        raise refuse_url("the URL has no path and no fragment; special characters must be percent-encoded")
    settings = {
        ("esp" if kind is ProviderKind.ESP else "host"): parts.hostname or "",
        "port": "" if port is None else str(port),
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        **dict(parse_qsl(parts.query, keep_blank_values=True)),
    }
    if parts.scheme == "smtps":
        settings.setdefault("tls", "implicit")
    return kind, {name: value for name, value in settings.items() if value}


def refuse_url(message: str) -> ProviderSettingsError:
    return ProviderSettingsError([SettingProblem("", message)])
