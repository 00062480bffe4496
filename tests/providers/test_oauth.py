"""OAuth for relays: settings, tokens from a token server, and mail by them."""

import threading
from contextlib import closing
from urllib.parse import parse_qs, quote
from uuid import uuid4

import pytest

from delivery.http_client import HttpClient, HttpResult
from delivery.smtp.credentials import TokenError
from providers.configuration.checks import check_settings
from providers.configuration.model import ProviderSettingsError
from providers.configuration.stored import read_settings
from providers.connection_test import check_provider
from providers.models import Provider, ProviderKind
from providers.oauth import OAuthClient, OAuthTokens, RefreshTokens, read_token
from providers.provider_url import parse_provider_url, split_provider_url
from providers.refresh_tokens import StoredRefreshToken
from providers.routing.selection import ProviderRef, build_provider_ref
from providers.services import show_settings
from providers.transports import build_transport
from tests.certificates import CertificateAuthority
from tests.conftest import ApiClient
from tests.esp_server import EspServer, Reply
from tests.provider_rows import settings_of
from tests.smtp_mail import send
from tests.smtp_server import Script, SmtpServer

URL = (
    "smtp://ann%40sender.test@relay.test:587?auth=xoauth2&oauth_token_url=https%3A%2F%2Flogin.test%2Ftoken"
    "&oauth_client_id=app&oauth_client_secret=hush-1&oauth_refresh_token=hush-2&oauth_scope=mail"
)


