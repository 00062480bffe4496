"""ESP events change the state of the mail that they concern; forged, repeated, late or unknown ones do not."""

import hmac
import json
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.http import HttpResponse
from django.test import Client

from delivery.judging.model import HARD_BOUNCE
from messages.feedback.esp_events import build_feedback
from messages.feedback.recording import apply_due
from messages.models import Attempt, Message, ReceivedFeedback, Recipient
from messages.states import OnUncertain
from providers.esp.event_model import EspEvent, EventKind
from providers.esp.services import ses as ses_service
from providers.esp.services.mailersend import TEST_KEY
from providers.esp.sns import NotFetchedError, Sns
from providers.models import Provider, ProviderKind, UnknownEvent
from providers.serializers import build_events_url
from providers.services import add_provider, change_provider
from providers.targets import ProviderTarget
from tests.conftest import ApiClient
from tests.esp_cases import CASES, Case
from tests.esp_posts import (
    CERTIFICATE_URL,
    LOGINS,
    TOPIC,
    WRITERS,
    Mail,
    Post,
    list_keys,
    make_certificate,
    sign,
    sign_sns,
    write_sns,
)
from tests.esp_server import EspServer, Reply
from tracking.models import Event, Suppression

Send = Callable[..., Message]
Deliver = Callable[..., None]

every_esp = pytest.mark.parametrize("name", CASES)


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The HTTP port of SNS: what was fetched there; it has our certificate."""
    urls: list[str] = []

    def fetch(url: str) -> bytes:
        urls.append(url)
        return make_certificate() if url.endswith(".pem") else b"<ConfirmSubscriptionResponse/>"

    monkeypatch.setattr(ses_service, "sns", Sns(fetch))
    return urls


@dataclass
class Scene:
    """A mail that an ESP has taken, and the ESP's side of the talk about it."""

    case: Case
    provider: Provider
    mail: Mail

    @property
    def name(self) -> str:
        return self.case.name

    def write(self, kind: str, **changes: Any) -> Any:
        return WRITERS[self.name](kind, replace(self.mail, **changes))

    def post(self, post: Post, path: str = "") -> HttpResponse:
        path = path or build_events_url(self.provider).partition("/feedback/")[2]
        client = Client(raise_request_exception=False)
        return client.generic(
            "POST", f"/feedback/{path}", post.body, content_type=post.content_type, headers=dict(post.headers)
        )

    def tell(self, kind: str, **changes: Any) -> HttpResponse:
        """The ESP says something, well signed."""
        return self.post(sign(self.name, self.write(kind, **changes)))


@pytest.fixture
def make_scene(db: None, fetched: list[str], send: Send, deliver: Deliver) -> Iterator[Callable[..., Scene]]:
    servers: list[EspServer] = []

    def make(name: str, said: Reply | None = None, **values: Any) -> Scene:
        case = CASES[name]
        servers.append(EspServer(said or case.taken).__enter__())
        settings = case.url(servers[-1].url, **list_keys(name))
        provider = add_provider(
            None, name=name, target=ProviderTarget(kind=ProviderKind.ESP, settings=settings), is_operated=True
        )
        send(to=["one@rcpt.test"], **values)
        deliver()
        attempt = Attempt.objects.get()
        ids = case.read_metadata(servers[-1].calls[0]) or {}
        return Scene(case, provider, Mail(remote_id=attempt.remote_id, address="one@rcpt.test", ids=ids))

    yield make
    for server in servers:
        server.__exit__(None, None, None)


MakeScene = Callable[..., Scene]


def status() -> str:
    return Recipient.objects.get().status


def list_types() -> list[str]:
    return [type_.removeprefix("email.") for type_ in Event.objects.order_by("id").values_list("type", flat=True)]


