"""Provider settings as a URL, which is the stored form, and as a mapping of names to values.

`smtp://user:password@host:587?tls=starttls`, `smtp://user@host?auth=xoauth2&oauth_…`, `smtps://…`, `mx:?port=25`, `esp://postmark?server_token=…`,
`inbox://127.0.0.1:2525`, `simulator:`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from delivery.ssrf import RefusedError, parse_target
from providers.esp.catalog import ESPS
from providers.esp.model import API_URL, EVENT_LOGIN, is_secret, list_settings
from providers.esp.services.ses import TOPICS
from providers.models import ProviderKind

Settings = Mapping[str, str]

AUTH, TOKEN_URL = "auth", "oauth_token_url"
CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, SCOPE = (
    "oauth_client_id",
    "oauth_client_secret",
    "oauth_refresh_token",
    "oauth_scope",
)
OAUTH = (TOKEN_URL, CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, SCOPE)
# The mechanism by the setting `auth`; the usual `password` has none.
TOKEN_MECHANISMS = {"xoauth2": "XOAUTH2", "oauthbearer": "OAUTHBEARER"}
AUTH_MODES = ("password", *TOKEN_MECHANISMS)
HIDDEN = frozenset({"username", "password", CLIENT_SECRET, REFRESH_TOKEN})
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
TLS_MODES = ("implicit", "never", "opportunistic", "starttls")
# The settings before the question mark of a URL; all others are its options.
AUTHORITY = {
    ProviderKind.SMTP: ("host", "port", "username", "password"),
    ProviderKind.INBOX: ("host", "port"),
    ProviderKind.ESP: ("esp",),
    ProviderKind.MX: (),
    ProviderKind.SIMULATOR: (),
}
OPTIONS = {
    ProviderKind.SMTP: ("tls", "verify", "ca", AUTH, *OAUTH),
    ProviderKind.INBOX: ("tls", "verify", "ca"),
    ProviderKind.MX: ("port", "source", "helo", "ca"),
    ProviderKind.SIMULATOR: (),
}
SCHEMES = {"smtp": ProviderKind.SMTP, "smtps": ProviderKind.SMTP, **{kind.value: kind for kind in ProviderKind}}
PORTS = {ProviderKind.SMTP: 587, ProviderKind.INBOX: 2525, ProviderKind.MX: 25}
IMPLICIT_PORT = 465
# A name or an address. A character with a meaning in URLs would change the stored settings.
_HOST = re.compile(r"\w(?:[\w.-]{0,252}[\w.])?")
_TOPIC = re.compile(r"arn:aws(?:-[a-z-]+)?:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?")


class ProviderUrlError(ValueError):
    """A provider's URL or settings are invalid. The message gives the reason and never a URL, which holds secrets.

    `setting` is the name of the wrong setting, or empty for the whole URL; `code` is for programs.
    """

    def __init__(self, message: str, setting: str = "", code: str = "invalid_provider") -> None:
        super().__init__(message)
        self.setting = setting
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAddress:
    """A provider's validated settings. repr does not show `username`, `password` and `options`.

    `host` is the server's for `smtp` and `inbox`, and the ESP's name for `esp`; `options` are specific to one kind or
    ESP (for `smtp` those of OAuth).
    """

    kind: ProviderKind
    host: str = ""
    port: int = 0
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    tls: str = "never"
    is_certificate_checked: bool = False
    ca_file: str = ""
    options: Settings = field(default_factory=dict, repr=False)


def parse_provider_url(url: str) -> ProviderAddress:
    """Parse and validate `url`. ProviderUrlError when it is invalid.

    With a user name, TLS is required and the certificate checked unless the URL says otherwise (`?tls=never`,
    `?verify=no`): a password must not reach an unverified server.
    """
    return check_settings(*split_provider_url(url))


def split_provider_url(url: str) -> tuple[ProviderKind, dict[str, str]]:
    """The kind and the settings in `url`, without validation of their values."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ProviderUrlError(f"the URL cannot be parsed: {error}") from None
    kind = SCHEMES.get(parts.scheme)
    if kind is None:
        raise ProviderUrlError(f"the scheme must be one of {', '.join(SCHEMES)}")
    settings = {
        ("esp" if kind is ProviderKind.ESP else "host"): parts.hostname or "",
        "port": str(port or ""),
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        **dict(parse_qsl(parts.query, keep_blank_values=True)),
    }
    if parts.scheme == "smtps":
        settings.setdefault("tls", "implicit")
    return kind, {name: value for name, value in settings.items() if value}


