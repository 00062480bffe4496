"""Provider settings by URL and by name: one form, every error named."""

import json
from typing import Any

import pytest

from providers.configuration.checks import check_settings, hide_secrets
from providers.configuration.model import Flaw, ProviderSettingsError
from providers.configuration.stored import find_settings, read_settings, write_settings
from providers.models import Provider, ProviderKind
from providers.provider_url import parse_provider_url

URLS = [
    "smtp://relay.test",
    "smtp://me:p%40ss%2F%3Aword@relay.test:587?tls=starttls&verify=no",
    "smtp://[2001:db8::1]:25",
    "smtps://relay.test",
    "inbox://127.0.0.1:2525",
    "mx:?port=2525&source=127.0.0.9",
    "mx:",
    "simulator:",
    "esp://postmark?server_token=t%26oken&api_url=http%3A%2F%2F127.0.0.1%3A1%2F",
]

PARTS = {"scheme": "http", "host": "a.test", "port": 80, "path": "/"}


def name_wrong(kind: ProviderKind, settings: dict[str, Any], **options: bool) -> set[str]:
    with pytest.raises(ProviderSettingsError) as caught:
        check_settings(kind, settings, **options)
    return {problem.setting for problem in caught.value.problems}


@pytest.mark.parametrize("url", URLS)
def test_what_is_stored_reads_as_the_same_settings(url: str) -> None:
    address = parse_provider_url(url)
    stored = json.loads(json.dumps(write_settings(address)))
    assert read_settings(Provider(kind=address.kind, settings=stored)) == address


def test_a_password_requires_tls_unless_told_otherwise() -> None:
    safe = parse_provider_url("smtp://me:pw@relay.test")
    assert (safe.tls, safe.is_certificate_checked, safe.port) == ("starttls", True, 587)
    told = parse_provider_url("smtp://me:pw@relay.test?tls=never")
    assert (told.tls, told.is_certificate_checked) == ("never", False)
    assert parse_provider_url("smtp://relay.test").tls == "opportunistic"


@pytest.mark.parametrize("url", ["smtps://relay.test", "smtp://relay.test:465", "smtp://relay.test?tls=implicit"])
def test_tls_from_the_first_byte_is_port_465_and_the_other_way_round(url: str) -> None:
    address = parse_provider_url(url)
    assert (address.tls, address.port, address.is_certificate_checked) == ("implicit", 465, True)


@pytest.mark.parametrize(
    ("url", "setting"),
    [
        ("gopher://relay.test", ""),
        ("smtp:relay.test", ""),
        ("smtp://relay.test/inbox", ""),
        ("smtp://me:pass#word@relay.test", ""),
        ("smtp://re\tlay.test", ""),
        ("smtp:", "host"),
        ("smtp://relay.test:0", "port"),
        ("smtp://relay.test?verify=maybe", "verify"),
        ("mx://?source=here", "source"),
        ("mx://?source=fe80::1%25eth0", "source"),
        ("esp://nobody?api_key=k", "esp"),
        ("esp://postmark", "server_token"),
        ("esp://postmark?server_token=t&api_url=file:///etc/passwd", "api_url"),
        ("esp://postmark?server_token=t&api_url=http://[x", "api_url"),
        ("esp://postmark?server_token=t&api_url=https://\u2100.test", "api_url"),
        ("esp://postmark?server_token=t&api_url=https://me:pw@api.test", "api_url"),
        ("esp://postmark?server_token=t&password=x", "password"),
        ("esp://postmark?server_token=t%00", "server_token"),
        ("esp://postmark?server_token=\u00e9", "server_token"),
        ("esp://mailgun?api_key=k&sender_domain=x.test/../v3", "sender_domain"),
        ("esp://ses?region_name=eu-west-1.evil.test/", "region_name"),
        ("mx:?helo=me.test%0D%0ARSET", "helo"),
    ],
)
def test_what_is_wrong_is_named_and_the_url_is_not_repeated(url: str, setting: str) -> None:
    with pytest.raises(ProviderSettingsError) as caught:
        parse_provider_url(url)
    assert [problem.setting for problem in caught.value.problems] == [setting]
    assert url not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        *("[::1]", "relay.test:25", "a@b.test", "a/b", "a?b", "a#b", "a b", "a%b", ":::", "relay.test.", ".test"),
        *(
            "x?ca=/proc/self/fd/6",
            "b\u00fccher.test",
            "\u212aelvin.test",
            "\uff11\uff12\uff17.0.0.1",
            "a..b",
            "-a.test",
        ),
        *("2130706433", "0x7f.1", "0177.0.0.1", "127.1", "::ffff:127.0.0.1", "0:0::1", "fe80::1%eth0", "a" * 64),
    ],
)
def test_a_host_in_any_other_form_is_refused(host: str) -> None:
    assert name_wrong(ProviderKind.SMTP, {"host": host}) == {"host"}


@pytest.mark.parametrize("host", ["relay.test", "mail_relay", "::1", "10.0.0.1", "xn--bcher-kva.test", "Relay.TEST"])
def test_names_and_addresses_are_hosts(host: str) -> None:
    assert check_settings(ProviderKind.SMTP, {"host": host}).host == host.lower()


def test_all_errors_are_named_at_once() -> None:
    settings = {"host": "a b", "port": "x", "tls": "y", "verify": Flaw("no"), "tsl": "z", "password": "p"}
    assert name_wrong(ProviderKind.SMTP, settings) == {"host", "port", "tls", "verify", "tsl", "username"}
    assert name_wrong(ProviderKind.ESP, {"esp": "ses", "region_name": "!", "topics": "x"}, is_operated=False) == {
        *("region_name", "topics", "aws_access_key_id")
    }


def test_a_project_names_no_file() -> None:
    settings = {"host": "relay.test", "ca": "/proc/self/fd/6"}
    assert name_wrong(ProviderKind.SMTP, settings, is_operated=False) == {"ca"}
    assert check_settings(ProviderKind.SMTP, settings).ca_file == "/proc/self/fd/6"
    # Not even if it stands in the database.
    assert find_settings(Provider(kind="smtp", settings=settings, is_operated=False)) is None


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        ("smtp", None),
        ("smtp", {}),
        ("smtp", {"host": 5}),
        ("smtp", {"host": ["relay.test"]}),
        ("smtp", {"host": {"scheme": "https", "host": "relay.test", "port": 25, "path": "/"}}),
        ("esp", {"esp": {}}),
        ("esp", {"esp": "postmark", "server_token": "t", "api_url": "not a url"}),
        (
            "esp",
            {
                "esp": "postmark",
                "server_token": "t",
                "api_url": {"scheme": "file", "host": "a", "port": 1, "path": "/"},
            },
        ),
        (
            "esp",
            {
                "esp": "postmark",
                "server_token": "t",
                "api_url": {"scheme": "http", "host": "a", "port": True, "path": "?"},
            },
        ),
    ],
)
def test_what_this_program_would_not_store_cannot_be_read(kind: str, stored: Any) -> None:
    assert find_settings(Provider(kind=kind, settings=stored)) is None


def test_neither_repr_nor_what_is_shown_holds_a_secret() -> None:
    for url in ("smtp://user-9:pass-9@relay.test", "esp://mailgun?api_key=pass-9&sender_domain=x.test"):
        address = parse_provider_url(url)
        assert "pass-9" not in repr(address)
        assert "-9" not in str(hide_secrets(address.kind, address.given))
    shown = hide_secrets(ProviderKind.ESP, {"esp": "mailgun", "api_key": "k", "sender_domain": "x"})
    assert shown == {"esp": "mailgun", "sender_domain": "x"}
