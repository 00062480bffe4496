"""Signatures at SES's door, made by botocore's own signer."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from accounts.services import revoke_api_key
from gateways.ses.signature import SignedRequest, is_timely, is_valid, parse_signature
from messages.models import Message
from tests.gateways.ses.conftest import EMAILS

SECRET = "a" * 40
BODY = b'{"FromEmailAddress": "shop@mine.test"}'


def sign(url="http://host.test/a%20b/c%40d?b=2&a=%2F%20x", body=BODY, service="ses", **headers):
    """The Authorization header that botocore makes, and the request as a server sees it."""
    request = AWSRequest("POST", url, data=body, headers={"Content-Type": "application/json", **headers})
    SigV4Auth(Credentials("ESAKAAAAAAAAAAAAAAAA", SECRET), service, "eu-west-1").add_auth(request)
    seen = SignedRequest(
        method="POST",
        path="/a%20b/c%40d",
        query="b=2&a=%2F%20x",
        headers={"host": "host.test", **{name.lower(): str(value) for name, value in request.headers.items()}},
        body=body,
    )
    return request.headers["Authorization"], seen


def test_a_signature_holds_for_the_signed_request_alone():
    header, seen = sign()
    signature = parse_signature(header)
    assert is_valid(signature, SECRET, seen)
    assert not is_valid(signature, "b" * 40, seen)
    for changed in (
        {"body": BODY + b" "},
        {"path": "/a%20b/c"},
        {"query": "b=2"},
        {"method": "PUT"},
        {"headers": {**seen.headers, "host": "other.test"}},
        {"headers": {**seen.headers, "x-amz-date": "20300101T000000Z"}},
    ):
        fields = {name: getattr(seen, name) for name in ("method", "path", "query", "headers", "body")}
        assert not is_valid(signature, SECRET, SignedRequest(**{**fields, **changed})), changed


@pytest.mark.parametrize(
    "wrong",
    [
        "Bearer es_live_x",
        "AWS4-HMAC-SHA256",
        sign(service="s3")[0],
        sign()[0].replace("host;", ""),
        sign()[0].replace("x-amz-date", "x-other"),
        sign()[0] + "0",
    ],
)
def test_what_signs_too_little_is_no_signature(wrong):
    assert parse_signature(wrong) is None


@pytest.mark.parametrize(("minutes", "expected"), [(0, True), (4, True), (-4, True), (6, False), (-6, False)])
def test_a_signature_holds_for_some_minutes(minutes, expected):
    now = datetime(2030, 1, 15, 12, tzinfo=UTC)
    header, _ = sign()
    signature = parse_signature(header.replace(header.split("/")[1], "20300115"))
    stamp = (now + timedelta(minutes=minutes)).strftime("%Y%m%dT%H%M%SZ")
    assert is_timely(signature, stamp, now) is expected
    assert not is_timely(signature, stamp.replace("20300115", "20300116"), now)
    assert not is_timely(signature, "now", now)


SIMPLE = {"Simple": {"Subject": {"Data": "Hi"}, "Body": {"Text": {"Data": "Hello."}}}}


def refuse(client):
    """The name of the error that a call gets."""
    with pytest.raises(ClientError) as caught:
        client.send_email(
            FromEmailAddress="shop@mine.test", Destination={"ToAddresses": ["a@rcpt.test"]}, Content=SIMPLE
        )
    assert caught.value.response["Error"]["Message"]
    assert not Message.objects.exists()
    return caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.django_db
def test_wrong_credentials_are_refused(pair, connect, api):
    assert refuse(connect(pair, aws_secret_access_key=SECRET)) == ("InvalidSignatureException", 403)
    assert refuse(connect(pair, aws_access_key_id="ESAK" + "A" * 16)) == ("UnrecognizedClientException", 403)
    assert refuse(connect(pair, aws_access_key_id="es_live_x")) == ("UnrecognizedClientException", 403)
    revoke_api_key(api.key)
    assert refuse(connect(pair)) == ("UnrecognizedClientException", 403)


@pytest.mark.django_db
def test_a_request_without_a_signature_or_with_an_old_one_is_refused(api, pair, anonymous):
    for response in (api.post(EMAILS, {}), anonymous.post(EMAILS, {})):
        assert (response.status_code, response["x-amzn-ErrorType"]) == (403, "MissingAuthenticationTokenException")
    header, _ = sign()
    response = anonymous.request("POST", EMAILS, json.loads(BODY), Authorization=header, X_Amz_Date="20200101T000000Z")
    assert (response.status_code, response["x-amzn-ErrorType"]) == (403, "InvalidSignatureException")
    assert set(response.json()) == {"message"}
