"""Strings that break programs, in every setting of every kind: refused by name, or kept as they are."""

import json
from itertools import cycle
from typing import Any

import pytest

from delivery.envelope import Outcome
from providers import network_policy
from providers.configuration.checks import check_settings
from providers.configuration.model import NAMES, Given, ProviderSettingsError
from providers.configuration.stored import read_settings, write_settings
from providers.esp.catalog import ESPS
from providers.esp.model import list_settings
from providers.models import Provider, ProviderKind
from providers.routing.selection import build_provider_ref
from providers.transports import build_transport
from tests.api.test_naughty_strings import UNSAFE, each_string
from tests.conftest import ApiClient
from tests.providers.esp.test_sending import build
from tests.smtp_mail import grant_all

OAUTH = {"username": "a", "auth": "xoauth2", "oauth_token_url": "https://8.8.8.8/t", "oauth_client_id": "c"}
# ESPs with every form of setting.
BUSY = ("mailgun", "postmark", "ses", "sparkpost")
# Valid settings of each kind, to which one string is added.
BASES: list[tuple[ProviderKind, dict[str, str]]] = [
    (ProviderKind.SMTP, {"host": "8.8.8.8", "username": "a", "password": "b"}),
    (ProviderKind.SMTP, {"host": "8.8.8.8", **OAUTH, "oauth_client_secret": "s"}),
    (ProviderKind.MX, {}),
    (ProviderKind.SIMULATOR, {}),
    (ProviderKind.INBOX, {"host": "127.0.0.1"}),
    *((ProviderKind.ESP, {"esp": name, **dict.fromkeys(ESPS[name].needed, "eu-west-1")}) for name in BUSY),
]
EXTRA = [
    *("x?ca=/proc/self/fd/6", "/proc/self/fd/6", "file:///etc/passwd", "[::1]", "::1%lo", "2130706433", "0x7f.1"),
    *("http://[", "https://a@b.test/", "https://a.test/#b", "//a.test", "smtp://a.test", "a.test:25", "\u212a.test"),
    *("99999", "-1", "0", "1e3", "\u0661", "25 ", "yes", "starttls", "postmark", "a:b", ":", "%00", "%0d%0a"),
]
FIELDS = [
    (kind, base, name)
    for kind, base in BASES
    for name in [*NAMES[kind], *(list_settings(ESPS[base["esp"]]) if kind is ProviderKind.ESP else ()), "unknown"]
]


def each_text() -> list[str]:
    return [*EXTRA, *(text for text in each_string() if text)]


def test_every_string_is_refused_by_name_or_kept_as_it_is() -> None:
    kept, wrong = 0, set[str]()
    for text in each_text():
        for kind, base, name in FIELDS:
            given: Given = {**base, name: text}
            try:
                address = check_settings(kind, given, is_operated=False)
            except ProviderSettingsError as error:
                wrong |= {problem.setting for problem in error.problems}
                continue
            stored = json.loads(json.dumps(write_settings(address)))
            assert read_settings(Provider(kind=kind, settings=stored, is_operated=False)) == address
            assert address.given[name] in {text, text.lower(), text.lstrip("0")} or name.endswith("_url")
            assert not address.ca_file
            kept += 1
    # Free texts such as passwords keep every string.
    assert kept > 10 * len(each_text())
    assert wrong <= {name for _, _, name in FIELDS}


@pytest.mark.django_db
def test_no_string_breaks_the_api_or_leaves_a_row(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_policy, "_check_host", lambda *_: [])
    for text, (kind, base, name) in zip(each_text()[::5], cycle(FIELDS), strict=False):
        answer = api.post("/providers", {"name": "n", "kind": kind, "settings": {**base, name: text}})
        assert answer.status_code in {201, 422}, (kind, name, text, answer.content)
        if answer.status_code == 201:
            provider = Provider.objects.get()
            assert read_settings(provider).kind == kind
            assert api.delete(f"/providers/{provider.pk}").status_code == 204
        else:
            named = {error["field"].removeprefix("settings.") for error in answer.json()["errors"]}
            assert named <= {name for _, _, name in FIELDS}, (name, named)
        assert not Provider.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("text", [*UNSAFE, "a\r\nb", "a\tb", "\u202e", " "], ids=ascii)
def test_what_no_line_can_hold_is_refused_in_every_setting(api: ApiClient, text: str) -> None:
    for kind, base, name in [(kind, base, name) for kind, base, name in FIELDS if name != "unknown"][::7]:
        answer = api.post("/providers", {"name": "n", "kind": kind, "settings": {**base, name: f"x{text}"}})
        assert answer.status_code in {201, 400, 422}, answer.content
        Provider.objects.all().delete()


@pytest.mark.django_db
@pytest.mark.parametrize("value", [[], {}, 1.5, 10**18, {"scheme": "http"}, [None]], ids=repr)
def test_a_value_of_another_type_is_named_with_all_other_errors(api: ApiClient, value: Any) -> None:
    body = {"kind": "smtp", "settings": {"host": "a b", "port": value, "tsl": "x"}, "weight": 0}
    errors = api.post("/providers", body).json()["errors"]
    assert {error["field"] for error in errors} == {"name", "weight", "settings.host", "settings.port", "settings.tsl"}
    pk = api.post("/providers", {"name": "n", "url": "smtp://8.8.8.8"}).json()["id"]
    errors = api.patch(f"/providers/{pk}", {"settings": body["settings"], "weight": 0}).json()["errors"]
    assert {error["field"] for error in errors} == {"weight", "settings.host", "settings.port", "settings.tsl"}


@pytest.mark.django_db
def test_any_key_of_an_esp_that_is_kept_makes_a_call_or_a_deferral() -> None:
    for esp in ESPS.values():
        odd = "~!@#$%^&*()_+{}|:<>?`-=[]\\;',./"
        settings = {"esp": esp.name, **dict.fromkeys(esp.needed, odd), "api_url": "http://127.0.0.1:1/"}
        if "region_name" in settings:
            settings |= {"region_name": "eu-west-1", "aws_access_key_id": odd, "aws_secret_access_key": odd}
        address = check_settings(ProviderKind.ESP, settings)
        provider = Provider.objects.create(name=esp.name, kind="esp", settings=write_settings(address))
        ((_, reply),) = build_transport(build_provider_ref(provider)).transmit(build("one@rcpt.test"), grant_all)
        assert reply.outcome in {Outcome.DEFERRED, Outcome.FAILED}, (esp.name, reply)
