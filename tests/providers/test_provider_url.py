"""Provider URLs and settings are equivalent."""

import pytest

from providers.models import ProviderKind
from providers.provider_url import (
    ProviderUrlError,
    build_provider_url,
    check_settings,
    hide_secrets,
    parse_provider_url,
    split_provider_url,
)


@pytest.mark.parametrize(
    "url",
    [
        "smtp://relay.test",
        "smtp://me:p%40ss%2F%3Aword@relay.test:587?tls=starttls&verify=no",
        "smtp://[2001:db8::1]:25",
        "inbox://127.0.0.1:2525",
        "mx:?port=2525&source=127.0.0.9",
        "mx:",
        "simulator:",
        "esp://postmark?server_token=t%26o%3Dken&api_url=http%3A%2F%2F127.0.0.1%3A1%2F",
    ],
)
def test_a_url_taken_apart_and_built_is_the_same(url: str) -> None:
    assert build_provider_url(*split_provider_url(url)) == url


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
        ("smtp:relay.test", "host"),
        ("smtp://relay.test?verify=maybe", "verify"),
        ("mx://?source=here", "source"),
        ("esp://nobody?api_key=k", "esp"),
        ("esp://postmark", "server_token"),
        ("esp://postmark?server_token=t&api_url=file:///etc/passwd", "api_url"),
        ("esp://postmark?server_token=t&api_url=http://[x", "api_url"),
        ("esp://postmark?server_token=t&api_url=https://\u2100.test", "api_url"),
        ("esp://postmark?server_token=t&password=x", "password"),
        ("esp://postmark?server_token=t%00", "server_token"),
        ("mx:?helo=me.test%0D%0ARSET", "helo"),
        ("smtp://relay.test%00", "host"),
    ],
)
def test_what_is_wrong_is_named_and_the_url_is_not_repeated(url: str, setting: str) -> None:
    with pytest.raises(ProviderUrlError) as caught:
        parse_provider_url(url)
    assert caught.value.setting == setting
    assert url not in str(caught.value)


@pytest.mark.parametrize("host", ["[::1]", "relay.test:25", "a@b.test", "a/b", "a?b", "a#b", "a b", "a%b", ":::"])
def test_a_host_holds_nothing_that_means_something_else_in_a_url(host: str) -> None:
    with pytest.raises(ProviderUrlError) as caught:
        check_settings(ProviderKind.SMTP, {"host": host})
    assert caught.value.setting == "host"


@pytest.mark.parametrize("host", ["relay.test", "relay.test.", "mail_relay", "::1", "10.0.0.1", "bücher.test"])
def test_names_and_addresses_are_hosts(host: str) -> None:
    settings = {"host": host}
    assert check_settings(ProviderKind.SMTP, settings).host == host
    assert split_provider_url(build_provider_url(ProviderKind.SMTP, settings))[1] == settings


def test_neither_repr_nor_what_is_shown_holds_a_secret() -> None:
    for url in ("smtp://user-9:pass-9@relay.test", "esp://mailgun?api_key=pass-9&sender_domain=x.test"):
        assert "pass-9" not in repr(parse_provider_url(url))
        assert "pass-9" not in str(hide_secrets(*split_provider_url(url)))
        assert "user-9" not in str(hide_secrets(*split_provider_url(url)))
    assert hide_secrets(ProviderKind.ESP, {"esp": "mailgun", "api_key": "k", "sender_domain": "x"}) == {
        "esp": "mailgun",
        "sender_domain": "x",
    }
