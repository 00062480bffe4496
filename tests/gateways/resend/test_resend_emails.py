"""Emails by the real resend-python."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import resend
from resend.exceptions import ResendError

from messages.models import Message, Recipient
from messages.sending.loop import SendingLoop
from messages.states import Lane, Status
from tests.gateways.resend.conftest import BASE, EMAIL
from tracking.models import Event, EventType

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sdk")]
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
UNKNOWN = "01890a5d-ac96-774b-bcce-b302099a8057"


def send(**values: Any) -> str:
    return resend.Emails.send({**EMAIL, **values})["id"]


def test_an_email_is_sent_with_every_field(sent):
    email = sent(
        send(
            **{"from": "Shop <shop@mine.test>"},
            to="Jo <jo@rcpt.test>",
            cc=["cc@rcpt.test"],
            bcc="bcc@rcpt.test",
            reply_to="help@mine.test",
            html="<p>Hello.</p>",
            headers={"X-Order": "7"},
            tags=[{"name": "order", "value": "7"}, {"name": "kind", "value": "receipt"}],
        )
    )
    assert (email.from_name, email.from_address, email.subject) == ("Shop", "shop@mine.test", "Hi")
    kinds = {row.address: row.kind for row in Recipient.objects.filter(message=email)}
    assert kinds == {"jo@rcpt.test": "to", "cc@rcpt.test": "cc", "bcc@rcpt.test": "bcc"}
    assert email.reply_to == [{"name": "", "address": "help@mine.test"}]
    assert (email.content.html, email.content.text) == ("<p>Hello.</p>", "Hello.")
    assert dict(email.headers) == {"X-Order": "7"}
    assert email.metadata == {"order": "7", "kind": "receipt"}


def test_an_email_is_shown_as_resend_shows_it(sdk):
    pk = send(tags=[{"name": "order", "value": "7"}], cc="cc@rcpt.test")
    shown = resend.Emails.get(pk)
    assert shown["object"] == "email"
    assert (shown["id"], shown["from"], shown["to"]) == (pk, "shop@mine.test", ["one@rcpt.test"])
    assert (shown["cc"], shown["bcc"], shown["reply_to"]) == (["cc@rcpt.test"], None, None)
    assert (shown["subject"], shown["text"], shown["html"]) == ("Hi", "Hello.", None)
    assert shown["tags"] == [{"name": "order", "value": "7"}]
    assert (shown["last_event"], shown["scheduled_at"]) == ("queued", None)


CONTENT = bytes(range(256))


@pytest.mark.parametrize(
    "content", [list(CONTENT), {"type": "Buffer", "data": list(CONTENT)}], ids=["list of integers", "Node's Buffer"]
)
def test_a_file_comes_in_numbers(sent, content):
    email = sent(send(attachments=[{"filename": "all.pdf", "content": content, "content_id": "pic"}]))
    stored = email.attachments.select_related("content").get()
    assert (stored.filename, stored.content_type, stored.cid) == ("all.pdf", "application/pdf", "pic")
    assert bytes(stored.content.data) == CONTENT


def test_a_file_comes_in_base64_with_the_type_that_is_given(sent):
    files = [{"filename": "a.txt", "content": "aGVsbG8=", "content_type": "text/html", "inline_content_id": "pic"}]
    stored = sent(send(attachments=files)).attachments.select_related("content").get()
    assert (stored.content_type, stored.cid, bytes(stored.content.data)) == ("text/html", "pic", b"hello")


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("a.PDF", "application/pdf"),
        ("a.tar.gz", "application/octet-stream"),
        ("a", "application/octet-stream"),
        ("http://[x.png", "image/png"),
        ("data:text/html,a.nothing", "application/octet-stream"),
    ],
)
def test_a_file_has_the_type_of_its_ending(sent, name, type_):
    stored = sent(send(attachments=[{"filename": name, "content": "aGVsbG8="}])).attachments.get()
    assert stored.content_type == type_


def test_a_file_in_numbers_may_be_larger_than_other_json(sent):
    email = sent(send(attachments=[{"filename": "a.bin", "content": [7] * 600_000}]))
    assert email.attachments.get().content.size == 600_000


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ({"filename": "a", "path": "https://files.test/a"}, "attachments[0].path"),
        ({"filename": "a", "content": [1, 256]}, "attachments[0].content"),
        ({"filename": "a", "content": [1, "2"]}, "attachments[0].content"),
        ({"filename": "a", "content": {"type": "Buffer"}}, "attachments[0].content"),
        ({"filename": "a", "content": "?"}, "attachments[0].content"),
        ({"filename": "a", "content_b64": "aGVsbG8="}, "attachments[0]"),
        ({"content": "aGVsbG8="}, "attachments[0].filename"),
        ("a.pdf", "attachments[0]"),
    ],
)
def test_a_wrong_file_is_named(sdk, file, named):
    with pytest.raises(ResendError) as raised:
        send(attachments=[file])
    assert raised.value.code == 422
    assert raised.value.message.startswith(f"{named}: ")
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    "tags",
    ["a", [{"name": "a"}], [{"name": 1, "value": "b"}], [{"name": "a", "value": "b"}] * 2, [{"name": "a", "value": 1}]],
)
def test_wrong_tags_are_named(sdk, tags):
    with pytest.raises(resend.exceptions.ValidationError, match=r"^tags"):
        send(tags=tags)


def test_a_template_is_filled(sent, api):
    api.post("/templates", {"alias": "hello", "subject": "Hi {{ name }}", "text": "Dear {{ name }}"})
    assert api.post("/templates/hello/publish").status_code == 200
    template = {"id": "hello", "variables": {"name": "Jo"}}
    email = sent(resend.Emails.send({"from": "shop@mine.test", "to": "a@x.test", "template": template})["id"])
    assert (email.subject, email.content.text) == ("Hi Jo", "Dear Jo")


@pytest.mark.parametrize(
    ("template", "named"),
    [("hello", "template.id"), ({"variables": {}}, "template.id"), ({"id": "none"}, "template.id")],
)
def test_a_wrong_template_is_named_alone(sdk, template, named):
    with pytest.raises(ResendError) as raised:
        resend.Emails.send({"from": "shop@mine.test", "to": "a@x.test", "template": template})
    assert raised.value.code in {404, 422}
    assert raised.value.message.startswith(f"{named}: ") or raised.value.code == 404
    assert "subject" not in raised.value.message


@pytest.mark.parametrize("name", ["from_", "metadata", "template_id", "template_vars", "topic_id"])
def test_a_field_that_resend_or_this_door_does_not_have_is_refused(sdk, name):
    with pytest.raises(ResendError, match=f"{name}: Unknown field"):
        send(**{name: "a"})


def test_our_own_fields_are_taken_too(sent):
    assert sent(send(track_opens=True, priority="critical")).priority == Lane.CRITICAL


def test_an_email_is_scheduled_moved_and_cancelled(sent):
    pk = send(scheduled_at=TOMORROW.isoformat())
    assert sent(pk).scheduled_at == TOMORROW
    later = TOMORROW + timedelta(hours=1)
    assert resend.Emails.update({"id": pk, "scheduled_at": later.isoformat()})["id"] == pk
    assert sent(pk).scheduled_at == later
    assert resend.Emails.get(pk)["last_event"] == "scheduled"
    assert resend.Emails.cancel(pk)["object"] == "email"
    assert sent(pk).status == Status.CANCELLED
    assert resend.Emails.get(pk)["last_event"] == "canceled"


@pytest.mark.parametrize(
    ("words", "wait"), [("in 1 min", 60), ("In 2 hours", 7200), ("in an hour", 3600), ("in 9999 weeks", 0)]
)
def test_a_wait_in_words_is_a_time(sent, words, wait):
    if not wait:
        with pytest.raises(ResendError, match="scheduled_at: Must be at most 365 days ahead"):
            send(scheduled_at=words)
        return
    before = datetime.now(UTC)
    assert (
        timedelta(0)
        <= sent(send(scheduled_at=words)).scheduled_at - before - timedelta(seconds=wait)
        < timedelta(minutes=1)
    )


@pytest.mark.parametrize("words", ["tomorrow at 9am", "", "2020-01-01T00:00:00Z", 7])
def test_another_time_is_refused(sdk, words):
    with pytest.raises(ResendError, match="scheduled_at: ") as raised:
        send(scheduled_at=words)
    assert raised.value.code == 422
    assert not Message.objects.exists()


def test_an_email_that_is_under_way_can_be_neither_moved_nor_cancelled(sdk):
    pk = send()
    for change in (
        lambda: resend.Emails.update({"id": pk, "scheduled_at": TOMORROW.isoformat()}),
        lambda: resend.Emails.cancel(pk),
    ):
        with pytest.raises(resend.exceptions.ValidationError, match="this one is queued") as raised:
            change()
        assert raised.value.code == 422


def test_a_move_without_a_time_is_a_missing_field(sdk):
    with pytest.raises(resend.exceptions.MissingRequiredFieldsError, match="scheduled_at"):
        resend.Emails.update({"id": send(scheduled_at=TOMORROW.isoformat())})


def test_the_list_has_pages_with_the_newest_first(sdk):
    ids = [send(subject=str(number)) for number in range(3)]
    first = resend.Emails.list({"limit": 2})
    assert (first["object"], first["has_more"]) == ("list", True)
    assert [row["id"] for row in first["data"]] == [ids[2], ids[1]]
    assert set(first["data"][0]) >= {"from", "to", "cc", "bcc", "created_at", "last_event", "scheduled_at", "subject"}
    rest = resend.Emails.list({"limit": 2, "after": ids[1]})
    assert ([row["id"] for row in rest["data"]], rest["has_more"]) == ([ids[0]], False)
    assert [row["id"] for row in resend.Emails.list({"before": ids[1]})["data"]] == [ids[2]]


def test_the_last_event_follows_what_happens(make_api, use_sdk, project):
    use_sdk(make_api(is_test=True))
    pk = send(to="delivered@simulator.test")
    SendingLoop(Lane.NORMAL, lambda: None).run()
    assert resend.Emails.get(pk)["last_event"] == "delivered"
    recipient = Recipient.objects.get(message_id=pk)
    common = {"project_id": project.pk, "message_id": pk, "recipient": recipient, "occurred_at": datetime.now(UTC)}
    Event.objects.create(type=EventType.OPENED, data={"actor": "scanner"}, **common)
    assert resend.Emails.get(pk)["last_event"] == "delivered"
    Event.objects.create(type=EventType.OPENED, data={"actor": "human"}, **common)
    assert resend.Emails.list()["data"][0]["last_event"] == "opened"
    Event.objects.create(type=EventType.COMPLAINED, **common)
    assert resend.Emails.get(pk)["last_event"] == "complained"


def test_anothers_email_does_not_exist(other_api, use_sdk):
    pk = send(scheduled_at=TOMORROW.isoformat())
    use_sdk(other_api)
    for call in (
        lambda: resend.Emails.get(pk),
        lambda: resend.Emails.cancel(pk),
        lambda: resend.Emails.update({"id": pk, "scheduled_at": TOMORROW.isoformat()}),
        lambda: resend.Emails.get(UNKNOWN),
    ):
        with pytest.raises(ResendError) as raised:
            call()
        assert (raised.value.code, raised.value.error_type) == (404, "not_found")
    assert resend.Emails.list()["data"] == []


def test_a_request_may_be_repeated_with_its_key(sdk):
    options = {"idempotency_key": "order/7"}
    first = resend.Emails.send(EMAIL, options)
    assert resend.Emails.send(EMAIL, options)["id"] == first["id"]
    assert Message.objects.count() == 1


def test_nodes_bodies_are_taken(api):
    """Node's SDK sends no body with a cancel, and none with a GET."""
    pk = api.post(f"{BASE}/emails", {**EMAIL, "scheduled_at": TOMORROW.isoformat()}).json()["id"]
    assert api.get(f"{BASE}/emails/{pk}").json()["id"] == pk
    assert api.post(f"{BASE}/emails/{pk}/cancel", Content_Type="application/json").json() == {
        "object": "email",
        "id": pk,
    }
