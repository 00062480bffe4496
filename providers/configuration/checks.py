"""Checks the settings of a provider: each value by itself, then between settings. Every error is reported."""

from collections.abc import Iterator
from dataclasses import replace

from delivery.optional import ExtraMissingError, require_extra
from delivery.ssrf import RefusedError, UrlTarget, build_target
from providers.configuration.model import (
    AUTH,
    CLIENT_ID,
    CLIENT_SECRET,
    HIDDEN,
    IMPLICIT_PORT,
    LOOPBACK,
    NAMES,
    OAUTH,
    PORTS,
    REFRESH_TOKEN,
    TOKEN_MECHANISMS,
    TOKEN_URL,
    Flaw,
    Given,
    GivenValue,
    ProviderAddress,
    ProviderSettingsError,
    SettingProblem,
    Settings,
    SettingValue,
)
from providers.configuration.rules import InvalidValueError, find_rule, list_names
from providers.esp.catalog import ESPS
from providers.esp.model import API_URL, is_secret
from providers.models import ProviderKind

URLS = frozenset({API_URL, TOKEN_URL})
MAX_NAME = 100


def check_settings(kind: ProviderKind, given: Given, *, is_operated: bool = True) -> ProviderAddress:
    """The checked settings, completed by defaults. ProviderSettingsError names everything that is wrong.

    With a user name, TLS is required and the certificate checked unless `tls` and `verify` say otherwise: a password
    must not reach an unverified server. Settings of a project (`is_operated` false) may not name files of this machine,
    an inbox elsewhere, or use the machine's own credentials.
    """
    problems: list[SettingProblem] = []
    values = _check_values(kind, given, problems)
    problems += _find_conflicts(kind, values, given)
    if not is_operated:
        problems += _find_reserved(kind, values)
    if problems:
        raise ProviderSettingsError(problems)
    return _build_address(kind, values)


def _check_values(kind: ProviderKind, given: Given, problems: list[SettingProblem]) -> dict[str, SettingValue]:
    """The valid ones among the values."""
    known = list_names(kind, NAMES[kind], given.get("esp"))
    # The settings of an ESP that is not known cannot be judged: its name is the error.
    is_judged = kind is not ProviderKind.ESP or given.get("esp") in ESPS
    values: dict[str, SettingValue] = {}
    for name, value in given.items():
        if name not in known:
            if is_judged:
                message = f"unknown option {name[:MAX_NAME]}; known are {', '.join(known) or 'none'}"
                problems.append(SettingProblem(name[:MAX_NAME], message))
            continue
        try:
            values[name] = _check_value(kind, name, value)
        except InvalidValueError as error:
            text = str(error)
            problems.append(SettingProblem(name, text if text[:1].isupper() else f"{name} {text}"))
    return values


def check_libraries(address: ProviderAddress) -> None:
    """ProviderSettingsError with the command that installs them if the provider needs libraries that are missing here.

    Not a part of `check_settings`: a stored provider stays readable, and its events count.
    """
    esp = ESPS.get(address.host) if address.kind is ProviderKind.ESP else None
    try:
        if esp and esp.extra:
            require_extra(esp.extra, esp.title)
    except ExtraMissingError as error:
        raise ProviderSettingsError([SettingProblem("esp", str(error))]) from None


def _check_value(kind: ProviderKind, name: str, value: GivenValue) -> SettingValue:
    if isinstance(value, Flaw):
        raise InvalidValueError(value.message)
    if not isinstance(value, UrlTarget):
        return find_rule(kind, name)(value)
    try:
        kept = build_target(scheme=value.scheme, host=value.host, port=value.port, path=value.path)
    except RefusedError as error:
        raise InvalidValueError(error.message) from None
    if name not in URLS:
        raise InvalidValueError("must be a text")
    return kept


def _find_conflicts(kind: ProviderKind, values: Settings, given: Given) -> Iterator[SettingProblem]:
    """Errors between settings. A setting whose value is wrong counts as given, so that it is named only once."""
    if kind in {ProviderKind.SMTP, ProviderKind.INBOX} and not given.get("host"):
        yield SettingProblem("host", "a host is missing")
    if kind is ProviderKind.SMTP:
        if given.get("password") and not given.get("username"):
            yield SettingProblem("username", "a password requires a user name")
        yield from _find_auth_conflicts(values, given)
    if kind is ProviderKind.ESP:
        if not given.get("esp"):
            yield SettingProblem("esp", f"esp must be one of {', '.join(ESPS)}")
        elif esp := ESPS.get(str(values.get("esp"))):
            yield from (
                SettingProblem(name, f"{esp.title} requires {name}") for name in esp.needed if not given.get(name)
            )


