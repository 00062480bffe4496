"""Consent as people give and withdraw it: from the sent mail over the page to what still arrives."""

import json
import re
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from accounts.models import AuditEntry, Project
from accounts.streams import build_feedback_id
from messages.feedback.model import Feedback, FeedbackKind
from messages.feedback.recording import receive_feedback
from messages.models import Recipient
from tests.smtp_server import SmtpServer
from tracking.models import Event, Suppression
from webhooks.models import WebhookDelivery

Deliver = Callable[..., None]
Post = Callable[..., str]
ADDRESS = "jo@rcpt.test"


@pytest.fixture(autouse=True)
def _public_url(settings: Any) -> None:
    settings.PUBLIC_URL = "http://testserver"


@pytest.fixture
def post(api: Any, deliver: Deliver) -> Post:
    """Posts an email, delivers it, and returns what became of its recipient: `post(stream="digest")`."""

    def send(**values: Any) -> str:
        usual = {"from_": "Acme News <news@mine.test>", "to": ADDRESS, "subject": "Hi", "text": "Hello."}
        answer = api.post("/emails", {**usual, **values})
        assert answer.status_code == 202, answer.content
        for lane in ("critical", "normal", "bulk"):
            deliver(lane)
        return Recipient.objects.get(message=answer.json()["id"]).status

    return send


def last_mail(inbox: SmtpServer) -> EmailMessage:
    return message_from_bytes(inbox.mails[-1].content, policy=policy.default)  # type: ignore[return-value]


def unsubscribe_path(inbox: SmtpServer) -> str:
    return str(last_mail(inbox)["List-Unsubscribe"]).strip("<>").removeprefix("http://testserver")


def complain() -> None:
    delivered = Recipient.objects.filter(status="delivered").latest("id")
    receive_feedback(
        Feedback(key="c", kind=FeedbackKind.COMPLAINED, source="report", recipient_id=delivered.pk, address=ADDRESS)
    )


@pytest.mark.parametrize(
    ("stream", "opt_out"), [("default", {"enable_unsubscribe": True}), ("newsletter", {"stream": "newsletter"})]
)
def test_an_opt_out_stops_mail_of_its_stream_and_a_complaint_all(
    inbox: SmtpServer, post: Post, api: Any, client: Any, stream: str, opt_out: dict[str, Any]
) -> None:
    api.post("/streams", {"name": "digest", "type": "transactional"})
    api.post("/streams", {"name": "newsletter", "type": "broadcast"})
    assert post(**opt_out) == "delivered"
    body = "List-Unsubscribe=One-Click"
    path = unsubscribe_path(inbox)
    assert client.post(path, body, content_type="application/x-www-form-urlencoded").status_code == 200
    entry = api.get(f"/suppressions?address={ADDRESS}").json()["data"][0]
    assert (entry["reason"], entry["stream"]) == ("unsubscribe", stream)
    assert (entry["proof"]["way"], entry["proof"]["ip"]) == ("one_click", "127.0.0.1")
    assert entry["proof"]["email_id"] == str(Recipient.objects.get().message_id)

    assert post(**opt_out) == "suppressed"
    assert post() == "delivered"  # a receipt
    assert post(enable_unsubscribe=True, priority="critical") == "delivered"
    assert post(enable_unsubscribe=True, stream="digest") == "delivered"

    complain()
    for values in (opt_out, {}, {"priority": "critical"}, {"enable_unsubscribe": True, "stream": "digest"}):
        assert post(**values) == "suppressed"
    assert {row["reason"] for row in api.get("/suppressions").json()["data"]} == {"unsubscribe", "complaint"}


