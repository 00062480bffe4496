"""One key and many concurrent requests, with real transactions; and the state after a crash."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from time import monotonic
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.idempotency import StoredResponse, Ticket, run_once
from accounts.models import IdempotencyKey
from ledger.database.raw import fetch_raw
from messages.models import Message, Recipient
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db(transaction=True)
EMAIL = {"from_": "shop@mine.test", "to": "one@rcpt.test", "subject": "Hi", "text": "Hello."}
PARALLEL = 50


def in_parallel(count: int, call: Callable[[int], Any]) -> list[Any]:
    """`call(0)`, … at the same time, each in a thread with a connection of its own."""
    barrier = Barrier(count)

    def run(number: int) -> Any:
        barrier.wait()
        try:
            return call(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def post(api: ApiClient, body: object = EMAIL, path: str = "/emails") -> Any:
    return ApiClient(api.token).post(path, body, Idempotency_Key="one")


def test_fifty_at_once_make_one_email(api: ApiClient) -> None:
    answers = in_parallel(PARALLEL, lambda _: post(api))
    ids = {answer.json()["id"] for answer in answers if answer.status_code == 202}
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len(ids) == 1
    assert (Message.objects.count(), Recipient.objects.count(), IdempotencyKey.objects.count()) == (1, 1, 1)
    for answer in answers:
        if answer.status_code == 409:
            assert (answer.json()["code"], answer["Retry-After"]) == ("idempotency_in_flight", "1")
    assert post(api).json()["id"] in ids


def test_of_two_payloads_at_once_one_is_accepted_and_the_other_refused(api: ApiClient) -> None:
    answers = in_parallel(10, lambda number: post(api, {**EMAIL, "subject": f"Hi {number % 2}"}))
    accepted = {answer.json()["subject"] for answer in answers if answer.status_code == 202}
    refused = {answer.json()["code"] for answer in answers if answer.status_code != 202}
    assert len(accepted) == 1
    assert refused <= {"idempotency_key_reused", "idempotency_in_flight"}
    assert Message.objects.count() == 1


def test_batches_at_once_are_accepted_once(api: ApiClient) -> None:
    answers = in_parallel(10, lambda _: post(api, [EMAIL] * 20, "/emails/batch"))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert Message.objects.count() == 20


def test_while_the_first_is_in_flight_others_wait_for_a_second_and_are_told_to_come_again(api: ApiClient) -> None:
    is_taken, may_end = Event(), Event()

    def hold(_: int) -> None:
        with transaction.atomic():
            IdempotencyKey.objects.create(project=api.key.project, key="one", fingerprint=b"")
            is_taken.set()
            may_end.wait(100)
            transaction.set_rollback(True)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        holder = pool.submit(hold, 0)
        is_taken.wait(60)
        begun_at = monotonic()
        answer = post(api)
        waited = monotonic() - begun_at
        may_end.set()
        holder.result()
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_in_flight")
    assert int(answer["Retry-After"]) >= 1
    assert waited >= 0.9
    # The first was refused in the end: the key is free.
    assert post(api).status_code == 202


def test_a_waiting_request_gets_the_first_ones_response(api: ApiClient) -> None:
    ticket = Ticket(project_id=api.key.project_id, key="one", fingerprint=b"x" * 32)
    is_taken = Event()

    def act() -> StoredResponse:
        is_taken.set()
        # The other one is waiting for this transaction by now, as PostgreSQL can tell.
        with connection.cursor() as cursor:
            for _ in range(100):
                cursor.execute("SELECT pg_sleep(0.01), count(*) FROM pg_locks WHERE NOT granted")
                if cursor.fetchone()[1]:
                    break
        return StoredResponse(status=202, body={"n": 1})

    def follow(number: int) -> StoredResponse:
        if number == 0:
            return run_once(ticket, act)
        is_taken.wait(60)
        return run_once(ticket, lambda: StoredResponse(status=202, body={"n": 2}))

    first, second = in_parallel(2, follow)
    assert (first.body, first.is_replayed) == ({"n": 1}, False)
    assert (second.body, second.is_replayed) == ({"n": 1}, True)


class CrashError(BaseException):
    """The process is gone."""


def test_a_crash_between_commit_and_answer_leads_to_the_same_email(api: ApiClient, monkeypatch: Any) -> None:
    def crash(*_: object, **__: object) -> None:
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr("messages.api.accepting_views.HttpResponse", crash)
        with pytest.raises(CrashError):
            post(api)
    pk = str(Message.objects.get().pk)
    again = post(api)
    assert (again.json()["id"], again["Idempotency-Replayed"]) == (pk, "true")
    assert Message.objects.count() == 1


def test_a_crash_before_the_commit_leaves_neither_key_nor_email(api: ApiClient, monkeypatch: Any) -> None:
    def crash(*statement: Any) -> None:
        with transaction.atomic():
            fetch_raw(*statement)
            raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr("ledger.rows.fetch_raw", crash)
        with pytest.raises(CrashError):
            post(api)
    assert not Message.objects.exists()
    assert not IdempotencyKey.objects.exists()
    assert post(api).status_code == 202
