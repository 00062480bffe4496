"""Pauses: each kind holds its own mail and no other; explained, resumed, dropped, expired."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import AuditEntry, StreamType
from accounts.services import create_api_key
from accounts.streams import create_stream
from common.errors import InvalidFieldsError
from messages.deciding.settling import Settlement, settle
from messages.explain.explain import explain
from messages.models import Message, Pause, Recipient
from messages.pause_models import PauseKind
from messages.pausing.matching import lock_queued
from messages.pausing.services import PauseExistsError, end_pause, start_pause
from messages.pausing.settling import settle_pauses
from messages.pausing.values import read_value
from messages.selectors import find_detailed
from messages.sending.due_work import DueWork, find_due_work
from messages.sending.schedule import release_due
from messages.tasks import tick
from providers.models import Provider
from providers.services import resume_provider
from templates_app.models import Template

pytestmark = pytest.mark.django_db
BATCH_ID = "3f0b6d8e-6f3c-4d63-9d4e-0f8f7c1f5a11"


def pause(project, kind, text="", **values):
    kind = PauseKind(kind)
    return start_pause("sue", project, kind, value=read_value(project, kind, text), **values)


def state(message):
    message.refresh_from_db()
    row = message.recipients.get()
    return message.status, message.status_reason, row.status, row.status_reason


PAUSED = ("queued", "paused", "queued", "paused")


@pytest.fixture
def kinds(project, api_key, send):
    """For each kind: the text that names it, and mail that it covers. Other mail is `send()` with another key."""
    create_stream(project, name="news", type_=StreamType.TRANSACTIONAL)
    template = Template.objects.create(project=project, alias="welcome", name="W", subject="Hi", text="Hi")

    covered = {
        "project": (project.name, {}),
        "key": (api_key.prefix, {}),
        "stream": ("news", {"stream": "news"}),
        "template": ("welcome", {}),
        "tag": ("sale", {"tags": ["sale", "x"]}),
        "batch": (BATCH_ID.upper(), {}),
        "sender_domain": ("MINE.test.", {}),
        "recipient_domain": ("slow.test", {"to": ["a@slow.test"]}),
    }

    def build(kind):
        text, values = covered[kind]
        message = send(**values)
        if kind == "template":
            Message.objects.filter(pk=message.pk).update(template=template)
        if kind == "batch":
            Message.objects.filter(pk=message.pk).update(batch_id=BATCH_ID)
        return text, message

    return build


ALL = ("project", "key", "stream", "template", "tag", "batch", "sender_domain", "recipient_domain")
# Mail of the same project that these do not cover.
NARROW = ("stream", "template", "tag", "batch", "recipient_domain")


@pytest.mark.parametrize("kind", ALL)
def test_a_pause_holds_its_mail_is_explained_and_lets_it_go(kinds, project, send, deliver, inbox, kind):
    text, message = kinds(kind)
    other = send() if kind in NARROW else None
    made = pause(project, kind, text, reason="Wrong prices")
    assert state(message) == PAUSED
    deliver()
    told = explain(find_detailed(project.messages.all(), message.pk)).summary
    assert "paused since" in told.why
    assert "by sue: Wrong prices." in told.why
    assert "resumes the pause" in told.next
    assert other is None or state(other)[0] == "delivered"
    end_pause("bob", made)
    assert state(message) == ("queued", "", "queued", "")
    deliver()
    assert state(message)[0] == "delivered"


@pytest.mark.parametrize("kind", ALL)
def test_mail_that_comes_later_is_parked_at_its_claim_and_other_mail_goes(kinds, project, send, deliver, inbox, kind):
    text, first = kinds(kind)
    Recipient.objects.filter(message=first).delete()
    pause(project, kind, text)
    _, message = kinds(kind)
    assert state(message)[1] == ""
    other = send() if kind in NARROW else None
    deliver()
    assert state(message) == PAUSED
    assert message.recipients.get().attempt_count == 0
    assert other is None or state(other)[0] == "delivered"


def test_another_projects_mail_is_not_held(project, other_project, send, deliver, inbox):
    key, _ = create_api_key(other_project, scopes=["emails:send"])
    pause(other_project, "project")
    message = send(tags=["sale"])
    pause(other_project, "tag", "sale")
    deliver()
    assert state(message)[0] == "delivered"
    assert key.project_id == other_project.pk


def test_a_domain_is_paused_for_all_projects(project, send, deliver, inbox):
    message, other = send(to=["a@slow.test"]), send(to=["a@sub.slow.test"])
    pause(None, "recipient_domain", "slow.test")
    deliver()
    assert (state(message), state(other)[0]) == (PAUSED, "delivered")


def test_each_recipient_is_explained_by_its_own_pause(project, send, deliver, inbox):
    message = send(to=["a@slow.test", "b@fast.test"])
    Recipient.objects.filter(address="b@fast.test").update(next_attempt_at=timezone.now() + timedelta(hours=1))
    pause(project, "recipient_domain", "slow.test")
    told = explain(find_detailed(project.messages.all(), message.pk))
    words = {one.row.address: one.summary.why for one in told.recipients}
    assert "slow.test is paused" in words["a@slow.test"]
    assert "paused" not in words["b@fast.test"]


def test_an_uncertain_recipient_that_is_paused_is_explained_as_both(project, send):
    message = send()
    Recipient.objects.filter(message=message).update(
        status="delivering", status_reason="uncertain", next_attempt_at=timezone.now() + timedelta(hours=1)
    )
    pause(project, "tag", "other")
    assert "sent again" in explain(find_detailed(project.messages.all(), message.pk)).summary.next
    pause(project, "project", reason="Wrong prices")
    told = explain(find_detailed(project.messages.all(), message.pk)).summary
    assert "unknown whether it was accepted" in told.why
    assert "Wrong prices" in told.why
    assert "resumes the pause" in told.next


def test_a_provider_gets_its_own_pause(project, send, deliver, inbox):
    provider = Provider.objects.get(project=None)
    message = send()
    made = pause(None, "provider", provider.name, reason="Their maintenance")
    provider.refresh_from_db()
    assert (provider.is_paused, provider.pause_reason) == (True, "Their maintenance")
    deliver()
    assert state(message)[0] == "queued"
    end_pause("sue", made)
    deliver()
    assert state(message)[0] == "delivered"


def test_the_pause_of_a_provider_ends_with_its_own_resume(project, inbox):
    provider = Provider.objects.get(project=None)
    made = pause(None, "provider", provider.name)
    assert DueWork.PAUSES not in find_due_work()
    resume_provider(provider.pk)
    assert DueWork.PAUSES in find_due_work()
    settle_pauses()
    made.refresh_from_db()
    assert made.ended_at is not None


@pytest.mark.parametrize(
    ("kind", "text", "code"),
    [
        ("key", "es_live_nothing", "unknown_value"),
        ("stream", "nothing", "unknown_value"),
        ("template", "\x00", "unknown_value"),
        ("provider", "nothing", "unknown_value"),
        ("project", "Other", "unknown_value"),
        ("tag", "", "invalid"),
        ("sender_domain", "a b", "invalid_domain"),
        ("recipient_domain", "x@y.test", "invalid_domain"),
    ],
)
def test_a_value_that_does_not_exist_is_refused(project, other_project, kind, text, code):
    with pytest.raises(InvalidFieldsError) as error:
        read_value(project, PauseKind(kind), text)
    assert error.value.public_code == code
    assert not Pause.objects.exists()


def test_a_name_may_look_like_an_id_and_an_id_has_several_forms(project):
    name = "01890a5d-ac96-774b-bcce-b302099a8057"
    provider = Provider.objects.create(project=project, name=name, kind="mx", settings={})
    found = read_value(project, PauseKind.PROVIDER, name)
    assert (found.value, found.label) == (str(provider.pk), name)
    for text in (project.pk.hex, str(project.pk).upper()):
        assert read_value(project, PauseKind.PROJECT, text).value == str(project.pk)


def test_a_tag_keeps_its_blanks(project, send):
    covered, other = send(tags=[" sale "]), send(tags=["sale"])
    pause(project, "tag", " sale ")
    assert state(covered) == PAUSED
    assert state(other) != PAUSED


@pytest.mark.parametrize("kind", ["project", "key", "stream", "template", "tag"])
def test_what_belongs_to_a_project_is_not_paused_for_all(kind):
    with pytest.raises(InvalidFieldsError) as error:
        read_value(None, PauseKind(kind), "x")
    assert error.value.public_code == "project_required"


def test_the_same_is_not_paused_twice_but_again_after_its_end(project):
    made = pause(project, "tag", "sale")
    with pytest.raises(PauseExistsError):
        pause(project, "tag", "sale")
    end_pause("sue", made)
    pause(project, "tag", "sale")
    assert list(AuditEntry.objects.order_by("id").values_list("action", flat=True)) == ["pause", "resume", "pause"]


def test_mail_of_two_pauses_goes_when_both_have_ended(project, send, deliver, inbox):
    message = send(tags=["sale"])
    first, second = pause(project, "tag", "sale"), pause(project, "project")
    end_pause("sue", first)
    deliver()
    assert state(message) == PAUSED
    end_pause("sue", second)
    deliver()
    assert state(message)[0] == "delivered"


def test_scheduled_mail_stays_scheduled_until_its_time(project, send, deliver, inbox):
    message = send(scheduled_at=timezone.now() + timedelta(hours=1))
    pause(project, "project")
    assert state(message) == ("scheduled", "", "scheduled", "")
    Message.objects.filter(pk=message.pk).update(scheduled_at=timezone.now() - timedelta(seconds=1))
    release_due()
    deliver()
    assert state(message) == PAUSED


def test_paused_mail_expires_as_usual(project, send):
    message = send()
    pause(project, "project")
    Recipient.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    tick()
    assert state(message)[:2] == ("failed", "expired")


def test_mail_that_expired_while_it_was_paused_is_explained_by_that_pause(project, send):
    now = timezone.now()
    message, other = send(), send(to=["two@other.test"])
    held = pause(project, "recipient_domain", "rcpt.test", reason="Wrong prices")
    Recipient.objects.update(expires_at=now - timedelta(minutes=5))
    Pause.objects.filter(pk=held.pk).update(created_at=now - timedelta(hours=1))
    tick()

    def why(mail):
        return explain(find_detailed(project.messages.all(), mail.pk)).summary.why

    assert "Mail to the domain rcpt.test was paused at that time" in why(message)
    assert "by sue, and still is: Wrong prices." in why(message)
    assert "paused" not in why(other)
    end_pause("bob", held)
    assert "by sue, until" in why(message)
    # A pause that began later did not hold it back.
    Pause.objects.filter(pk=held.pk).update(created_at=now - timedelta(minutes=1))
    assert "paused" not in why(message)


def test_a_deferred_recipient_is_deferred_again_after_its_pause(project, send, deliver, inbox):
    inbox.script.replies["RCPT"] = "451 4.7.1 Greylisted"
    message = send()
    deliver()
    made = pause(project, "project")
    assert state(message)[1] == "paused"
    end_pause("sue", made)
    assert state(message)[1] == "deferred"
    assert message.recipients.get().next_attempt_at > timezone.now()


def test_a_drop_fails_what_is_queued_and_nothing_else(project, send, deliver, inbox):
    message, other = send(tags=["sale"]), send()
    scheduled = send(tags=["sale"], scheduled_at=timezone.now() + timedelta(hours=1))
    made = pause(project, "tag", "sale")
    ended = end_pause("sue", made, should_drop=True)
    assert state(message) == ("failed", "dropped", "failed", "dropped")
    assert (state(other)[0], state(scheduled)[0]) == ("queued", "scheduled")
    assert ended.ended_at is not None
    assert "paused, and a person ended it" in explain(find_detailed(project.messages.all(), message.pk)).summary.why
    deliver()
    assert (state(message)[0], state(other)[0]) == ("failed", "delivered")
    assert AuditEntry.objects.filter(action="drop_paused", project=project).count() == 1


def test_a_leased_recipient_is_neither_parked_nor_dropped(project, send):
    message = send()
    token = "01890a5d-ac96-774b-bcce-b302099a8057"
    Recipient.objects.update(lease_token=token, lease_until=timezone.now() + timedelta(minutes=1))
    made = pause(project, "project")
    assert state(message)[0:2] == ("queued", "")
    end_pause("sue", made, should_drop=True)
    assert state(message)[0] == "queued"


def test_what_a_request_had_no_time_for_the_tick_does(project, send, monkeypatch):
    messages = [send() for _ in range(3)]
    monkeypatch.setattr("messages.pausing.settling.BATCH", 1)
    monkeypatch.setattr("messages.pausing.services.AT_ONCE", timedelta(0))
    made = pause(project, "project")
    assert [state(message)[1] for message in messages].count("paused") == 1
    settle_pauses()
    assert {state(message) for message in messages} == {PAUSED}
    monkeypatch.setattr("messages.pausing.parking.BATCH", 1)
    end_pause("sue", made)
    settle_pauses()
    assert {state(message)[1] for message in messages} == {""}


def test_an_uncertain_recipient_keeps_its_reason_and_can_be_settled(project, send):
    message = send(on_uncertain="retry")
    Recipient.objects.update(status="delivering", status_reason="uncertain")
    made = pause(project, "project")
    assert message.recipients.get().status_reason == "uncertain"
    assert message.recipients.get().parked_by
    settle(message, Settlement.SENT)
    assert (message.recipients.get().status, message.recipients.get().parked_by) == ("sent", "")
    end_pause("sue", made)


def test_a_person_who_pauses_finds_nothing_twice(project, send):
    send()
    made = pause(project, "project")
    assert lock_queued(made.pk, project.pk, 10) == []
    assert settle_pauses() == 0
    assert Pause.objects.get().applied_at is not None


def test_the_guards_kind_is_not_for_people(project):
    with pytest.raises(KeyError):
        read_value(project, PauseKind.MAILBOX_PROVIDER, "google.com")
    with pytest.raises(IntegrityError), transaction.atomic():
        Pause.objects.create(project=project, kind=PauseKind.MAILBOX_PROVIDER, value="google.com", made_by="sue")