@every_esp
def test_an_event_moves_the_state(make_scene: MakeScene, name: str) -> None:
    scene = make_scene(name)
    assert status() == "sent"
    assert scene.tell("delivered").status_code == 200
    assert status() == "delivered"
    assert Message.objects.get().delivered_at is not None
    assert scene.tell("bounced").status_code == 200
    assert status() == "bounced"
    assert [(row.address, row.reason) for row in Suppression.objects.all()] == [("one@rcpt.test", "bounce")]
    assert list_types() == ["queued", "sent", "delivered", "bounced"]
    assert Event.objects.get(type="email.delivered").data["source"] == name


@every_esp
def test_complaints_and_opens_are_events(make_scene: MakeScene, name: str) -> None:
    scene = make_scene(name, track_opens=True, html="<p>Hi")
    for kind in ("opened", "complained"):
        assert scene.tell(kind).status_code == 200
    assert (status(), list_types()[2:]) == ("sent", ["opened", "complained"])
    assert Suppression.objects.get().reason == "complaint"
    assert Event.objects.get(type="email.opened").data["actor"]


@every_esp
def test_repeated_or_late_events_change_nothing(make_scene: MakeScene, name: str) -> None:
    scene = make_scene(name)
    bounced = sign(name, scene.write("bounced"))
    complained = sign(name, scene.write("complained"))
    for post in (bounced, bounced, complained, complained, bounced):
        assert scene.post(post).status_code == 200
    assert scene.tell("delivered").status_code == 200
    assert (status(), list_types()[2:]) == ("bounced", ["bounced", "complained"])


@every_esp
def test_an_event_about_others_mail_is_thanked_for_and_forgotten(make_scene: MakeScene, name: str) -> None:
    scene = make_scene(name)
    foreign = {"emailsvc_message": str(uuid4()), "emailsvc_recipient": str(uuid4())}
    assert scene.tell("bounced", ids=foreign, remote_id="123").status_code == 200
    assert scene.tell("bounced", ids={}, remote_id="124", address="nobody@rcpt.test").status_code == 200
    assert (status(), list_types()) == ("sent", ["queued", "sent"])


@every_esp
def test_without_our_ids_the_esps_own_name_finds_the_mail(make_scene: MakeScene, name: str) -> None:
    scene = make_scene(name)
    assert scene.tell("delivered", ids={}).status_code == 200
    assert status() == "delivered"


@every_esp
def test_forged_events_are_rejected_and_change_nothing(make_scene: MakeScene, name: str) -> None:
    scene = make_scene(name)
    good = sign(name, scene.write("bounced"))
    unsigned = replace(good, headers={})
    altered = replace(good, body=good.body.replace(b"one@rcpt.test", b"two@rcpt.test"))
    wrong = replace(good, headers={key: value[:-4] + "AAA=" for key, value in good.headers.items()})
    if name == "mailgun":
        body = json.loads(good.body)
        forged = [replace(good, body=json.dumps({**body, "signature": {**body["signature"], "token": "x"}}).encode())]
        forged.append(replace(good, body=json.dumps({**body, "signature": {}}).encode()))
    elif name == "ses":
        body = json.loads(good.body)
        forged = [altered, replace(good, body=json.dumps({**body, "Signature": "AAAA"}).encode())]
    elif name in LOGINS:
        forged = [unsigned, wrong]
    else:
        forged = [unsigned, wrong, altered]
    for post in forged:
        answer = scene.post(post)
        assert answer.status_code in {401, 403}, answer.content
        assert b"ms-key" not in answer.content
    assert (status(), list_types()) == ("sent", ["queued", "sent"])
    assert not ReceivedFeedback.objects.exists()


@every_esp
def test_the_address_itself_is_a_secret(make_scene: MakeScene, name: str, caplog: pytest.LogCaptureFixture) -> None:
    scene = make_scene(name)
    good = sign(name, scene.write("bounced"))
    for path in (f"{scene.provider.pk}/wrong", f"{uuid4()}/{scene.provider.event_secret}", f"{scene.provider.pk}/ü"):
        assert scene.post(good, path).status_code == 404
    assert scene.post(replace(good, body=b"{")).status_code >= 400
    assert scene.provider.event_secret not in caplog.text
    assert status() == "sent"
    head = Client().head(f"/feedback/{scene.provider.pk}/{scene.provider.event_secret}")
    assert head.status_code == 200


