"""API keys: creation, authentication, revocation."""

import re
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import services, tokens
from accounts.models import ApiKey
from accounts.scopes import ALL, EMAILS_READ, EMAILS_SEND
from accounts.services import authenticate_token, create_api_key, create_project, revoke_api_key

HERE = ip_address("192.0.2.1")


def test_a_key_is_letters_and_digits_with_at_least_160_hidden_random_bits(project):
    for is_test, kind in ((False, "live"), (True, "test")):
        key, token = create_api_key(project, name="ci", scopes=[EMAILS_SEND], is_test=is_test)
        assert re.fullmatch(rf"es_{kind}_[A-Za-z0-9]{{36}}", token)
        assert token.startswith(key.prefix)
        assert (len(token) - len(key.prefix)) * 5.954 > 160
        assert key.is_test is is_test


def test_only_the_hash_is_stored(project):
    key, token = create_api_key(project, name="ci", scopes=ALL)
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_json(k)::text FROM accounts_apikey k")
        assert token[len(key.prefix) :] not in cursor.fetchone()[0]
    assert token not in repr(key) + str(key) + repr(vars(key))


def test_scopes_are_kept_sorted_and_once(project):
    assert create_api_key(project, name="", scopes=[EMAILS_SEND, EMAILS_READ, EMAILS_SEND])[0].scopes == [
        "emails:read",
        "emails:send",
    ]


@pytest.mark.parametrize("scope", ["emails:raed", "", "*", "emails", "EMAILS:SEND", " emails:send"])
def test_an_unknown_scope_is_refused(project, scope):
    with pytest.raises(services.UnknownScopeError):
        create_api_key(project, name="", scopes=[EMAILS_SEND, scope])
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("wrong", [{"scopes": ["root"]}, {"key_hash": "short"}, {"prefix": "es_test_x"}])
def test_the_database_itself_refuses_what_no_key_may_be(project, wrong):
    fields = {"key_hash": "0" * 64, "prefix": "es_live_x", "scopes": [], **wrong}
    with pytest.raises(IntegrityError):
        ApiKey.objects.create(project=project, **fields)


def test_a_given_token_is_installed_once(project):
    token = tokens.new_token()
    first, text = create_api_key(project, name="kept", scopes=[EMAILS_SEND], token=token)
    second, _ = create_api_key(project, name="again", scopes=ALL, token=token)
    assert text == token
    assert second == first
    assert (second.name, second.scopes) == ("kept", ["emails:send"])
    assert authenticate_token(token, HERE) == first


def test_a_given_token_of_another_project_is_refused(project, other_project):
    _, token = create_api_key(project, name="", scopes=ALL)
    with pytest.raises(services.TokenTakenError):
        create_api_key(other_project, name="", scopes=ALL, token=token)


@pytest.mark.parametrize(
    "token",
    ["x", "es_live_short", "es_test_" + "a" * 36, "es_live_" + "a" * 35, "es_live_" + "-" * 36, "es_live_" + "a" * 201],
)
def test_a_given_token_of_another_form_or_kind_is_refused(project, token):
    with pytest.raises(services.InvalidTokenError):
        create_api_key(project, name="", scopes=ALL, token=token)


def test_a_key_is_found_in_one_query_with_its_project(project):
    key, token = create_api_key(project, name="", scopes=ALL)
    ApiKey.objects.update(last_used_at=timezone.now())
    with CaptureQueriesContext(
        connection,
    ) as queries:
        found = authenticate_token(token, HERE)
        assert found.project.name == "Acme"
    assert found == key
    assert len(queries) == 1


def test_of_two_keys_with_one_prefix_the_hash_decides(project):
    tokens_of_both = ["es_live_" + "a" * 8 + letter * 28 for letter in "xy"]
    keys = [create_api_key(project, name="", scopes=ALL, token=token)[0] for token in tokens_of_both]
    assert [authenticate_token(token, HERE) for token in tokens_of_both] == keys


@pytest.mark.parametrize(
    "change",
    [
        lambda token: "",
        lambda token: token[:-1],
        lambda token: token[:-1] + ("a" if token[-1] != "a" else "b"),
        lambda token: token + "a",
        lambda token: token.swapcase(),
        lambda token: token.replace("live", "test"),
        lambda token: token + "\0",
        lambda token: token[:-1] + "é",
        lambda token: token[:16],
        lambda token: "es_live_" + "a" * 100_000,
    ],
)
def test_anything_but_the_whole_key_is_unknown(project, change):
    _, token = create_api_key(project, name="", scopes=ALL)
    with pytest.raises(services.InvalidKeyError):
        authenticate_token(change(token), HERE)


def test_a_revoked_key_is_distinguished_from_an_unknown_one(project):
    key, token = create_api_key(project, name="", scopes=ALL)
    first = revoke_api_key(key).revoked_at
    assert first is not None
    assert revoke_api_key(key).revoked_at == first
    with pytest.raises(services.RevokedKeyError):
        authenticate_token(token, HERE)


