"""The form of each setting's value: tables of checks, one for each name.

A check takes the text and returns the value to keep, or raises InvalidValueError with the rest of a sentence that
begins with the setting's name.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address

from delivery.ssrf import RefusedError, UrlTarget, check_host, parse_target
from providers.configuration.model import AUTH, AUTH_MODES, LOOPBACK, TLS_MODES, TOKEN_URL, SettingValue
from providers.esp.catalog import ESPS
from providers.esp.model import API_URL, EVENT_LOGIN, list_settings
from providers.esp.services.ses import TOPICS
from providers.models import ProviderKind

Check = Callable[[str], SettingValue]

MAX_VALUE = 4_000
_TOPIC = re.compile(r"arn:aws(?:-[a-z-]+)?:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?", re.ASCII)
# A key of an ESP goes into a header field or a signature.
_KEY = re.compile(r"[!-~]+")


class InvalidValueError(ValueError):
    """A setting's value has the wrong form."""


def keep_text(text: str) -> str:
    """Any printable text. Control characters would end a line of SMTP or HTTP."""
    if not text.isprintable() or len(text) > MAX_VALUE:
        raise InvalidValueError(f"must hold printable characters only, at most {MAX_VALUE}")
    return text


def keep_key(text: str) -> str:
    if not _KEY.fullmatch(text) or len(text) > MAX_VALUE:
        raise InvalidValueError("must be ASCII without spaces")
    return text


def keep_host(text: str) -> str:
    try:
        return check_host(text)
    except RefusedError as error:
        raise InvalidValueError(error.message) from None


def keep_port(text: str) -> str:
    if not text.isascii() or not text.isdigit() or len(text) > 5 or not 0 < int(text) < 65536:
        raise InvalidValueError("must be between 1 and 65535")
    return str(int(text))


def keep_source(text: str) -> str:
    """A literal address without a scope."""
    try:
        found = ip_address(text)
    except ValueError:
        found = None
    if found is None or "%" in text:
        raise InvalidValueError("must be an IP address of this machine")
    return str(found)


def keep_url(text: str) -> UrlTarget:
    try:
        return parse_target(text)
    except RefusedError as error:
        raise InvalidValueError(error.message) from None


def keep_token_url(text: str) -> UrlTarget:
    """A secret goes there: over TLS, or to this machine."""
    target = keep_url(text)
    if target.scheme != "https" and target.host not in LOOPBACK:
        raise InvalidValueError("must begin with https://")
    return target


def keep_login(text: str) -> str:
    if not all(keep_text(text).partition(":")):
        raise InvalidValueError("must be user:password")
    return text


def keep_topics(text: str) -> str:
    if any(not _TOPIC.fullmatch(part.strip()) for part in keep_text(text).split(",") if part.strip()):
        raise InvalidValueError("must be ARNs of SNS topics, separated by commas")
    return text


def one_of(*words: str) -> Check:
    def keep_word(text: str) -> str:
        if text not in words:
            raise InvalidValueError(f"must be one of {', '.join(words)}")
        return text

    return keep_word


def shaped(pattern: str, words: str) -> Check:
    shape = re.compile(pattern, re.ASCII)

    def keep_shape(text: str) -> str:
        if not shape.fullmatch(text):
            raise InvalidValueError(f"must be {words}")
        return text

    return keep_shape


# Names that are not here hold any printable text.
RULES: Mapping[str, Check] = {
    "host": keep_host,
    "port": keep_port,
    "tls": one_of(*TLS_MODES),
    "verify": one_of("yes", "no"),
    "source": keep_source,
    "helo": keep_host,
    AUTH: one_of(*AUTH_MODES),
    TOKEN_URL: keep_token_url,
}
# Names that are not here hold a key.
ESP_RULES: Mapping[str, Check] = {
    "esp": one_of(*ESPS),
    API_URL: keep_url,
    EVENT_LOGIN: keep_login,
    TOPICS: keep_topics,
    # Part of the URL of each call.
    "sender_domain": keep_host,
    # Part of the host.
    "region_name": shaped(r"[a-z]{2,8}(?:-[a-z0-9]{1,20}){1,4}", "the name of a region, as eu-central-1"),
    "configuration_set_name": shaped(r"[A-Za-z0-9_-]{1,64}", "letters, digits, - and _"),
    "message_stream": shaped(r"[A-Za-z0-9._-]{1,100}", "letters, digits, ., - and _"),
}


def find_rule(kind: ProviderKind, name: str) -> Check:
    """The check of a setting's value."""
    return ESP_RULES.get(name, keep_key) if kind is ProviderKind.ESP else RULES.get(name, keep_text)


def list_names(kind: ProviderKind, names: tuple[str, ...], esp_name: object) -> tuple[str, ...]:
    """All settings of a kind; for an ESP also its own. Of an unknown ESP none is known."""
    if kind is not ProviderKind.ESP or not isinstance(esp_name, str) or esp_name not in ESPS:
        return names
    return (*names, *list_settings(ESPS[esp_name]))
