"""A claim does not walk along rows that may not be claimed, however many there are."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from messages.models import Message, Recipient
from messages.sending.claims import MANY_EXPIRED, ClaimScope, ExpiredBacklog, claim_recipients, claim_suspect
from messages.states import Lane, StatusReason

pytestmark = pytest.mark.django_db
Send = Callable[..., Message]
ANY = ClaimScope(is_shared_open=True, open_projects=[], closed_projects=[])
COUNT = 1_000
COPIES = """
WITH copies AS (
    INSERT INTO mail_message SELECT copy.* FROM mail_message m, generate_series(1, %(count)s) i,
        LATERAL jsonb_populate_record(m, jsonb_build_object('id', md5(i::text || m.id)::uuid)) copy
    WHERE m.id = %(message)s RETURNING id
)
INSERT INTO mail_recipient SELECT copy.* FROM mail_recipient r, copies c,
    LATERAL jsonb_populate_record(r, jsonb_build_object('id', c.id, 'message_id', c.id)) copy
WHERE r.message_id = %(message)s
"""


def multiply(message: Message, **values: object) -> None:
    """Make COUNT messages of one, each with one recipient that has these values."""
    Recipient.objects.filter(message=message).update(**values)
    with connection.cursor() as cursor:
        cursor.execute(COPIES, {"count": COUNT - 1, "message": message.pk})


def count_read_rows() -> int:
    """The recipients' rows that this transaction has read so far, by any way."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'mail_recipient'"
        )
        return int(cursor.fetchone()[0])


def claim_all() -> tuple[list[str], int]:
    """The addresses that a worker claims in two claims, and the rows that these have read."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE mail_recipient")
    before = count_read_rows()
    backlog = ExpiredBacklog()
    claims = claim_suspect(Lane.NORMAL, ANY)
    claims += claim_recipients(Lane.NORMAL, 20, ANY, has_expired=backlog.is_large(Lane.NORMAL))
    return [claim.address for claim in claims], count_read_rows() - before


def test_nothing_to_skip(send: Send) -> None:
    send(to=["good@x.test"])
    addresses, count = claim_all()
    assert addresses == ["good@x.test"]
    assert 0 < count < 20, "the count of rows works"


def test_expired_mail_after_an_outage_is_not_walked(send: Send) -> None:
    ago = timezone.now() - timedelta(hours=1)
    multiply(send(to=["late@x.test"]), expires_at=ago, next_attempt_at=ago - timedelta(hours=1))
    send(to=["good@x.test"])
    addresses, count = claim_all()
    assert addresses == ["good@x.test"]
    assert count < MANY_EXPIRED + 20


def test_mail_that_waits_for_its_senders_domain_is_not_walked(send: Send) -> None:
    waits = {"status_reason": StatusReason.SENDER_SUSPENDED, "next_attempt_at": None}
    multiply(send(to=["late@x.test"]), **waits)
    send(to=["good@x.test"])
    addresses, count = claim_all()
    assert addresses == ["good@x.test"]
    assert count < 20
