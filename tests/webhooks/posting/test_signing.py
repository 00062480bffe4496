"""Signatures, checked with receivers' libraries."""

import base64
import time

import pytest
import resend
import standardwebhooks
import svix.webhooks

from webhooks.posting.signing import build_headers, new_secret, sign

BODY = '{"type":"email.delivered","data":{"subject":"Grüße, 你好"}}'


def signed(*secrets: str, timestamp: int | None = None) -> dict[str, str]:
    return build_headers(secrets, event_id="e-1", timestamp=timestamp or int(time.time()), body=BODY.encode())


def verify_by_standard(secret: str, headers: dict[str, str]) -> object:
    return standardwebhooks.Webhook(secret).verify(BODY, headers)


def verify_by_svix(secret: str, headers: dict[str, str]) -> object:
    only = {name: value for name, value in headers.items() if name.startswith("svix-")}
    return svix.webhooks.Webhook(secret).verify(BODY, only)


def verify_by_resend(secret: str, headers: dict[str, str]) -> object:
    given = {name: headers[f"svix-{name}"] for name in ("id", "timestamp", "signature")}
    return resend.Webhooks.verify({"payload": BODY, "headers": given, "webhook_secret": secret})


LIBRARIES = [verify_by_standard, verify_by_svix, verify_by_resend]


def test_a_signature_is_what_the_standard_says():
    """Computed with OpenSSL: `printf 'msg_1.1700000000.{}' | openssl dgst -sha256 -hmac <key> -binary | base64`."""
    secret = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
    assert sign(secret, event_id="msg_1", timestamp=1700000000, body=b"{}") == EXPECTED


EXPECTED = "v1,2c4VI0bO4Wd5svqP2unEA9pCk0dTAXr/elrHCJ+/efk="


@pytest.mark.parametrize("verify", LIBRARIES)
def test_our_signatures_verify(verify):
    secret = new_secret()
    verify(secret, signed(secret))


@pytest.mark.parametrize("verify", LIBRARIES)
def test_in_a_rotation_both_secrets_verify_and_a_third_does_not(verify):
    new, old = new_secret(), new_secret()
    headers = signed(new, old)
    verify(new, headers)
    verify(old, headers)
    with pytest.raises(Exception, match=r"(?i)match"):
        verify(new_secret(), headers)


@pytest.mark.parametrize("verify", LIBRARIES)
def test_an_old_post_does_not_verify(verify):
    secret = new_secret()
    with pytest.raises(Exception, match=r"(?i)timestamp"):
        verify(secret, signed(secret, timestamp=int(time.time()) - 3600))


def test_a_secret_is_one_of_the_standards_length():
    secret = new_secret()
    assert secret.startswith("whsec_")
    assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"))) <= 64
    assert secret != new_secret()
