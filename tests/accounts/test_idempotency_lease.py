"""Idempotency keys of requests that talk to the network: committed first, under a lease."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from accounts import idempotency
from accounts.idempotency import (
    IdempotencyInFlightError,
    IdempotencyKeyReusedError,
    StoredResponse,
    Ticket,
    find_response,
    run_leased,
    run_once,
)
from accounts.models import IdempotencyKey

ANSWER = StoredResponse(status=200, body={"n": 1})


@pytest.fixture
def ticket(project):
    return Ticket(project_id=project.pk, key="k", fingerprint=b"x" * 32)


def fail():
    raise RuntimeError("the network is away")


@pytest.mark.django_db(transaction=True)
def test_the_key_is_committed_and_no_transaction_is_open_while_the_network_is_asked(ticket):
    def ask():
        assert not connection.in_atomic_block
        row = IdempotencyKey.objects.get()
        assert (row.status, row.lease_until > row.created_at) == (None, True)
        return ANSWER

    assert run_leased(ticket, ask) == ANSWER
    assert run_leased(ticket, fail).is_replayed
    assert IdempotencyKey.objects.get().status == 200


@pytest.mark.django_db
def test_a_failed_request_leaves_the_key_free(ticket):
    with pytest.raises(RuntimeError):
        run_leased(ticket, fail)
    assert not IdempotencyKey.objects.exists()
    assert run_leased(ticket, lambda: ANSWER) == ANSWER


@pytest.mark.django_db
@pytest.mark.parametrize("run", [run_leased, run_once])
def test_while_the_lease_holds_others_get_a_retry_response(ticket, monkeypatch, run):
    monkeypatch.setattr(idempotency, "WAIT_MS", 50)

    def ask():
        with pytest.raises(IdempotencyInFlightError):
            run(ticket, fail)
        other = Ticket(project_id=ticket.project_id, key="k", fingerprint=b"y" * 32)
        with pytest.raises(IdempotencyKeyReusedError):
            find_response(other)
        return ANSWER

    assert run_leased(ticket, ask) == ANSWER


@pytest.mark.django_db
def test_a_key_whose_process_died_is_taken_over_when_its_lease_has_ended(ticket):
    second = StoredResponse(status=200, body={"n": 2})

    def ask():
        IdempotencyKey.objects.update(lease_until=Now() - timedelta(seconds=1))
        assert run_leased(ticket, lambda: second) == second
        return ANSWER

    # The first, which was only slow, answers its caller; what is kept is the second's.
    assert run_leased(ticket, ask) == ANSWER
    assert find_response(ticket).body == {"n": 2}


@pytest.mark.django_db
def test_a_secret_answer_is_read_back_whole_and_stored_encrypted(ticket):
    secret = StoredResponse(status=201, body={"secret": "whsec_x"}, headers={"Location": "/x"}, is_secret=True)
    run_once(ticket, lambda: secret)
    row = IdempotencyKey.objects.get()
    assert (row.body, "whsec_x" in row.secret_body) == (None, True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret_body FROM accounts_idempotencykey")
        assert "whsec" not in cursor.fetchone()[0]
    found = find_response(ticket)
    assert (found.body, found.headers, found.is_replayed) == (secret.body, secret.headers, True)
