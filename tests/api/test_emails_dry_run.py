"""POST /api/v1/emails?dry_run=true."""

from base64 import b64encode
from email import message_from_string, policy

import pytest
from django.utils import timezone

from accounts.installation.limits import LimitValues, set_limits
from accounts.models import IdempotencyKey
from domains.alignment import AlignmentState, Authenticated, find_alignment
from domains.dkim_keys import Algorithm, build_key
from domains.models import Domain, RecordCheck
from messages.models import AttachmentContent, Content, Message, Pause, Recipient, Subject, Upload
from messages.pausing.state import pause_state
from providers.models import Provider
from providers.routing.selection import routes
from providers.services import sync_shared_provider
from tests.api.conftest import EMAIL
from tests.provider_rows import settings_of
from tracking.models import Event, TrackedLinks
from webhooks.models import WebhookDelivery

pytestmark = pytest.mark.django_db
PATH = "/emails?dry_run=true"
HTML = '<p><a href="https://shop.test/a?x=1&amp;y=2">A</a> <a href="mailto:us@mine.test">write</a></p>'
TABLES = (
    *(Message, Content, Subject, Recipient, AttachmentContent, Upload),
    *(Event, TrackedLinks, WebhookDelivery, IdempotencyKey),
)


@pytest.fixture(autouse=True)
def _inbox(db):
    """A provider that nobody asks for anything."""
    sync_shared_provider("inbox://127.0.0.1:9")
    routes.forget()


@pytest.fixture
def relay(project):
    """A provider of the project's own: its mail can leave."""
    relay = Provider.objects.create(project=project, name="own", kind="smtp", settings=settings_of("smtp://192.0.2.1"))
    routes.forget()
    return relay


def try_out(client, /, **values):
    answer = client.post(PATH, {**EMAIL, **values})
    assert answer.status_code == 200, answer.content
    return answer.json()


def parse(body):
    return message_from_string(body["mime"], policy=policy.default)


def test_a_dry_run_tells_what_would_be_sent_to_whom(api):
    body = try_out(api, to=["Jo <jo@x.test>"], bcc="b@x.test", html=HTML, headers={"X-Own": "1"})
    assert sorted(body) == ["alignment", "links", "mime", "recipients", "size"]
    mail = parse(body)
    assert (mail["From"], mail["To"], mail["Bcc"], mail["X-Own"]) == ("shop@mine.test", "Jo <jo@x.test>", None, "1")
    assert mail.get_body(["plain"]).get_content().strip() == "Hello."
    assert body["size"] == len(body["mime"].encode())
    assert body["recipients"] == [
        {"address": address, "decision": "queued", "reason": None, "stream": "default", "provider": "default"}
        for address in ("jo@x.test", "b@x.test")
    ]
    assert body["links"] == [
        {"url": "https://shop.test/a?x=1&y=2", "tracked": False},
        {"url": "mailto:us@mine.test", "tracked": False},
    ]


def test_the_mime_is_the_one_that_is_sent(api, post, test_api, deliver):
    """But for its ids and times, which belong to one message."""
    values = {
        "to": ["jo@x.test", "sam@x.test"],
        "html": "<p>Grüße</p>",
        "track_opens": True,
        "enable_unsubscribe": True,
        "attachments": [
            {"filename": "a.bin", "content_type": "application/x-own", "content_b64": b64encode(bytes(99)).decode()}
        ],
    }
    sent = post(test_api, **values)
    deliver()
    real = message_from_string(test_api.get(f"/emails/{sent['id']}/raw").content.decode(), policy=policy.default)
    tried = parse(try_out(test_api, **values))
    assert [name for name, _ in tried.items()] == [name for name, _ in real.items()]
    assert [part.get_content_type() for part in tried.walk()] == [part.get_content_type() for part in real.walk()]
    assert [file.get_content() for file in tried.iter_attachments()] == [bytes(99)]


