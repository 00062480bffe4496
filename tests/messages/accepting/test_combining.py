"""Concurrent requests of a project are stored by one statement, and each gets its own answer."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connections

from accounts.models import IdempotencyKey, Project
from accounts.streams import StreamType, create_stream
from ledger.database.raw import fetch_raw
from messages.accepting import combining
from messages.accepting.persistence import combiner
from messages.models import Message, Recipient
from tests.locked_rows import locked_elsewhere
from tests.round_trips import counted_statements
from tracking.suppressions.service import Entry, suppress
from webhooks.models import WebhookDelivery
from webhooks.publishing import unheard_projects
from webhooks.services import add_endpoint

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_SECONDS = 60.0


@contextmanager
def first_request_delayed(project: Project, waiting: int) -> Iterator[None]:
    """The first request waits in the database until `waiting` others stand behind it."""
    with locked_elsewhere(project):
        yield
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(combiner._lines.get((project.pk.int, False), [])) < waiting:
            assert time.monotonic() < deadline, "the requests do not wait for the first one"
            time.sleep(0.005)


@pytest.fixture
def post_together(api: Any, project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Posts emails at the same time; the first one is stored by a statement of its own."""
    monkeypatch.setattr(combining, "PATIENCE_SECONDS", PATIENCE_SECONDS)

    def post(emails: Sequence[dict[str, Any]], keys: Sequence[str] = ()) -> list[Any]:
        def send(index: int) -> Any:
            headers = {"Idempotency-Key": keys[index]} if keys else {}
            try:
                return api.post("/emails", emails[index], **headers)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(len(emails)) as pool:
            with first_request_delayed(project, len(emails) - 1):
                first = pool.submit(send, 0)
                while (project.pk.int, False) not in combiner._lines and not first.done():
                    time.sleep(0.005)
                rest = [pool.submit(send, index) for index in range(1, len(emails))]
            return [each.result(PATIENCE_SECONDS) for each in [first, *rest]]

    return post


def email(number: int, **values: Any) -> dict[str, Any]:
    return {"from_": "shop@mine.test", "to": f"user{number}@x.test", "subject": f"No. {number}", "text": "Hi", **values}


def inserts(sent: Sequence[str]) -> int:
    return sum("INSERT INTO" in sql and "mail_recipient" in sql for sql in sent)


def test_requests_that_wait_are_stored_by_one_statement(post_together: Any) -> None:
    with counted_statements() as sent:
        answers = post_together([email(number) for number in range(6)])
    assert [answer.status_code for answer in answers] == [202] * 6
    assert inserts(sent) == 2
    for number, answer in enumerate(answers):
        message = Message.objects.get(pk=answer.json()["id"])
        assert (message.subject, message.content.text) == (f"No. {number}", "Hi")
        assert [row.address for row in message.recipients.all()] == [f"user{number}@x.test"]
    assert not combiner._lines


def test_each_key_keeps_the_answer_of_its_own_request(post_together: Any, api: Any) -> None:
    emails, keys = [email(number) for number in range(4)], [f"key-{number}" for number in range(4)]
    with counted_statements() as sent:
        answers = post_together(emails, keys)
    assert inserts(sent) == 2
    for number in range(4):
        again = api.post("/emails", emails[number], Idempotency_Key=keys[number])
        assert (again.status_code, again["Idempotency-Replayed"]) == (202, "true")
        assert again.json() == answers[number].json()
    assert Message.objects.count() == IdempotencyKey.objects.count() == 4


def test_a_used_key_changes_nothing_for_its_neighbours(post_together: Any, api: Any) -> None:
    before = api.post("/emails", email(2), Idempotency_Key="used")
    answers = post_together([email(number) for number in range(4)], ["a", "b", "used", "c"])
    assert [answer.status_code for answer in answers] == [202] * 4
    assert answers[2].json() == before.json()
    assert Message.objects.count() == 4


def test_equal_keys_make_one_email(post_together: Any) -> None:
    answers = post_together([email(0), email(1), email(1), email(1)], ["a", "b", "b", "b"])
    assert [answer.status_code for answer in answers] == [202] * 4
    assert len({answer.json()["id"] for answer in answers[1:]}) == 1
    assert Message.objects.count() == 2


def test_a_suppressed_address_changes_nothing_for_its_neighbours(post_together: Any, project: Project) -> None:
    suppress(project.pk, Entry(address="user2@x.test", reason="manual"))
    answers = post_together([email(number) for number in range(4)])
    assert [answer.json()["status"] for answer in answers] == ["queued", "queued", "failed", "queued"]
    assert list(Recipient.objects.filter(status="suppressed").values_list("address", flat=True)) == ["user2@x.test"]


def test_requests_of_several_streams_are_stored_together(post_together: Any, project: Project) -> None:
    create_stream(project, name="digest", type_=StreamType.TRANSACTIONAL)
    with counted_statements() as sent:
        answers = post_together([email(0), email(1), email(2, stream="digest"), email(3)])
    assert [answer.json()["stream"] for answer in answers] == ["default", "default", "digest", "default"]
    assert inserts(sent) == 2


@pytest.mark.parametrize("keys", [[], ["a", "b", "c", "d"]], ids=["plain", "keyed"])
def test_a_new_endpoint_gets_every_email(post_together: Any, api: Any, project: Project, keys: Sequence[str]) -> None:
    assert api.post("/emails", email(9)).status_code == 202
    assert unheard_projects.has(project.pk, is_test=False)
    add_endpoint(project, url="https://hooks.example.com/", events=["email.queued"])
    answers = post_together([email(number) for number in range(4)], keys)
    assert [answer.status_code for answer in answers] == [202] * 4
    assert WebhookDelivery.objects.count() == 4
    assert not unheard_projects.has(project.pk, is_test=False)


def test_a_request_that_waits_too_long_stores_by_itself(
    project: Project, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(combining, "PATIENCE_SECONDS", 0.01)
    combiner._lines[project.pk.int, False] = []
    try:
        assert api.post("/emails", email(1)).status_code == 202
        assert combiner._lines == {(project.pk.int, False): []}
    finally:
        combiner._lines.clear()


def test_what_may_have_been_stored_is_not_stored_again(post_together: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is lost when the shared statement has been sent: whether it was committed is unknown."""

    def lose(query: bytes, *values: Any) -> Any:
        if "No. 1" in str(values):
            raise OperationalError("the connection is lost")
        return fetch_raw(query, *values)

    monkeypatch.setattr("ledger.rows.fetch_raw", lose)
    answers = post_together([email(number) for number in range(4)])
    assert [answer.status_code for answer in answers] == [202, 503, 503, 503]
    assert Message.objects.count() == 1