def test_an_expired_key_is_refused_and_one_that_has_yet_to_expire_is_not(project):
    past, future = timezone.now() - timedelta(seconds=1), timezone.now() + timedelta(minutes=1)
    with pytest.raises(services.ExpiredKeyError):
        authenticate_token(create_api_key(project, name="", scopes=ALL, expires_at=past)[1], HERE)
    assert authenticate_token(create_api_key(project, name="", scopes=ALL, expires_at=future)[1], HERE)


@pytest.mark.parametrize(
    ("ip", "is_admitted"),
    [
        ("192.0.2.1", True),
        ("192.0.2.2", False),
        ("198.51.100.77", True),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        (None, False),
    ],
)
def test_a_key_limited_to_ips_works_only_from_there(project, ip, is_admitted):
    allowed = ["192.0.2.1", "198.51.100.5/24", "2001:db8::/32"]
    key, token = create_api_key(project, name="", scopes=ALL, allowed_ips=allowed)
    assert key.allowed_ips == ["192.0.2.1/32", "198.51.100.0/24", "2001:db8::/32"]
    address = ip_address(ip) if ip else None
    if is_admitted:
        assert authenticate_token(token, address)
    else:
        with pytest.raises(services.IpNotAllowedError):
            authenticate_token(token, address)


@pytest.mark.parametrize("text", ["", "localhost", "192.0.2.1/33", "192.0.2", "1.2.3.4 5"])
def test_an_invalid_network_is_rejected(project, text):
    with pytest.raises(services.InvalidIpError):
        create_api_key(project, name="", scopes=ALL, allowed_ips=[text])


@pytest.mark.parametrize(
    ("address", "is_admitted"),
    [
        ("ann@example.com", True),
        ("ANN@EXAMPLE.COM", True),
        ("bob@example.com", False),
        ("anyone@team.test", True),
        ("anyone@sub.team.test", False),
        ("anyone@notteam.test", False),
        ("x@xn--bcher-kva.example", True),
        ("*@other.test", False),
    ],
)
def test_a_key_limited_to_recipients_admits_only_them(project, address, is_admitted):
    patterns = ["Ann@Example.com", "*@Team.test", "*@bücher.example"]
    key, _ = create_api_key(project, name="", scopes=ALL, allowed_recipients=patterns)
    assert key.allowed_recipients == ["ann@example.com", "*@team.test", "*@xn--bcher-kva.example"]
    assert key.admits_recipient(address) is is_admitted


def test_a_key_without_limits_admits_everybody(api_key):
    assert api_key.admits_recipient("any@where.test")


@pytest.mark.parametrize(
    "text", ["", "*", "@a.test", "a*@b.test@", "*@*.test", "*@test", "*@localhost", "a@b.test, c@d.test"]
)
def test_an_invalid_recipient_pattern_is_rejected(project, text):
    with pytest.raises(services.InvalidRecipientPatternError):
        create_api_key(project, name="", scopes=ALL, allowed_recipients=[text])


def test_the_last_use_is_noted_at_most_once_a_minute(project):
    key, token = create_api_key(project, name="", scopes=ALL)
    authenticate_token(token, HERE)
    key.refresh_from_db()
    first = key.last_used_at
    assert first is not None
    authenticate_token(token, HERE)
    key.refresh_from_db()
    assert key.last_used_at == first
    ApiKey.objects.update(last_used_at=first - timedelta(seconds=61))
    authenticate_token(token, HERE)
    key.refresh_from_db()
    assert key.last_used_at > first


def test_a_refused_use_is_not_noted(project):
    key, token = create_api_key(project, name="", scopes=ALL, allowed_ips=["192.0.2.9"])
    with pytest.raises(services.IpNotAllowedError):
        authenticate_token(token, HERE)
    key.refresh_from_db()
    assert key.last_used_at is None


def test_project_names_are_unique_and_not_empty(project):
    with pytest.raises(services.ProjectExistsError):
        create_project(name=" Acme ")
    for name in ("", "  ", "x" * 101, "a\nb", "a\0"):
        with pytest.raises(services.InvalidProjectNameError):
            create_project(name=name)
    assert create_project(name="Zweite", contact_email="Ops <ops@zweite.test>").contact_email == "ops@zweite.test"


def test_notices_and_audit_entries_keep_what_they_are_told(project, api_key):
    notice = services.write_notice(project, kind="webhook_disabled", text="Gone.", data={"url": "https://x.test"})
    entry = services.write_audit("ann", "revoke_api_key", api_key, at_desk=True)
    notice.refresh_from_db()
    entry.refresh_from_db()
    assert (notice.project, notice.data, notice.read_at) == (project, {"url": "https://x.test"}, None)
    assert (entry.actor, entry.action, entry.object, entry.data) == (
        "ann",
        "revoke_api_key",
        str(api_key),
        {"at_desk": True},
    )
    assert entry.at > datetime(2020, 1, 1, tzinfo=UTC)