def test_nothing_is_stored_and_nobody_is_woken(api, django_capture_on_commit_callbacks):
    api.post("/webhooks", {"url": "https://93.184.215.14/", "events": ["*"]})
    api.post("/suppressions", {"address": "no@x.test"})
    before = [table.objects.count() for table in TABLES]
    file = {"filename": "a", "content_type": "text/plain", "content_b64": "YQ=="}
    with django_capture_on_commit_callbacks() as callbacks:
        try_out(api, to=["a@x.test", "no@x.test"], html=HTML, track_clicks=True, attachments=[file])
    assert callbacks == []
    assert [table.objects.count() for table in TABLES] == before


def test_an_idempotency_key_stays_unused(api):
    for _ in range(2):
        answer = api.post(PATH, EMAIL, Idempotency_Key="once")
        assert (answer.status_code, "Idempotency-Replayed" in answer) == (200, False)
    assert api.post("/emails", EMAIL, Idempotency_Key="once").status_code == 202
    assert api.post(PATH, {**EMAIL, "subject": "Other"}, Idempotency_Key="once").status_code == 200
    assert api.post(PATH, EMAIL, Idempotency_Key="ü").json()["code"] == "idempotency_key_invalid"


def test_it_costs_a_request_and_no_message(api, project):
    set_limits("test", project, LimitValues(messages_per_day=1))
    for _ in range(2):
        assert api.post(PATH, EMAIL)["RateLimit-Remaining"] == "1"
    assert api.post("/emails", EMAIL)["RateLimit-Remaining"] == "0"
    assert api.post(PATH, EMAIL).status_code == 200
    set_limits("test", project, LimitValues(requests_per_second=1))
    answers = [api.post(PATH, EMAIL, Idempotency_Key="k").status_code for _ in range(3)]
    assert answers[-1] == 429


def test_a_suppressed_recipient_is_told_with_the_reason(api):
    api.post("/suppressions", {"address": "no@x.test"})
    body = try_out(api, to=["no@x.test", "yes@x.test"])
    told = [(one["address"], one["decision"], one["reason"], one["provider"]) for one in body["recipients"]]
    assert told == [("no@x.test", "suppressed", "manual", None), ("yes@x.test", "queued", None, "default")]
    assert parse(body)["To"] == "no@x.test, yes@x.test"
    (alone,) = try_out(api, to="No@x.test")["recipients"]
    assert (alone["decision"], alone["reason"]) == ("suppressed", "manual")


def test_an_opt_out_is_told_where_it_holds(api):
    api.post("/suppressions", {"address": "no@x.test", "reason": "unsubscribe"})
    (free,) = try_out(api, to="no@x.test")["recipients"]
    (stopped,) = try_out(api, to="no@x.test", enable_unsubscribe=True)["recipients"]
    assert (free["decision"], stopped["decision"], stopped["reason"]) == ("queued", "suppressed", "unsubscribe")


def test_scheduled_and_paused_mail_is_told_so(api, project):
    (one,) = try_out(api, scheduled_at="2027-06-01T00:00:00Z")["recipients"]
    assert (one["decision"], one["reason"]) == ("scheduled", None)
    Pause.objects.create(project=project, kind="recipient_domain", value="paused.test")
    Pause.objects.create(project=project, kind="tag", value="slow", per_minute=5, is_by_guard=True)
    pause_state.forget()
    body = try_out(api, to=["a@x.test", "a@paused.test"], tags=["slow"])
    pause_state.forget()
    assert [one["reason"] for one in body["recipients"]] == [None, "paused"]


def test_without_a_usable_provider_the_mail_would_wait(api, settings, relay):
    settings.TRUSTED_SENDER_DOMAINS = ["mine.test"]
    (one,) = try_out(api)["recipients"]
    assert (one["provider"], one["reason"]) == ("own", None)
    api.post(f"/providers/{relay.pk}/pause", {})
    (one,) = try_out(api)["recipients"]
    assert (one["decision"], one["provider"], one["reason"]) == ("queued", None, "no_provider")