@every_esp
def test_nonsense_is_refused_without_an_error_of_ours(make_scene: MakeScene, name: str) -> None:
    scene = make_scene(name)
    events: list[Any] = [
        {},
        [],
        "text",
        17,
        None,
        [[]],
        {"event": []},
        {"RecordType": "Bounce", "Type": {}},
        {"msys": 1},
    ]
    events += [[{}], [{"event": "x"}], [{"msys": {"a": 1}}], {"type": "email.bounced", "data": {"bounce": []}}]
    for event in events:
        if name == "ses":
            message = sign_sns(write_sns("Notification", Message=json.dumps(event)))
            post = Post(body=json.dumps(message).encode(), headers={}, content_type="text/plain")
        elif name == "mailgun" and not isinstance(event, dict):
            continue
        else:
            post = sign(name, event)
        assert scene.post(post).status_code in {200, 400}, event
    for body in (b"", b"{", b"\xff", b"[" * 100_000, b'"\\ud800"'):
        assert scene.post(replace(sign(name, scene.write("bounced")), body=body)).status_code in {400, 401, 403}, body[
            :9
        ]
    assert status() == "sent"


@every_esp
def test_an_event_settles_an_uncertain_attempt(make_scene: MakeScene, name: str) -> None:
    """The answer was lost: our own ids in the event tell whose mail it is."""
    scene = make_scene(name, Reply(is_cut=True), on_uncertain=OnUncertain.HOLD)
    recipient = Recipient.objects.get()
    assert (recipient.status, recipient.status_reason, scene.mail.remote_id) == ("delivering", "uncertain", "")
    assert scene.tell("delivered", remote_id="9").status_code == 200
    recipient.refresh_from_db()
    if scene.mail.ids:
        assert (recipient.status, recipient.next_attempt_at) == ("delivered", None)
    else:
        # It takes no ids of ours: a guess would be worse than waiting for a person.
        assert (recipient.status, recipient.status_reason) == ("delivering", "uncertain")


def test_a_large_post_is_kept_and_applied_by_the_workers(make_scene: MakeScene) -> None:
    scene = make_scene("sendgrid")
    foreign = [scene.write("delivered", ids={}, remote_id=str(uuid4()))[0] for _ in range(150)]
    post = sign("sendgrid", [*foreign, *scene.write("delivered")])
    for _ in range(2):
        assert scene.post(post).json() == {"received": 151}
    assert (status(), ReceivedFeedback.objects.count()) == ("sent", 151)
    apply_due()
    assert status() == "delivered"


def test_a_signature_of_yesterday_is_a_replay_where_each_try_is_signed_anew(make_scene: MakeScene) -> None:
    scene = make_scene("resend")
    for seconds, expected in ((-330, 403), (330, 403), (-270, 200)):
        post = sign("resend", scene.write("delivered"), at=time.time() + seconds)
        assert scene.post(post).status_code == expected


def test_a_projects_provider_reveals_nothing_about_other_projects_mail(make_scene: MakeScene, project: Any) -> None:
    scene = make_scene("resend")
    settings = scene.case.url("https://api.resend.test/", **list_keys("resend"))
    other = add_provider(
        project, name="own", target=ProviderTarget(kind=ProviderKind.ESP, settings=settings), is_operated=True
    )
    thief = Scene(scene.case, other, scene.mail)
    assert thief.tell("bounced").status_code == 200
    assert status() == "sent"


