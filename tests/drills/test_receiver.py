"""The drills' webhook endpoint notes posts, and whether the trusted sender signed them."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection, RemoteDisconnected
from urllib.parse import urlsplit

import pytest
from standardwebhooks import Webhook

from drills.stand_ins.webhook_receiver import Answering, Receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = json.dumps({"type": "email.delivered", "data": {"email_id": "one"}})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


def post(receiver: Receiver, path: str, *, secret: str = SECRET) -> int:
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "event-1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("event-1", now, BODY),
    }
    with closing(HTTPConnection(urlsplit(receiver.url(path)).netloc, timeout=10)) as connection:
        connection.request("POST", path, BODY, headers)
        with connection.getresponse() as answer:
            return answer.status


def test_a_signed_post_is_heard(receiver):
    receiver.trust("/hook", SECRET)
    assert post(receiver, "/hook") == 200
    (heard,) = receiver.heard("/hook")
    assert (heard.event_id, heard.type, heard.email_id, heard.is_signed) == ("event-1", "email.delivered", "one", True)
    assert not receiver.heard("/other")


def test_a_forged_post_is_seen_to_be_one(receiver):
    receiver.trust("/hook", SECRET)
    post(receiver, "/hook", secret="whsec_" + "A" * 32)
    assert not receiver.heard("/hook")[0].is_signed


def test_a_path_answers_as_it_is_told(receiver):
    receiver.answer_as("/gone", Answering(status=410))
    receiver.answer_as("/mute", Answering(status=0))
    assert post(receiver, "/gone") == 410
    with pytest.raises(RemoteDisconnected):
        post(receiver, "/mute")
    assert post(receiver, "/hook") == 200
