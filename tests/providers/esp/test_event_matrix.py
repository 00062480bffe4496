"""Every event type that the ESPs document, and what it means here. Pure: no database, no server."""

import json
from importlib import import_module
from typing import Any

import pytest

from delivery.judging.model import Category
from delivery.judging.terms import HARD, Reason
from providers.esp.catalog import ESPS
from providers.esp.event_model import EspEvent
from providers.esp.events import convert
from providers.esp.signatures import Posted
from tests.providers.esp.documented_events import (
    MATRIX,
    WHO,
    write_mailgun,
    write_mailjet,
    write_sendgrid,
    write_ses,
    write_sparkpost,
)

POSTED = Posted(body=b'{"MessageId": "m-1"}', headers={"svix-id": "msg_1"})


def read(name: str, *items: Any) -> list[EspEvent]:
    """The events that have a meaning; KeyError-like failures of a module would be counted and so leave none."""
    events, unknown = convert(ESPS[name], items, POSTED)
    assert not unknown, unknown
    return events


def tell(name: str, item: Any) -> str:
    """The meaning of one event: its kind, `+` if the class alone says that there is no such mailbox, `~` if vague."""
    events = read(name, item)
    if not events:
        return "ignored"
    (event,) = events
    is_hard = event.category is not None and event.category.reason in HARD
    return f"{event.kind}{'+' if is_hard else ''}{'~' if event.is_vague else ''}"


@pytest.mark.parametrize("name", ESPS)
def test_every_documented_event_has_its_meaning(name: str) -> None:
    assert [(item, tell(name, item)) for item, _ in MATRIX[name]] == MATRIX[name]


@pytest.mark.parametrize("name", ESPS)
def test_the_matrix_has_every_type_of_the_table(name: str) -> None:
    module = import_module(f"providers.esp.services.{name}")
    told = json.dumps([item for item, _ in MATRIX[name]])
    types = {*module.EVENTS, *getattr(module, "BOUNCES", ())}
    assert [type_ for type_ in types if f'"{type_}"' not in told] == []


@pytest.mark.parametrize("name", ESPS)
def test_events_name_their_mail_and_keep_their_keys(name: str) -> None:
    items = [item for item, meaning in MATRIX[name] if meaning != "ignored"]
    first, again = read(name, *items), read(name, *items)
    assert {event.remote_id for event in first} <= {"1", "<1@x>"}
    assert {event.address for event in first} == ({WHO} if ESPS[name].names_recipient else {""})
    assert [event.key for event in first] == [event.key for event in again]


def test_an_event_of_ses_about_several_recipients_is_told_for_each_or_for_none() -> None:
    both = [WHO, "joe@rcpt.test"]
    delayed = write_ses("DeliveryDelay", "deliveryDelay", delayedRecipients=[{"emailAddress": who} for who in both])
    assert [event.address for event in read("ses", delayed)] == both
    complaint = write_ses("Complaint", "complaint", complainedRecipients=[{"emailAddress": who} for who in both])
    assert {event.address for event in read("ses", complaint)} == {""}


def test_the_words_of_the_recipients_server_are_kept_with_their_codes() -> None:
    status = {"code": 550, "enhanced-code": "5.1.1", "message": "no such user"}
    (event,) = read("mailgun", write_mailgun("failed", severity="permanent", **{"delivery-status": status}))
    assert event.reply == "550 5.1.1 no such user"
    (event,) = read("sendgrid", write_sendgrid("bounce", status="5.1.1", reason="550 5.1.1 no such user"))
    assert event.reply == "550 5.1.1 no such user"
    (event,) = read("sparkpost", write_sparkpost("bounce", error_code="550", raw_reason="550 5.7.1 listed"))
    assert event.reply == "550 5.7.1 listed"


def test_a_number_that_no_time_can_hold_costs_its_event_only() -> None:
    good = {"event": "delivered", "email": WHO, "message-id": "1"}
    events, unknown = convert(ESPS["brevo"], [good, {**good, "ts_epoch": 10**400}, good], POSTED)
    assert (len(events), unknown) == (2, {"(malformed)": 1})


def test_a_class_of_an_esp_is_a_reason_of_ours() -> None:
    (event,) = read("mailjet", write_mailjet("bounce", hard_bounce=True, error="mailbox inactive"))
    assert event.category == Category(Reason.DISABLED)


@pytest.mark.parametrize("words", ["no mail host", "user unknown"])
def test_mailjets_errors_make_an_address_invalid_only_when_they_are_permanent(words: str) -> None:
    hard, soft = (write_mailjet("bounce", hard_bounce=is_hard, error=words) for is_hard in (True, False))
    lasting, passing = read("mailjet", hard, soft)
    assert lasting.category is not None
    assert lasting.category.reason in HARD
    assert (passing.category, passing.reply) == (None, "")