MEANINGS = [
    ({"kind": EventKind.ACCEPTED}, "accepted", False),
    ({"kind": EventKind.DELAYED}, "delayed", False),
    ({"kind": EventKind.FAILED}, "failed", False),
    ({"kind": EventKind.UNSUBSCRIBED}, "unsubscribed", False),
    ({"kind": EventKind.BOUNCED, "category": HARD_BOUNCE}, "bounced", True),
    ({"kind": EventKind.BOUNCED, "category": HARD_BOUNCE, "reply": "550 5.0.0 gone"}, "bounced", True),
    ({"kind": EventKind.BOUNCED, "category": HARD_BOUNCE, "reply": "550 5.7.1 blocked by policy"}, "bounced", False),
    ({"kind": EventKind.BOUNCED, "category": HARD_BOUNCE, "reply": "552 5.2.2 full"}, "bounced", False),
    ({"kind": EventKind.BOUNCED, "reply": "smtp; 550 5.1.1 who?"}, "bounced", True),
    ({"kind": EventKind.BOUNCED, "reply": "from 5.1.1.1: no"}, "bounced", False),
    ({"kind": EventKind.LISTED, "category": HARD_BOUNCE}, "bounced", False),
    ({"kind": EventKind.IGNORED}, None, False),
    ({"kind": EventKind.UNKNOWN}, None, False),
]


@pytest.mark.parametrize(("values", "kind", "should_suppress"), MEANINGS)
def test_an_esps_words_become_ours(values: dict[str, Any], kind: str | None, should_suppress: bool) -> None:
    feedback = build_feedback(Provider(name="esp"), EspEvent(name="x", key="k", remote_id="r", **values))
    told = (feedback.kind, feedback.should_suppress) if feedback else (None, False)
    assert told == (kind, should_suppress)


# An event of a type that no ESP documents.
UNKNOWN: dict[str, Any] = {
    "brevo": {"event": "new_type"},
    "mailersend": {"type": "activity.new_type", "data": {}},
    "mailgun": {"event-data": {"event": "new_type"}},
    "mailjet": [{"event": "new_type"}],
    "postmark": {"RecordType": "new_type"},
    "resend": {"type": "email.new_type", "data": {}},
    "sendgrid": [{"event": "new_type"}],
    "ses": write_sns("Notification", Message=json.dumps({"eventType": "new_type", "mail": {}})),
    "sparkpost": [{"msys": {"message_event": {"type": "new_type"}}}],
}


@every_esp
def test_unknown_types_are_accepted_and_counted(make_scene: MakeScene, name: str) -> None:
    scene = make_scene(name)
    for _ in range(2):
        assert scene.post(sign(name, UNKNOWN[name])).status_code == 200
    (row,) = UnknownEvent.objects.all()
    assert (row.provider, row.name.endswith("new_type"), row.count) == (scene.provider, True, 2)
    assert (status(), list_types()) == ("sent", ["queued", "sent"])


def test_the_number_of_counted_names_has_a_limit(make_scene: MakeScene) -> None:
    scene = make_scene("sendgrid")
    assert scene.post(sign("sendgrid", [{"event": f"type {n}" * 50} for n in range(130)])).status_code == 200
    rows = dict(UnknownEvent.objects.values_list("name", "count"))
    assert (len(rows), sum(rows.values()), rows["(others)"]) == (101, 130, 30)


@pytest.mark.parametrize("name", [name for name in CASES if name not in LOGINS])
def test_an_esp_that_can_sign_is_not_believed_without_a_key(make_scene: MakeScene, name: str) -> None:
    scene = make_scene(name)
    post = sign(name, scene.write("bounced"))
    settings = scene.case.url("https://api.esp.test/", event_login="esp:secret")
    target = ProviderTarget(kind=ProviderKind.ESP, settings=settings)
    change_provider(scene.provider, target=target, is_operated=True)
    login = {"Authorization": "Basic " + b64encode(b"esp:secret").decode()}
    assert scene.post(replace(post, headers={**post.headers, **login})).status_code == 403
    assert status() == "sent"


