"""A claim does not walk along rows that may not be claimed, however many there are."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.acting_for import Delegate
from accounts.models import ApiKey, Project
from common.addresses import parse_address
from messages import services
from messages.accepting.draft import Draft
from messages.models import Message, Recipient
from messages.sending.claims import ClaimScope, claim_recipients, claim_suspect
from messages.sending.queue.heads import WINDOW
from messages.sending.queue.waiting import MANY
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


def other(project: Project, address: str) -> None:
    """Accepts one email of another project."""
    draft = Draft(from_=parse_address("shop@mine.test"), to=[parse_address(address)], subject="Hi", text="Hello.")
    services.accept(Delegate(project=project), [draft])


def count_read_rows() -> int:
    """The recipients' rows that this transaction has read so far, by any way."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'mail_recipient'"
        )
        return int(cursor.fetchone()[0])


def claim_all(scope: ClaimScope = ANY) -> tuple[list[str], int]:
    """The addresses that a worker claims in two claims, and the rows that these have read."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE mail_recipient")
        # Of so few rows a sequential scan costs less than any index.
        cursor.execute("SET LOCAL enable_seqscan = off")
    before = count_read_rows()
    claims = claim_suspect(Lane.NORMAL, scope)
    claims += claim_recipients(Lane.NORMAL, 20, scope)
    return [claim.address for claim in claims], count_read_rows() - before


def claim_often(scope: ClaimScope = ANY) -> list[str]:
    """The addresses that so many claims find as there are windows in the backlog."""
    return [address for _ in range(COUNT // WINDOW) for address in claim_all(scope)[0]]


def test_nothing_to_skip(send: Send) -> None:
    send(to=["good@x.test"])
    addresses, count = claim_all()
    assert addresses == ["good@x.test"]
    assert 0 < count < 20, "the count of rows works"


def test_expired_mail_after_an_outage_is_walked_once(send: Send) -> None:
    ago = timezone.now() - timedelta(hours=1)
    multiply(send(to=["late@x.test"]), expires_at=ago, next_attempt_at=ago - timedelta(hours=1))
    send(to=["good@x.test"])
    assert claim_often() == ["good@x.test"]
    send(to=["next@x.test"])
    addresses, count = claim_all()
    assert addresses == ["next@x.test"]
    assert count < 20


def test_mail_to_a_domain_that_takes_none_is_walked_once(send: Send) -> None:
    message = send(to=["late@slow.test"])
    multiply(message, next_attempt_at=timezone.now() - timedelta(hours=1))
    send(to=["good@x.test"])
    scope = replace(ANY, is_shared_direct=True, closed_domains={"slow.test": timedelta(seconds=30)})
    assert claim_often(scope) == ["good@x.test"]
    send(to=["next@x.test"])
    addresses, count = claim_all(scope)
    assert addresses == ["next@x.test"]
    assert count < 20
    due = Recipient.objects.filter(domain="slow.test").values_list("next_attempt_at", flat=True).distinct()
    assert [at - timezone.now() > timedelta(seconds=20) for at in due if at] == [True]


def test_a_few_mails_to_a_domain_that_takes_none_stay_due(send: Send) -> None:
    send(to=["late@slow.test"])
    send(to=["good@x.test"])
    scope = replace(ANY, is_shared_direct=True, closed_domains={"slow.test": timedelta(seconds=30)})
    assert claim_all(scope)[0] == ["good@x.test"]
    assert claim_all(scope)[0] == []
    assert claim_all()[0] == ["late@slow.test"]


def test_mail_of_a_project_without_a_usable_provider_is_not_walked(
    send: Send, other_project: Project, api_key: ApiKey
) -> None:
    multiply(send(to=["closed@x.test"]))
    other(other_project, "good@x.test")
    addresses, count = claim_all(replace(ANY, closed_projects=[api_key.project_id]))
    assert addresses == ["good@x.test"]
    assert count < MANY + 60


def test_parked_mail_is_not_walked(send: Send) -> None:
    multiply(send(to=["parked@x.test"]), parked_by="pause:1")
    send(to=["good@x.test"])
    addresses, count = claim_all()
    assert addresses == ["good@x.test"]
    assert count < 20


def test_mail_that_waits_for_its_senders_domain_is_not_walked(send: Send) -> None:
    waits = {"status_reason": StatusReason.SENDER_SUSPENDED, "next_attempt_at": None}
    multiply(send(to=["late@x.test"]), **waits)
    send(to=["good@x.test"])
    addresses, count = claim_all()
    assert addresses == ["good@x.test"]
    assert count < 20
