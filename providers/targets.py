"""A provider's settings from a caller: by URL or by name."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from common.errors import FieldError, InvalidFieldsError, join_path
from providers.configuration.checks import check_libraries, check_settings, hide_secrets, write_value
from providers.configuration.model import (
    AUTH,
    TOKEN_URL,
    Flaw,
    Given,
    GivenValue,
    ProviderAddress,
    ProviderSettingsError,
    SettingProblem,
)
from providers.configuration.stored import find_settings
from providers.esp.model import API_URL
from providers.models import Provider, ProviderKind
from providers.network_policy import check_reach
from providers.provider_url import split_provider_url

# The settings that name the receiver of credentials, or their kind. When one changes, stored credentials are dropped:
# otherwise a key that may change a provider could have its password sent to another server.
DESTINATION = frozenset({"host", "esp", API_URL, TOKEN_URL, AUTH})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderTarget:
    """A provider's settings from a caller: a URL, or a kind with settings."""

    kind: ProviderKind | None = None
    url: str = ""
    settings: Given | None = None


def find_target(values: Mapping[str, Any], kept: Provider | None = None) -> ProviderTarget | None:
    """The target that a request's fields name; None when they name none. Settings alone are for the kind of `kept`."""
    kind, url, settings = values.get("kind"), values.get("url"), values.get("settings")
    if kind is None and not url and settings is not None and kept is not None:
        kind = kept.kind
    if not kind and not url:
        return None
    return ProviderTarget(kind=ProviderKind(kind) if kind else None, url=url or "", settings=settings)


def read_target(target: ProviderTarget, *, is_operated: bool, kept: Provider | None = None) -> ProviderAddress:
    """The checked settings to store. InvalidFieldsError names every wrong one: `url`, `kind` or `settings.…`.

    New settings replace those of the provider `kept`. Credentials that are not given are kept while they go to the same
    server. Projects may not use all settings: see `check_settings` and `network_policy`. Queries the DNS.
    """
    address = check_target(target, is_operated=is_operated, kept=kept)
    if not is_operated:
        with named_fields(target):
            check_reach(address)
    return address


def check_target(target: ProviderTarget, *, is_operated: bool, kept: Provider | None = None) -> ProviderAddress:
    """As `read_target`, without the network."""
    with named_fields(target):
        kind, settings = _read_settings(target, kept)
        address = check_settings(kind, settings, is_operated=is_operated)
        check_libraries(address)
        return address


@contextmanager
def named_fields(target: ProviderTarget) -> Iterator[None]:
    """Turn problems of settings into an InvalidFieldsError that names the fields of the request."""
    try:
        yield
    except ProviderSettingsError as error:
        raise InvalidFieldsError([name_problem(problem, target) for problem in error.problems]) from None


def name_problem(problem: SettingProblem, target: ProviderTarget) -> FieldError:
    field = "url" if target.url else join_path("settings", problem.setting) if problem.setting else "settings"
    text = f"{problem.message[:1].upper()}{problem.message[1:].removesuffix('.')}."
    return FieldError(field, problem.code, text)


def _read_settings(target: ProviderTarget, kept: Provider | None) -> tuple[ProviderKind, Given]:
    if target.url:
        kind, settings = split_provider_url(target.url)
        if target.kind not in {None, kind}:
            message = f"The URL is for the kind {kind}."
            raise InvalidFieldsError([FieldError("kind", "kind_conflict", message)])
        return kind, settings
    assert target.kind is not None
    given = dict(target.settings or {})
    stored = find_settings(kept) if kept is not None and kept.kind == target.kind else None
    if stored is None:
        return target.kind, leave_removed_out(given)
    shown = hide_secrets(target.kind, stored.given)
    is_same_place = all(
        write_given(given.get(name, "")) == write_given(stored.given.get(name, "")) for name in DESTINATION
    )
    secrets_kept = {name: value for name, value in stored.given.items() if name not in shown} if is_same_place else {}
    return target.kind, leave_removed_out({**secrets_kept, **given})


def write_given(value: GivenValue) -> str:
    """A value for comparison: a URL with and without its last slash is the same place."""
    if isinstance(value, Flaw):
        return ""
    return write_value(value).removesuffix("/")


def leave_removed_out(settings: Given) -> dict[str, GivenValue]:
    """`settings` without those that the caller removes, which are empty."""
    return {name: value for name, value in settings.items() if value}