class Clock:
    """Seconds that only the test lets pass."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def issue(*names: str, seconds: object = 3600) -> list[Reply]:
    return [Reply(body={"access_token": name, "token_type": "Bearer", "expires_in": seconds}) for name in names]


def build_tokens(
    server: EspServer, clock: Clock | None = None, kept: RefreshTokens | None = None, **values: str
) -> OAuthTokens:
    client = OAuthClient(**{"token_url": f"{server.url}token", "client_id": "app", **values})
    return OAuthTokens(client, HttpClient, kept, clock or Clock())


def read_form(server: EspServer) -> dict[str, list[str]]:
    return parse_qs(server.calls[-1].body.decode())


# Settings


def test_the_settings_survive_a_round_trip_and_show_no_secret() -> None:
    provider = Provider(kind="smtp", settings=settings_of(URL))
    assert read_settings(provider) == parse_provider_url(URL)
    assert provider.settings["oauth_token_url"] == {
        "scheme": "https",
        "host": "login.test",
        "port": 443,
        "path": "/token",
    }
    assert show_settings(provider) == {
        "host": "relay.test",
        "port": "587",
        "auth": "xoauth2",
        "oauth_token_url": "https://login.test/token",
        "oauth_client_id": "app",
        "oauth_scope": "mail",
    }
    assert "hush" not in repr(parse_provider_url(URL))


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"auth": "oauth"}, "auth"),
        ({"auth": "password"}, "auth"),
        ({"username": ""}, "username"),
        ({"password": "x"}, "password"),
        ({"oauth_token_url": ""}, "oauth_token_url"),
        ({"oauth_token_url": "http://login.test/token"}, "oauth_token_url"),
        ({"oauth_token_url": "login.test"}, "oauth_token_url"),
        ({"oauth_client_id": ""}, "oauth_client_id"),
        ({"oauth_client_secret": "", "oauth_refresh_token": ""}, "oauth_client_secret"),
        ({"tls": "never"}, "tls"),
        ({"tls": "opportunistic"}, "tls"),
    ],
)
def test_incomplete_settings_name_the_missing_one(changes: dict[str, str], setting: str) -> None:
    kind, settings = split_provider_url(URL)
    changed = {name: value for name, value in {**settings, **changes}.items() if value}
    with pytest.raises(ProviderSettingsError) as caught:
        check_settings(kind, changed)
    assert [problem.setting for problem in caught.value.problems] == [setting]


def test_the_api_stores_secrets_encrypted_and_shows_none(api: ApiClient) -> None:
    settings = {
        "host": "93.184.216.34",
        "username": "ann@sender.test",
        "auth": "xoauth2",
        "oauth_token_url": "https://93.184.216.34/token",
        "oauth_client_id": "app",
        "oauth_client_secret": "hush-1",
    }
    answer = api.post("/providers", {"name": "m365", "kind": "smtp", "settings": settings})
    assert answer.status_code == 201, answer.content
    assert "hush" not in answer.content.decode()
    assert answer.json()["settings"]["oauth_client_id"] == "app"
    assert Provider.objects.get().settings["oauth_client_secret"] == "hush-1"
    # Another token server does not get the stored secret.
    changed = {name: value for name, value in settings.items() if name != "oauth_client_secret"}
    path = f"/providers/{answer.json()['id']}"
    same = api.patch(path, {"kind": "smtp", "settings": {**changed, "oauth_scope": "mail"}})
    assert same.status_code == 200
    moved = api.patch(path, {"kind": "smtp", "settings": {**changed, "oauth_token_url": "https://8.8.8.8/token"}})
    assert (moved.status_code, moved.json()["errors"][0]["field"]) == (422, "settings.oauth_client_secret")
    # Nor is it left over when a password takes its place.
    plain = {"host": settings["host"], "username": "ann", "password": "pw"}
    assert api.patch(path, {"kind": "smtp", "settings": plain}).status_code == 200
    assert "hush" not in str(Provider.objects.get().settings)


@pytest.mark.parametrize("url", ["https://10.0.0.1/token", "http://127.0.0.1:1/token"])
def test_a_projects_token_server_is_at_a_public_address(api: ApiClient, url: str) -> None:
    settings = {
        "host": "93.184.216.34",
        "username": "a",
        "auth": "xoauth2",
        "oauth_token_url": url,
        "oauth_client_id": "app",
        "oauth_client_secret": "s",
    }
    answer = api.post("/providers", {"name": "m365", "kind": "smtp", "settings": settings})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "settings.oauth_token_url")


# Tokens


def test_client_credentials_are_the_grant_without_a_refresh_token() -> None:
    with EspServer(*issue("t1")) as server:
        assert build_tokens(server, client_secret="s & s", scope="mail").find_token() == "t1"
    assert read_form(server) == {
        "grant_type": ["client_credentials"],
        "client_id": ["app"],
        "client_secret": ["s & s"],
        "scope": ["mail"],
    }
    assert server.calls[0].headers["content-type"] == "application/x-www-form-urlencoded"


def test_a_refresh_token_is_the_grant_where_there_is_one() -> None:
    with EspServer(*issue("t1")) as server:
        build_tokens(server, client_secret="s", refresh_token="r").find_token()
    assert (read_form(server)["grant_type"], read_form(server)["refresh_token"]) == (["refresh_token"], ["r"])


@pytest.mark.parametrize(("life", "kept"), [(3600, 3299), ("3600", 3299), (10, 7), (None, 479)])
def test_a_token_is_kept_and_renewed_before_its_end(life: object, kept: int) -> None:
    clock = Clock()
    with EspServer(*issue("t1", "t2", seconds=life)) as server:
        tokens = build_tokens(server, clock, client_secret="s")
        assert tokens.find_token() == "t1"
        clock.now += kept
        assert tokens.find_token() == "t1"
        clock.now += 2
        assert tokens.find_token() == "t2"
    assert len(server.calls) == 2


def test_a_rejected_token_is_renewed_once_for_all_that_held_it() -> None:
    with EspServer(*issue("t1", "t2", "t3")) as server:
        tokens = build_tokens(server, client_secret="s")
        assert tokens.find_token() == "t1"
        threads = [threading.Thread(target=tokens.find_token, args=("t1",)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert tokens.find_token() == "t2"
    assert len(server.calls) == 2


@pytest.mark.parametrize(
    ("reply", "is_rejected", "words"),
    [
        (
            Reply(400, {"error": "invalid_grant", "error_description": "revoked\r\nhere"}),
            True,
            "invalid_grant: revoked",
        ),
        (Reply(401, {"error": "invalid_client"}), True, "invalid_client"),
        (Reply(429, {"error": "slow_down"}), False, "HTTP 429"),
        (Reply(503, b"<html>"), False, "HTTP 503"),
        (Reply(200, b"[" * 100_000), False, "no token"),
        (Reply(200, {"access_token": "a b\r\nc"}), False, "no token"),
        (Reply(200, {"access_token": 7}), False, "no token"),
        (Reply(302, {}, headers={"Location": "http://127.0.0.1:1/"}), False, "HTTP 302"),
    ],
)
def test_an_answer_without_a_token_tells_why(reply: Reply, is_rejected: bool, words: str) -> None:
    with EspServer(reply) as server, pytest.raises(TokenError, match=words) as caught:
        build_tokens(server, client_secret="hush").find_token()
    assert caught.value.is_rejected is is_rejected
    assert "hush" not in str(caught.value)
    assert len(server.calls) == 1


def test_an_error_that_no_text_can_hold_is_told_without_it() -> None:
    with pytest.raises(TokenError, match=r"HTTP 400, invalid_grant: a\?b"):
        read_token(HttpResult(status=400, body=rb'{"error": "invalid_grant", "error_description": "a\ud800b"}'))


def test_a_token_server_that_is_away_is_no_rejection() -> None:
    with EspServer(Reply(is_cut=True)) as server, pytest.raises(TokenError) as caught:
        build_tokens(server, client_secret="s").find_token()
    assert caught.value.is_rejected is False


@pytest.mark.parametrize("life", ['"soon"', "null", "[]", "1e999", "NaN"])
def test_a_life_that_is_no_number_is_ignored(life: str) -> None:
    body = f'{{"access_token": "t", "expires_in": {life}}}'.encode()
    assert read_token(HttpResult(status=200, body=body)) == ("t", 600.0, "")


# Refresh tokens that are replaced at each use


class Kept:
    """A store of another process's making: `loads` are what it says, the last one for ever."""

    def __init__(self, *loads: str) -> None:
        self.loads = list(loads)
        self.saved: list[str] = []

    def load(self) -> str:
        return self.loads.pop(0) if len(self.loads) > 1 else self.loads[0]

    def save(self, token: str) -> None:
        self.saved.append(token)