def build_provider_url(kind: ProviderKind, settings: Settings) -> str:
    """The URL of `settings`, the inverse of `split_provider_url`."""
    options = urlencode({name: value for name, value in settings.items() if name not in AUTHORITY[kind]})
    host = settings.get("host") or settings.get("esp", "")
    authority = f"[{host}]" if ":" in host else host
    if "username" in settings:
        login = f"{quote(settings['username'], safe='')}:{quote(settings.get('password', ''), safe='')}"
        authority = f"{login}@{authority}"
    if "port" in settings and "port" in AUTHORITY[kind]:
        authority += f":{settings['port']}"
    return f"{kind}:{'//' + authority if authority else ''}{'?' + options if options else ''}"


def check_settings(kind: ProviderKind, settings: Settings) -> ProviderAddress:
    """`settings` completed by defaults and validated. ProviderUrlError when they are invalid."""
    if unprintable := sorted(name for name, value in settings.items() if not value.isprintable()):
        # They would end a line of SMTP or HTTP.
        raise ProviderUrlError(f"{unprintable[0]} must hold printable characters only", unprintable[0])
    if kind is ProviderKind.ESP:
        return _check_esp(settings)
    refuse_unknown(settings, (*AUTHORITY[kind], *OPTIONS[kind]))
    port = _read_port(settings, kind)
    if kind in {ProviderKind.MX, ProviderKind.SIMULATOR}:
        _check_source(settings)
        return ProviderAddress(kind=kind, port=port, ca_file=settings.get("ca", ""), options=dict(settings))
    if not settings.get("host"):
        raise ProviderUrlError("a host is missing", "host")
    _check_host(settings["host"])
    tls = settings.get("tls") or _choose_tls(kind, settings, port)
    if tls not in TLS_MODES:
        raise ProviderUrlError(f"tls must be one of {', '.join(TLS_MODES)}", "tls")
    verify = settings.get("verify", "yes" if tls in {"starttls", "implicit"} else "no")
    if verify not in {"yes", "no"}:
        raise ProviderUrlError("verify must be yes or no", "verify")
    if "password" in settings and not settings.get("username"):
        raise ProviderUrlError("a password requires a user name", "username")
    if kind is ProviderKind.SMTP:
        _check_auth(settings, tls)
    return ProviderAddress(
        kind=kind,
        host=settings["host"],
        port=port,
        username=settings.get("username", ""),
        password=settings.get("password", ""),
        tls=tls,
        is_certificate_checked=verify == "yes",
        ca_file=settings.get("ca", ""),
        options={name: settings[name] for name in (AUTH, *OAUTH) if name in settings},
    )


def _check_host(host: str) -> None:
    try:
        is_host = bool(ip_address(host)) if ":" in host else _HOST.fullmatch(host) is not None
    except ValueError:
        is_host = False
    if not is_host:
        raise ProviderUrlError("host must be a name or an address, without brackets and port", "host")


