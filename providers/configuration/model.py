"""The settings of a provider: their names, the checked value, and the errors."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from delivery.ssrf import UrlTarget
from providers.models import ProviderKind

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
# The names of the settings by kind. An ESP has its own beside its name (`esp.model.list_settings`).
NAMES = {
    ProviderKind.SMTP: ("host", "port", "username", "password", "tls", "verify", "ca", AUTH, *OAUTH),
    ProviderKind.INBOX: ("host", "port", "tls", "verify", "ca"),
    ProviderKind.MX: ("port", "source", "helo", "ca"),
    ProviderKind.ESP: ("esp",),
    ProviderKind.SIMULATOR: (),
}
PORTS = {ProviderKind.SMTP: 587, ProviderKind.INBOX: 2525, ProviderKind.MX: 25}
IMPLICIT_PORT = 465


class Flaw(NamedTuple):
    """In place of a setting's value that has no form at all, such as a list. It fails every check."""

    message: str


# A setting as it comes from a caller, and as it is kept once it is checked.
GivenValue: TypeAlias = str | UrlTarget | Flaw
SettingValue: TypeAlias = str | UrlTarget
Given: TypeAlias = Mapping[str, GivenValue]
Settings: TypeAlias = Mapping[str, SettingValue]


class SettingProblem(NamedTuple):
    """What is wrong with one setting, or with all of them together when `setting` is empty. `code` is for programs."""

    setting: str
    message: str
    code: str = "invalid_provider"


class ProviderSettingsError(ValueError):
    """Settings are invalid. `problems` names every wrong one; no message repeats a value, which may be a secret."""

    def __init__(self, problems: Iterable[SettingProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problem.message for problem in self.problems))


class UnreadableSettingsError(ValueError):
    """The stored settings of a provider cannot be decrypted, or are not what this program stores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAddress:
    """A provider's checked settings. repr shows neither credentials nor `given`.

    `host` is the server's for `smtp` and `inbox`, and the ESP's name for `esp`; `options` are specific to one kind or
    ESP (for `smtp` those of OAuth). `url` is where an ESP's API or the token server is, when that is set. `given` holds
    the settings without defaults: the form that is stored.
    """

    kind: ProviderKind
    host: str = ""
    port: int = 0
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    tls: str = "never"
    is_certificate_checked: bool = False
    ca_file: str = ""
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    url: UrlTarget | None = None
    given: Settings = field(default_factory=dict, repr=False)