def test_all_streams_and_coming_back_are_offered_by_the_page(
    inbox: SmtpServer, post: Post, api: Any, client: Any
) -> None:
    api.post("/streams", {"name": "digest", "type": "broadcast"})
    post(stream="digest", to="Jo <Jo@rcpt.test>")
    path = unsubscribe_path(inbox)
    page = client.get(path).content.decode()
    assert "Acme News" in page
    assert "news@mine.test" in page
    assert "<strong>digest</strong>" in page
    assert "<strong>Acme</strong>" not in page  # the project's name
    assert not Suppression.objects.exists()

    done = client.post(path, {"choice": "stream"}, HTTP_USER_AGENT="Browser").content.decode()
    assert "You are unsubscribed" in done
    assert "You are unsubscribed" in client.get(path).content.decode()
    assert post(enable_unsubscribe=True) == "delivered"
    client.post(path, {"choice": "all"})
    assert [(row.stream, row.way) for row in Suppression.objects.order_by("id")] == [
        ("digest", "page"),
        (None, "page"),
    ]
    assert post(enable_unsubscribe=True) == "suppressed"
    assert post(stream="digest") == "suppressed"

    assert "You are subscribed again" in client.post(path, {"choice": "back"}).content.decode()
    assert not Suppression.objects.exists()
    assert post(stream="digest") == "delivered"
    events = Event.objects.filter(type="email.unsubscribed").order_by("serial")
    assert [(event.data["stream"], event.data["way"]) for event in events] == [("digest", "page"), (None, "page")]
    assert [entry.action for entry in AuditEntry.objects.filter(actor="recipient")] == ["resubscribe"] * 2


def test_coming_back_leaves_other_reasons_and_says_so(inbox: SmtpServer, post: Post, api: Any, client: Any) -> None:
    post(enable_unsubscribe=True)
    path = unsubscribe_path(inbox)
    complain()
    client.post(path)
    assert "for another reason" in client.post(path, {"choice": "back"}).content.decode()
    assert Suppression.objects.get().reason == "complaint"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "way"),
    [
        ("List-Unsubscribe=One-Click", "application/x-www-form-urlencoded", 200, "one_click"),
        ("", "", 200, "one_click"),
        ("nonsense", "multipart/form-data", 200, "one_click"),
        ("x" * 3_000_000, "application/x-www-form-urlencoded", 200, "one_click"),
        ("choice=stream", "application/x-www-form-urlencoded", 200, "page"),
        ("choice=everything", "application/x-www-form-urlencoded", 400, None),
    ],
)
def test_a_program_that_posts_stays_within_the_stream(
    inbox: SmtpServer, post: Post, client: Any, body: str, content_type: str, status: int, way: str | None
) -> None:
    post(enable_unsubscribe=True)
    assert client.post(unsubscribe_path(inbox), body, content_type=content_type).status_code == status
    assert [(row.stream, row.way) for row in Suppression.objects.all()] == ([("default", way)] if way else [])


def test_an_opt_out_reported_by_an_esp_has_the_scope_of_its_stream(inbox: SmtpServer, post: Post, api: Any) -> None:
    api.post("/streams", {"name": "digest", "type": "broadcast"})
    post(stream="digest")
    kind = FeedbackKind.UNSUBSCRIBED
    receive_feedback(Feedback(key="u", kind=kind, source="esp", recipient_id=Recipient.objects.get().pk))
    row = Suppression.objects.get()
    assert (row.reason, row.stream, row.way) == ("unsubscribe", "digest", "feedback")
    event = Event.objects.get(type="email.unsubscribed")
    assert (event.data["stream"], event.data["way"]) == ("digest", "feedback")


def test_a_manual_entry_with_a_stream_stops_all_mail_of_it(inbox: SmtpServer, post: Post, api: Any) -> None:
    api.post("/streams", {"name": "digest", "type": "transactional"})
    api.post("/suppressions", {"address": ADDRESS, "stream": "digest"})
    assert post(stream="digest") == post(stream="digest", priority="critical") == "suppressed"
    assert post() == "delivered"
    causes = Event.objects.filter(type="email.suppressed").values_list("data", flat=True)
    assert list(causes) == [{"reason": "manual", "stream": "digest"}] * 2


def test_an_opt_out_after_accept_stops_what_is_not_sent_yet(
    inbox: SmtpServer, api: Any, deliver: Deliver, project: Project
) -> None:
    api.post("/streams", {"name": "digest", "type": "broadcast"})
    usual = {"from_": "news@mine.test", "to": ADDRESS, "subject": "Hi", "text": "Hello."}
    ids = [
        api.post("/emails", {**usual, **values}).json()["id"]
        for values in ({"stream": "digest"}, {"enable_unsubscribe": True}, {})
    ]
    for reason, stream in (("unsubscribe", None), ("unsubscribe", "digest")):
        Suppression.objects.create(project=project, address=ADDRESS, reason=reason, stream=stream)
    deliver()
    statuses = dict(Recipient.objects.values_list("message_id", "status"))
    assert [statuses[row.message_id] for row in Recipient.objects.order_by("id")] == [
        "suppressed",
        "suppressed",
        "delivered",
    ]
    causes = {event.message_id: event.data for event in Event.objects.filter(type="email.suppressed")}
    assert [causes[row.message_id] for row in Recipient.objects.order_by("id")[:2]] == [
        {"reason": "unsubscribe", "stream": None}
    ] * 2
    explained = api.get(f"/emails/{ids[1]}/explain").json()
    assert explained["stream"] == "default"
    assert "unsubscribed from all streams" in explained["why"]
    cause = explained["recipients"][0]["suppression"]
    assert (cause["reason"], cause["stream"]) == ("unsubscribe", None)
    delivered = api.get(f"/emails/{ids[2]}/explain").json()["recipients"][0]
    assert delivered["suppression"] is None
    assert any("offers no opt-out" in words for words in delivered["decisions"])


