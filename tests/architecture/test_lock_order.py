"""The recorder of locks (tests/lock_order.py), which judges the transactions of all other tests."""

import pytest
from django.db import transaction

from accounts.models import Project
from messages.models import Message, Recipient
from tests.lock_order import Transactions, find_locks, recorded_locks
from tracking.models import Suppression
from webhooks.models import Endpoint, WebhookDelivery

MODELS = (Project, Message, Recipient, Suppression, Endpoint, WebhookDelivery)


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        ('SELECT "mail_message"."id" FROM "mail_message" WHERE "id" = %s FOR UPDATE', ["mail_message"]),
        (
            "SELECT r.id FROM mail_recipient r JOIN mail_message m ON m.id = r.id FOR NO KEY UPDATE OF m",
            ["mail_message"],
        ),
        ("WITH a AS (SELECT id FROM webhooks_endpoint FOR UPDATE) SELECT 1 FROM mail_message", ["webhooks_endpoint"]),
        ("SELECT id FROM mail_message WHERE id IN (SELECT id FROM mail_recipient) FOR UPDATE", ["mail_message"]),
        ("UPDATE mail_recipient r SET a = 1 FROM mail_message m WHERE m.id = r.message_id", ["mail_recipient"]),
        ('DELETE FROM "webhooks_webhookdelivery" WHERE id = %s', ["webhooks_webhookdelivery"]),
        (
            "INSERT INTO tracking_suppression AS old (id) SELECT 1 ON CONFLICT (id) DO UPDATE SET note = ''",
            ["tracking_suppression"],
        ),
        ("INSERT INTO mail_message (id) VALUES (1)", []),
        ("SELECT id FROM accounts_project WHERE id = %s FOR KEY SHARE", []),
        ("SELECT id FROM mail_attempt FOR UPDATE", []),
    ],
)
def test_the_locks_of_a_statement_are_found(statement: str, tables: list[str]) -> None:
    assert [lock.table for lock in find_locks(statement)] == tables


def note_all(*statements: str) -> list[str]:
    transactions = Transactions()
    for statement in statements:
        transactions.note(statement)
    return transactions.take_breaches()


DELIVERIES = "DELETE FROM webhooks_webhookdelivery"
ENDPOINTS = "SELECT id FROM webhooks_endpoint FOR UPDATE"


def test_an_earlier_table_after_a_later_one_is_a_breach() -> None:
    [breach] = note_all(DELIVERIES, ENDPOINTS)
    assert breach.startswith("webhooks_endpoint after webhooks_webhookdelivery")


def test_a_table_that_is_locked_already_may_be_written_at_any_time() -> None:
    assert note_all(ENDPOINTS, DELIVERIES, "UPDATE webhooks_endpoint SET status = ''") == []


def test_a_lock_that_does_not_wait_is_no_breach() -> None:
    assert note_all(DELIVERIES, f"{ENDPOINTS} SKIP LOCKED") == []


def test_only_its_deletion_locks_a_project_whole() -> None:
    whole = "SELECT id FROM accounts_project WHERE id = %s FOR UPDATE"
    assert note_all(whole, "DELETE FROM accounts_project WHERE id = %s") == []
    assert note_all(whole, "UPDATE accounts_project SET name = ''")[0].startswith("a project FOR UPDATE")


def lock_all(*models: type) -> None:
    for model in models:
        list(model.objects.select_for_update(no_key=True))  # type: ignore[attr-defined]


@pytest.mark.django_db
def test_the_order_is_judged_in_each_transaction_by_itself() -> None:
    with recorded_locks() as locks:
        for model in reversed(MODELS):
            with transaction.atomic():
                lock_all(model)
        with transaction.atomic():
            lock_all(*MODELS)
        assert locks.take_breaches() == []


@pytest.mark.django_db(transaction=True)
def test_a_committed_transaction_in_the_wrong_order_is_noticed(all_locks: Transactions) -> None:
    with transaction.atomic():
        lock_all(*reversed(MODELS))
    assert len(all_locks.take_breaches()) == len(MODELS) - 1