def test_a_batch_is_recorded_but_for_the_events_that_cannot_be_read(make_scene: MakeScene) -> None:
    scene = make_scene("brevo")
    batch = [{"event": "deferred", "email": "x@y.test", "message-id": "<other>"}, 7, scene.write("delivered"), [], {}]
    assert scene.post(sign("brevo", batch)).json() == {"received": 2}
    assert status() == "delivered"
    assert dict(UnknownEvent.objects.values_list("name", "count")) == {"(malformed)": 3}


def test_an_absence_note_after_the_delivery_is_no_bounce(make_scene: MakeScene) -> None:
    scene = make_scene("ses")
    assert scene.tell("delivered").status_code == 200
    event = json.loads(scene.write("bounced")["Message"])
    event["bounce"] = {"bounceType": "Transient", "bounceSubType": "General"}
    event["bounce"]["bouncedRecipients"] = [{"emailAddress": "one@rcpt.test"}]
    assert scene.post(sign("ses", write_sns("Notification", Message=json.dumps(event)))).status_code == 200
    assert (status(), list_types()[2:]) == ("delivered", ["delivered"])


def test_the_test_of_a_new_mailersend_webhook_is_answered_and_its_public_key_proves_nothing_else(
    make_scene: MakeScene,
) -> None:
    scene = make_scene("mailersend")
    for event, expected in (({"type": "webhook.test", "message": "ping"}, 200), (scene.write("bounced"), 403)):
        body = json.dumps(event).encode()
        signature = hmac.digest(TEST_KEY.encode(), body, "sha256").hex()
        assert scene.post(Post(body=body, headers={"Signature": signature})).status_code == expected
    assert (status(), UnknownEvent.objects.count()) == ("sent", 0)


def test_a_token_of_mailguns_serves_one_event(make_scene: MakeScene) -> None:
    """Mailgun signs a time and a token, and not the event."""
    scene = make_scene("mailgun")
    good = sign("mailgun", scene.write("delivered"))
    assert scene.post(good).status_code == 200
    other = {**json.loads(good.body), **scene.write("bounced")}
    assert scene.post(replace(good, body=json.dumps(other).encode())).status_code == 200
    assert status() == "delivered"


def test_the_esps_id_of_a_mail_is_shown_and_finds_it(make_scene: MakeScene, api: ApiClient, send: Send) -> None:
    scene = make_scene("brevo")
    send(to=["else@rcpt.test"])
    shown = api.get(f"/emails/{Message.objects.order_by('id')[0].pk}").json()
    assert shown["attempts"][0]["remote_id"] == scene.mail.remote_id == "<201798300811.5787683@smtp-relay.test>"
    for text in (scene.mail.remote_id, scene.mail.remote_id.strip("<>")):
        assert [row["id"] for row in api.get(f"/emails?remote_id={quote(text)}").json()["data"]] == [shown["id"]]
    assert api.get("/emails?remote_id=x").json()["data"] == []


# SNS


@pytest.fixture
def ses(make_scene: MakeScene) -> Scene:
    return make_scene("ses")


def post_sns(scene: Scene, message: dict[str, str]) -> int:
    body = json.dumps(message).encode()
    return scene.post(Post(body=body, headers={}, content_type="text/plain; charset=UTF-8")).status_code


def test_both_versions_of_sns_signatures_count(ses: Scene, fetched: list[str]) -> None:
    assert post_sns(ses, sign_sns(ses.write("delivered"), version="1")) == 200
    assert status() == "delivered"
    assert post_sns(ses, sign_sns(ses.write("bounced"), version="2")) == 200
    assert status() == "bounced"
    assert fetched == [CERTIFICATE_URL]


ELSEWHERE = [
    "https://sns.eu-west-1.amazonaws.com.evil.test/SimpleNotificationService-0123abcd.pem",
    "https://evil.test/SimpleNotificationService-0123abcd.pem",
    "https://evil.test/sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem",
    "https://sns.eu-west-1.amazonaws.com@evil.test/SimpleNotificationService-0123abcd.pem",
    "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem",
    "https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-0123abcd.pem",
    "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123abcd.pem",
    "https://s3.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem",
    "https://sns.eu-west-1.amazonaws.com/evil.pem",
    "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem?x",
    "file:///etc/passwd",
]