def issue_refresh(name: str, refresh: str) -> Reply:
    return Reply(body={"access_token": name, "expires_in": 3600, "refresh_token": refresh})


def test_a_new_refresh_token_takes_the_place_of_the_old_one() -> None:
    kept = Kept("")
    with EspServer(issue_refresh("t1", "r2"), issue_refresh("t2", "r2")) as server:
        tokens = build_tokens(server, kept=kept, refresh_token="r1")
        tokens.find_token()
        tokens.find_token("t1")
    assert [parse_qs(call.body.decode())["refresh_token"] for call in server.calls] == [["r1"], ["r2"]]
    assert kept.saved == ["r2"]


def test_a_refresh_token_that_another_worker_replaced_is_taken_over() -> None:
    rejected = Reply(400, {"error": "invalid_grant"})
    with EspServer(rejected, issue_refresh("t1", "r3")) as server:
        tokens = build_tokens(server, kept=Kept("r1", "r2"), refresh_token="r1")
        assert tokens.find_token() == "t1"
    assert [parse_qs(call.body.decode())["refresh_token"] for call in server.calls] == [["r1"], ["r2"]]


def test_a_refresh_token_that_nobody_replaced_is_rejected_once() -> None:
    with EspServer(Reply(400, {"error": "invalid_grant"})) as server, pytest.raises(TokenError, match="invalid_grant"):
        build_tokens(server, kept=Kept("r1"), refresh_token="r1").find_token()
    assert len(server.calls) == 1


@pytest.mark.django_db
def test_the_newest_refresh_token_is_stored_with_the_provider_without_a_change_of_it() -> None:
    provider = Provider.objects.create(name="gmail", kind="smtp", settings=settings_of(URL))
    before = build_provider_ref(provider)
    StoredRefreshToken(provider.pk).save("hush & new")
    assert StoredRefreshToken(provider.pk).load() == "hush & new"
    provider.refresh_from_db()
    assert provider.settings == {**settings_of(URL), "oauth_refresh_token": "hush & new"}
    # Workers keep their transport.
    assert build_provider_ref(provider) == before
    StoredRefreshToken(uuid4()).save("x")
    assert StoredRefreshToken(uuid4()).load() == ""


# Mail


def test_mail_goes_out_by_a_token_and_the_check_names_the_mechanism(tmp_path, monkeypatch) -> None:
    authority = CertificateAuthority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    tls = authority.issue("127.0.0.1")
    script = Script(offers=["STARTTLS", "TLS:AUTH PLAIN XOAUTH2"], tokens=["t2"], tls=tls)
    with EspServer(*issue("t1", "t2"), tls=authority.issue("127.0.0.1")) as tokens, SmtpServer(script) as relay:
        url = (
            f"smtp://ann@127.0.0.1:{relay.port}?auth=xoauth2&oauth_client_id=app&oauth_client_secret=hush"
            f"&oauth_token_url={quote(tokens.url + 'token')}"
        )
        provider = ProviderRef(uuid4(), "m365", ProviderKind.SMTP, parse_provider_url(url))
        with closing(build_transport(provider)) as transport:
            assert send(transport).outcome == "accepted"
        assert relay.mails[0].user == "ann"
        check = check_provider(Provider(kind="smtp", settings=settings_of(url)))
    assert (check.ok, check.detail) == (
        True,
        "accepted EHLO and the credentials, by AUTH XOAUTH2 with initial response",
    )
