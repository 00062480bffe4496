"""Renewal of leases while their rows are being written."""

from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from uuid import UUID

import pytest
from django.db import connection, transaction

from ledger.leases import renew
from messages.models import Message, Recipient
from messages.sending.claims import ClaimScope, claim_recipients
from messages.states import Lane

pytestmark = pytest.mark.django_db(transaction=True)
ANY = ClaimScope(is_shared_open=True, open_projects=[], closed_projects=[])


def test_a_heartbeat_does_not_wait_for_a_row_that_is_being_written(send: Callable[..., Message]) -> None:
    busy, idle = send(), send()
    token = claim_recipients(Lane.NORMAL, 10, ANY)[0].token
    before = read_leases()
    with transaction.atomic():
        Recipient.objects.select_for_update().get(message=busy)
        heartbeat = Thread(target=beat, args=(token,), daemon=True)
        heartbeat.start()
        heartbeat.join(5)
        assert not heartbeat.is_alive()
    after = read_leases()
    assert after[busy.pk] == before[busy.pk]
    assert after[idle.pk] > before[idle.pk] + timedelta(minutes=9)


def test_a_lease_that_ran_out_is_not_renewed(send: Callable[..., Message]) -> None:
    message = send()
    (taken,) = claim_recipients(Lane.NORMAL, 10, ANY)
    Recipient.objects.update(lease_until=message.created_at)
    renew(Recipient._meta.db_table, [taken.token], timedelta(minutes=10))
    assert read_leases() == {message.pk: message.created_at}


def beat(token: UUID) -> None:
    try:
        renew(Recipient._meta.db_table, [token], timedelta(minutes=10))
    finally:
        connection.close()


def read_leases() -> dict[UUID, object]:
    return dict(Recipient.objects.values_list("message_id", "lease_until"))