def test_a_certificate_from_elsewhere_is_not_even_fetched(ses: Scene, fetched: list[str]) -> None:
    for url in ELSEWHERE:
        assert post_sns(ses, sign_sns(ses.write("bounced"), url=url)) == 403, url
        assert (status(), fetched) == ("sent", []), url


CHANGED_AFTERWARDS: list[dict[str, str]] = [
    {"TopicArn": "arn:aws:sns:eu-west-1:999999999999:mail"},
    {"TopicArn": ""},
    {"SignatureVersion": "3"},
    {"Type": "Other"},
    {"Signature": "%%%"},
    {"Message": "{}"},
    {"Subject": "added"},
]


def test_sns_messages_that_are_not_as_signed_or_not_ours_are_refused(ses: Scene) -> None:
    for changes in CHANGED_AFTERWARDS:
        assert post_sns(ses, {**sign_sns(ses.write("bounced")), **changes}) == 403, changes
        assert status() == "sent", changes


def test_a_well_signed_message_of_anothers_topic_is_refused(ses: Scene) -> None:
    foreign = {**ses.write("bounced"), "TopicArn": "arn:aws:sns:eu-west-1:999999999999:mail"}
    assert post_sns(ses, sign_sns(foreign)) == 403
    assert status() == "sent"


def test_an_expired_certificate_proves_nothing(ses: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ses_service, "sns", Sns(lambda url: make_certificate(-1)))
    assert post_sns(ses, sign_sns(ses.write("bounced"))) == 403


def test_while_sns_cannot_be_asked_it_is_told_to_come_again(ses: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(url: str) -> bytes:
        raise NotFetchedError("away")

    monkeypatch.setattr(ses_service, "sns", Sns(fail))
    assert post_sns(ses, sign_sns(ses.write("bounced"))) == 503
    assert status() == "sent"


CONFIRM = f"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"


def ask_to_subscribe(url: str, topic: str = TOPIC) -> dict[str, str]:
    message = write_sns("SubscriptionConfirmation", Message="You have chosen", Token="2336412f37", SubscribeURL=url)
    return sign_sns({**message, "TopicArn": topic})


def test_a_subscription_to_our_topic_is_confirmed(ses: Scene, fetched: list[str]) -> None:
    assert post_sns(ses, ask_to_subscribe(CONFIRM)) == 200
    assert fetched == [CERTIFICATE_URL, CONFIRM]
    assert (
        post_sns(ses, sign_sns(write_sns("UnsubscribeConfirmation", Message="x", Token="y", SubscribeURL="z"))) == 200
    )
    told = write_sns("Notification", Message="Successfully validated SNS topic for Amazon SES event publishing.")
    assert post_sns(ses, sign_sns(told)) == 200
    assert fetched == [CERTIFICATE_URL, CONFIRM]


NOT_TO_CONFIRM = [
    CONFIRM.replace("amazonaws.com", "amazonaws.com.evil.test"),
    CONFIRM.replace("https", "http"),
    CONFIRM.replace("eu-west-1.amazonaws", "us-east-1.amazonaws"),
    CONFIRM.replace("ConfirmSubscription", "DeleteTopic"),
    CONFIRM.replace(":mail", ":other"),
    "http://169.254.169.254/latest/meta-data/",
]


def test_a_subscription_is_confirmed_nowhere_else(ses: Scene, fetched: list[str]) -> None:
    for url in NOT_TO_CONFIRM:
        assert post_sns(ses, ask_to_subscribe(url)) == 403, url
        assert fetched in ([CERTIFICATE_URL], []), url


def test_an_unknown_topic_is_not_subscribed_to(ses: Scene, fetched: list[str]) -> None:
    foreign = TOPIC.replace("mail", "evil")
    assert post_sns(ses, ask_to_subscribe(CONFIRM.replace(TOPIC, foreign), foreign)) == 403
    assert fetched == []