def test_a_release_resends_only_what_no_other_entry_stops(inbox: SmtpServer, post: Post, api: Any) -> None:
    api.post("/streams", {"name": "digest", "type": "broadcast"})
    for reason, stream in (("unsubscribe", "digest"), ("manual", "digest"), ("unsubscribe", None)):
        api.post("/suppressions", {"address": ADDRESS, "reason": reason, "stream": stream})
    assert post(stream="digest") == post(enable_unsubscribe=True) == "suppressed"
    release = f"/suppressions/{ADDRESS}/release"
    first = api.post(f"{release}?reason=unsubscribe&stream=all", {"resend": True}).json()
    assert [(row["reason"], row["stream"]) for row in first["released"]] == [("unsubscribe", None)]
    assert len(first["resent"]) == 1
    assert api.get(f"/emails/{first['resent'][0]['id']}").json()["stream"] == "default"
    second = api.post(release, {"resend": True}).json()
    assert [(row["reason"], row["stream"]) for row in second["released"]] == [
        ("manual", "digest"),
        ("unsubscribe", "digest"),
    ]
    assert api.get(f"/emails/{second['resent'][0]['id']}").json()["stream"] == "digest"
    assert api.post(release).status_code == 404


def test_mail_names_its_stream_to_mail_programs_and_to_gmail(
    inbox: SmtpServer, post: Post, api: Any, project: Project
) -> None:
    stream = api.post("/streams", {"name": "digest", "type": "broadcast"}).json()
    post(stream="digest", from_="news@Mine.test")
    mail = last_mail(inbox)
    assert mail["List-Id"] == "<digest.mine.test>"
    assert mail["Feedback-ID"] == stream["feedback_id"] == build_feedback_id(project.pk, "digest")
    words = mail["Feedback-ID"].split(":")
    assert len(set(words)) == 3
    assert all(re.fullmatch(r"[a-z2-7]{5,15}", word) for word in words)
    post()
    receipt = last_mail(inbox)
    assert receipt["List-Id"] is None
    assert receipt["Feedback-ID"].split(":")[1:] == words[1:]
    assert receipt["Feedback-ID"].split(":")[0] != words[0]


def test_the_callers_own_headers_and_the_settings_come_first(inbox: SmtpServer, post: Post, settings: Any) -> None:
    post(enable_unsubscribe=True, headers={"List-ID": "<own.mine.test>", "feedback-id": "a:b"})
    mail = last_mail(inbox)
    assert mail.get_all("List-Id") == ["<own.mine.test>"]
    assert mail.get_all("Feedback-ID") == ["a:b"]
    settings.LIST_ID = settings.FEEDBACK_ID = False
    post(enable_unsubscribe=True)
    mail = last_mail(inbox)
    assert (mail["List-Id"], mail["Feedback-ID"]) == (None, None)


def test_webhooks_tell_the_stream_of_the_email_and_of_the_opt_out(
    inbox: SmtpServer, post: Post, api: Any, client: Any
) -> None:
    api.post("/webhooks", {"url": "https://93.184.215.14/", "events": ["*"]})
    api.post("/streams", {"name": "digest", "type": "broadcast"})
    post(stream="digest")
    path = unsubscribe_path(inbox)
    client.post(path)
    client.post(path, {"choice": "all"})
    assert post(stream="digest") == "suppressed"
    told = [json.loads(row.payload) for row in WebhookDelivery.objects.order_by("id")]
    streams = [(each["type"].removeprefix("email."), each["data"]["stream"]) for each in told]
    assert streams == [
        ("queued", "digest"),
        ("delivered", "digest"),
        ("unsubscribed", "digest"),
        ("unsubscribed", None),
        ("suppressed", None),
    ]