def _check_auth(settings: Settings, tls: str) -> None:
    """Check the settings of OAuth, by which a relay's account is used without a password."""
    auth = settings.get(AUTH, "password")
    if auth not in AUTH_MODES:
        raise ProviderUrlError(f"auth must be one of {', '.join(AUTH_MODES)}", AUTH)
    if auth == "password":
        if given := [name for name in OAUTH if settings.get(name)]:
            raise ProviderUrlError(f"{given[0]} requires auth={' or '.join(TOKEN_MECHANISMS)}", AUTH)
        return
    if settings.get("password"):
        raise ProviderUrlError(f"auth={auth} uses no password", "password")
    if missing := [name for name in ("username", TOKEN_URL, CLIENT_ID) if not settings.get(name)]:
        raise ProviderUrlError(f"auth={auth} requires {missing[0]}", missing[0])
    if not settings.get(CLIENT_SECRET) and not settings.get(REFRESH_TOKEN):
        raise ProviderUrlError(f"auth={auth} requires {CLIENT_SECRET} or {REFRESH_TOKEN}", CLIENT_SECRET)
    if tls not in {"starttls", "implicit"}:
        raise ProviderUrlError(f"auth={auth} requires tls=starttls or tls=implicit", "tls")
    _check_token_url(settings[TOKEN_URL])


def _check_token_url(url: str) -> None:
    """A secret goes there: over TLS, or to this machine."""
    try:
        target = parse_target(url)
    except RefusedError as error:
        raise ProviderUrlError(f"{TOKEN_URL}: {error.message}", TOKEN_URL) from None
    if target.scheme != "https" and target.host not in LOOPBACK:
        raise ProviderUrlError(f"{TOKEN_URL} must begin with https://", TOKEN_URL)


def refuse_unknown(settings: Settings, known: tuple[str, ...]) -> None:
    if unknown := sorted(settings.keys() - set(known)):
        raise ProviderUrlError(f"unknown option {unknown[0]}; known are {', '.join(known) or 'none'}", unknown[0])


def _choose_tls(kind: ProviderKind, settings: Settings, port: int) -> str:
    if kind is ProviderKind.INBOX:
        return "never"
    if port == IMPLICIT_PORT:
        return "implicit"
    return "starttls" if settings.get("username") else "opportunistic"


def _read_port(settings: Settings, kind: ProviderKind) -> int:
    usual = IMPLICIT_PORT if settings.get("tls") == "implicit" else PORTS.get(kind, 0)
    text = settings.get("port") or str(usual)
    if not text.isascii() or not text.isdigit() or int(text[:6]) > 65535:
        raise ProviderUrlError("port must be between 1 and 65535", "port")
    return int(text) or usual


def _check_source(settings: Settings) -> None:
    try:
        ip_address(settings.get("source", "0.0.0.0"))  # noqa: S104 - any local address is valid
    except ValueError:
        raise ProviderUrlError("source must be an IP address of this machine", "source") from None


def _check_esp(settings: Settings) -> ProviderAddress:
    esp = ESPS.get(settings.get("esp", ""))
    if esp is None:
        raise ProviderUrlError(f"esp must be one of {', '.join(ESPS)}", "esp")
    options = {name: value for name, value in settings.items() if name != "esp"}
    refuse_unknown(options, list_settings(esp))
    if missing := [name for name in esp.needed if not options.get(name)]:
        raise ProviderUrlError(f"{esp.title} requires {missing[0]}", missing[0])
    if API_URL in options and not _is_web_url(options[API_URL]):
        raise ProviderUrlError("api_url must be http:// or https:// with a host", API_URL)
    if EVENT_LOGIN in options and not all(options[EVENT_LOGIN].partition(":")):
        raise ProviderUrlError(f"{EVENT_LOGIN} must be user:password", EVENT_LOGIN)
    if any(not _TOPIC.fullmatch(text.strip()) for text in options.get(TOPICS, "").split(",") if text.strip()):
        raise ProviderUrlError(f"{TOPICS} must be ARNs of SNS topics, separated by commas", TOPICS)
    return ProviderAddress(kind=ProviderKind.ESP, host=settings["esp"], options=options)


def _is_web_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def hide_secrets(kind: ProviderKind, settings: Settings) -> dict[str, str]:
    """`settings` without credentials and without the user name."""
    if kind is ProviderKind.ESP:
        esp = ESPS[settings["esp"]]
        return {name: value for name, value in settings.items() if name == "esp" or not is_secret(esp, name)}
    return {name: value for name, value in settings.items() if name not in HIDDEN}