def test_a_test_key_goes_to_the_simulator(test_api):
    (one,) = try_out(test_api)["recipients"]
    assert one["provider"] == "simulator"


def test_a_tracked_link_is_told_and_replaced(api):
    body = try_out(api, html=HTML, track_clicks=True)
    assert [link["tracked"] for link in body["links"]] == [True, False]
    assert "https://shop.test/a" not in parse(body).get_body(["html"]).get_content()


def test_without_emails_read_the_mime_is_null(make_api):
    body = try_out(make_api(scopes=["emails:send"]))
    assert (body["mime"], body["size"] > 100) == (None, True)
    assert make_api(scopes=["emails:read"]).post(PATH, EMAIL).status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": "nobody", "subject": "a\r\nb"},
        {"subject": None},
        {"scheduled_att": "2030-01-01T00:00:00Z"},
        {"template_id": "none", "subject": None, "text": None},
        {"headers": {"Subject": "x"}},
        {"stream": "none"},
        {"attachments": [{"filename": "a", "content_type": "text/plain", "content_b64": "?"}]},
    ],
)
def test_an_invalid_body_gets_the_same_errors(api, wrong):
    body = {name: value for name, value in {**EMAIL, **wrong}.items() if value is not None}
    real, tried = api.post("/emails", body), api.post(PATH, body)
    assert (tried.status_code, tried.json()["errors"]) == (real.status_code, real.json()["errors"])
    assert real.status_code == 422


def test_a_sender_that_is_not_verified_is_refused(api, settings, relay):
    settings.TRUSTED_SENDER_DOMAINS = []
    assert api.post(PATH, EMAIL).json()["code"] == "sender_not_verified"


@pytest.mark.parametrize("query", ["dry_run=1", "dry_run=", "dry_run=True", "dry_run=true&dry=1"])
def test_an_unclear_query_sends_nothing(api, query):
    assert api.post(f"/emails?{query}", EMAIL).status_code == 422
    assert not Message.objects.exists()


def test_dry_run_false_sends(api):
    assert api.post("/emails?dry_run=false", EMAIL).status_code == 202


def test_the_alignment_follows_the_domains_records(api, project, settings):
    settings.REPORT_DOMAIN = ""
    assert try_out(api)["alignment"] == {"spf": "unknown", "dkim": "not_aligned", "dmarc": "unknown"}
    domain = Domain.objects.create(
        project=project,
        name="mine.test",
        status="verified",
        verified_at="2020-01-01T00:00Z",
        next_check_at="2999-01-01T00:00Z",
    )
    RecordCheck.objects.create(
        domain=domain, purpose="return_path", type="CNAME", name="bounce.mine.test", value="mail.test", status="ok"
    )
    key = build_key(domain, Algorithm.ED25519)
    key.activated_at = timezone.now()
    key.save()
    body = try_out(api, domain_id=str(domain.pk))
    assert body["alignment"] == {"spf": "aligned", "dkim": "aligned", "dmarc": "aligned"}
    assert "d=mine.test" in parse(body)["DKIM-Signature"]


@pytest.mark.parametrize(
    ("host", "relay", "foreign", "expected"),
    [
        ("bounces.service.test", False, False, ("not_aligned", "not_aligned", "not_aligned")),
        ("bounce.mine.co.uk", True, False, ("aligned", "unknown", "aligned")),
        ("bounce.other.co.uk", False, False, ("not_aligned", "not_aligned", "not_aligned")),
        ("bounce.mine.co.uk", True, True, ("unknown", "unknown", "unknown")),
    ],
)
def test_alignment_is_judged_by_registered_domains(host, relay, foreign, expected):
    found = find_alignment(
        Authenticated(
            sender_domain="news.mine.co.uk",
            return_host=host,
            is_signed=False,
            is_relayed=relay,
            has_foreign_path=foreign,
        )
    )
    assert (found.spf, found.dkim, found.dmarc) == tuple(map(AlignmentState, expected))