def _find_auth_conflicts(values: Settings, given: Given) -> Iterator[SettingProblem]:
    """Errors in the settings of OAuth, by which a relay's account is used without a password."""
    auth = values.get(AUTH, "password" if AUTH not in given else None)
    if auth is None:
        return
    if auth == "password":
        if extra := [name for name in OAUTH if given.get(name)]:
            yield SettingProblem(AUTH, f"{extra[0]} requires auth={' or '.join(TOKEN_MECHANISMS)}")
        return
    if given.get("password"):
        yield SettingProblem("password", f"auth={auth} uses no password")
    missing = [name for name in ("username", TOKEN_URL, CLIENT_ID) if not given.get(name)]
    yield from (SettingProblem(name, f"auth={auth} requires {name}") for name in missing)
    if not given.get(CLIENT_SECRET) and not given.get(REFRESH_TOKEN):
        yield SettingProblem(CLIENT_SECRET, f"auth={auth} requires {CLIENT_SECRET} or {REFRESH_TOKEN}")
    if "tls" in values and values["tls"] not in {"starttls", "implicit"}:
        yield SettingProblem("tls", f"auth={auth} requires tls=starttls or tls=implicit")


def _find_reserved(kind: ProviderKind, values: Settings) -> Iterator[SettingProblem]:
    """Settings that only the operator of the service may use."""
    if "ca" in values:
        yield SettingProblem("ca", "only the operator of the service may use files")
    if kind is ProviderKind.INBOX and values.get("host", "localhost") not in LOOPBACK:
        yield SettingProblem("host", "an inbox must be on this machine; use the kind smtp for a relay")
    if values.get("esp") == "ses" and "aws_access_key_id" not in values:
        # Without an access key the machine's own credentials would be used, which are the operator's.
        yield SettingProblem("aws_access_key_id", "an access key is required")


def _build_address(kind: ProviderKind, values: Settings) -> ProviderAddress:
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    url = next((value for value in values.values() if isinstance(value, UrlTarget)), None)
    address = ProviderAddress(kind=kind, url=url, ca_file=texts.get("ca", ""), given=values)
    if kind is ProviderKind.ESP:
        options = {name: value for name, value in texts.items() if name != "esp"}
        return replace(address, host=texts["esp"], options=options | ({API_URL: url.url} if url else {}))
    port = int(texts.get("port") or (IMPLICIT_PORT if texts.get("tls") == "implicit" else PORTS.get(kind, 0)))
    if kind in {ProviderKind.MX, ProviderKind.SIMULATOR}:
        return replace(address, port=port, options=texts)
    tls = texts.get("tls") or _choose_tls(kind, texts.get("username", ""), port)
    verify = texts.get("verify", "yes" if tls in {"starttls", "implicit"} else "no")
    return replace(
        address,
        host=texts["host"],
        port=port,
        username=texts.get("username", ""),
        password=texts.get("password", ""),
        tls=tls,
        is_certificate_checked=verify == "yes",
        options={name: texts[name] for name in (AUTH, *OAUTH) if name in texts},
    )


def _choose_tls(kind: ProviderKind, username: str, port: int) -> str:
    if kind is ProviderKind.INBOX:
        return "never"
    if port == IMPLICIT_PORT:
        return "implicit"
    return "starttls" if username else "opportunistic"


def is_hidden(kind: ProviderKind, name: str, esp_name: object) -> bool:
    """Whether a setting is a credential or a user name, which is never shown."""
    if kind is ProviderKind.ESP:
        return name != "esp" and is_secret(ESPS[str(esp_name)], name)
    return name in HIDDEN


def write_value(value: SettingValue) -> str:
    """A setting as a caller writes it."""
    return value if isinstance(value, str) else value.url


def hide_secrets(kind: ProviderKind, settings: Settings) -> dict[str, str]:
    """`settings` as texts, without credentials and without the user name."""
    esp_name = settings.get("esp")
    return {name: write_value(value) for name, value in settings.items() if not is_hidden(kind, name, esp_name)}
