"""POST /api/v1/emails: the fields, their effects, and the response."""

import uuid
from base64 import b64encode
from datetime import UTC, datetime, timedelta, timezone

import pytest

from accounts.project_settings import set_may_send_critical
from messages.models import Message, Recipient
from tests.api.conftest import EMAIL
from tests.common.readers import is_utc

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.4 test"
# As the reference documentation of the service's own users writes it.
REFERENCE = {
    "to": ["user@example.com"],
    "subject": "Hello",
    "html": "<p>Hello <b>world</b></p>",
    "text": "Hello world",
    "from_": "Example <noreply@example.com>",
    "cc": ["copy@example.com"],
    "reply_to": "support@example.com",
    "template_id": None,
    "template_vars": {},
    "track_opens": False,
    "track_clicks": False,
    "enable_unsubscribe": False,
    "attachments": [
        {"filename": "invoice.pdf", "content_type": "application/pdf", "content_b64": b64encode(PDF).decode()}
    ],
}


def errors_of(answer):
    return [(error["field"], error["code"]) for error in answer.json()["errors"]]


def test_the_reference_example_is_accepted_as_it_stands(api):
    answer = api.post("/emails", REFERENCE)
    assert answer.status_code == 202, answer.content
    body = api.get(f"/emails/{answer.json()['id']}").json()
    assert (body["from_"], body["to"], body["cc"]) == (
        "Example <noreply@example.com>",
        ["user@example.com"],
        ["copy@example.com"],
    )
    assert (body["reply_to"], body["bcc"]) == (["support@example.com"], [])
    assert (body["subject"], body["html"], body["text"]) == ("Hello", REFERENCE["html"], "Hello world")
    assert (body["track_opens"], body["track_clicks"], body["enable_unsubscribe"]) == (False, False, False)
    assert (body["template_id"], body["domain_id"], body["resent_from"]) == (None, None, None)
    (file,) = body["attachments"]
    assert (file["filename"], file["content_type"], file["size"]) == ("invoice.pdf", "application/pdf", len(PDF))


def test_the_answer_is_202_with_where_it_is_and_the_email(api, settings):
    answer = api.post("/emails", EMAIL)
    body = answer.json()
    assert answer.status_code == 202
    assert answer["Location"] == f"{settings.PUBLIC_URL}/api/v1/emails/{body['id']}"
    assert uuid.UUID(body["id"]).version == 7
    assert (body["status"], body["status_reason"] or "", body["test"]) == ("queued", "no_provider", False)
    assert (body["to"], body["cc"], body["bcc"], body["reply_to"]) == (["one@rcpt.test"], [], [], [])
    (recipient,) = body["recipients"]
    assert (recipient["address"], recipient["name"], recipient["kind"], recipient["status"]) == (
        "one@rcpt.test",
        "",
        "to",
        "queued",
    )
    assert is_utc(body["created_at"])
    assert body["queued_at"] == body["created_at"]
    assert [body[name] for name in ("scheduled_at", "sent_at", "delivered_at", "failed_at", "expires_at")] == [None] * 5
    assert "html" not in body
    assert "attempts" not in body


def test_the_location_of_the_form_with_a_slash_is_the_one_without(api):
    answer = api.post("/emails/", EMAIL)
    assert answer["Location"].endswith(f"/api/v1/emails/{answer.json()['id']}")


ABSENT = [None, "", {}, []]
OPTIONAL = [
    *("cc", "bcc", "reply_to", "html", "template_id", "template_vars", "domain_id"),
    *("track_opens", "track_clicks", "enable_unsubscribe", "expires_at"),
    *("attachments", "headers", "tags", "metadata", "priority", "on_uncertain"),
]


def test_without_a_time_or_with_null_an_email_is_sent_at_once(api):
    for given in ({}, {"scheduled_at": None}):
        assert api.post("/emails", {**EMAIL, **given}).json()["status"] == "queued"


@pytest.mark.parametrize("empty", ["", {}, []], ids=repr)
def test_an_empty_time_is_refused_in_an_email_a_batch_and_a_change(api, empty):
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    pk = api.post("/emails", {**EMAIL, "scheduled_at": later}).json()["id"]
    assert errors_of(api.post("/emails", {**EMAIL, "scheduled_at": empty})) == [("scheduled_at", "invalid_time")]
    batch = api.post("/emails/batch", [EMAIL, {**EMAIL, "scheduled_at": empty}])
    assert (batch.status_code, errors_of(batch)) == (422, [("[1].scheduled_at", "invalid_time")])
    assert errors_of(api.patch(f"/emails/{pk}", {"scheduled_at": empty})) == [("scheduled_at", "invalid_time")]
    assert Message.objects.count() == 1


@pytest.mark.parametrize("absent", ABSENT, ids=repr)
def test_null_and_empty_count_as_absent_in_every_optional_field(api, absent):
    answer = api.post("/emails", {**EMAIL, **dict.fromkeys(OPTIONAL, absent)})
    assert answer.status_code == 202, answer.content
    plain = api.post("/emails", EMAIL).json()
    for name in ("cc", "bcc", "reply_to", "tags", "metadata", "headers", "priority", "on_uncertain", "track_opens"):
        assert answer.json()[name] == plain[name]


@pytest.mark.parametrize("absent", ABSENT, ids=repr)
@pytest.mark.parametrize("name", ["to", "subject", "text"])
def test_null_and_empty_count_as_absent_in_the_required_fields(api, name, absent):
    answer = api.post("/emails", {**EMAIL, name: absent})
    assert answer.status_code == 422
    assert errors_of(answer) == [("html" if name == "text" else name, "required")]


@pytest.mark.parametrize("absent", ABSENT, ids=repr)
def test_a_field_that_does_not_exist_is_refused_even_when_it_is_empty(api, absent):
    assert errors_of(api.post("/emails", {**EMAIL, "scheduled_att": absent})) == [("scheduled_att", "unknown_field")]


def test_a_misspelt_field_is_refused_with_a_hint(api):
    answer = api.post("/emails", {**EMAIL, "scheduled_att": "2030-01-01T00:00:00Z"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_field")
    assert "scheduled_at" in answer.json()["errors"][0]["message"]
    assert not Message.objects.exists()


def test_false_is_false_and_true_is_true(api):
    flags = ("track_opens", "track_clicks", "enable_unsubscribe")
    for value in (True, False):
        body = api.post("/emails", {**EMAIL, **dict.fromkeys(flags, value)}).json()
        assert [body[name] for name in flags] == [value] * 3


def test_from_is_another_name_for_from_(api):
    plain = {name: value for name, value in EMAIL.items() if name != "from_"}
    assert api.post("/emails", {**plain, "from": "A <a@mine.test>"}).json()["from_"] == "A <a@mine.test>"
    both = {**EMAIL, "from": "other@mine.test"}
    assert errors_of(api.post("/emails", both)) == [("from", "ambiguous_field")]
    assert api.post("/emails", {**EMAIL, "from": None}).json()["from_"] == "shop@mine.test"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a@b.test", ["a@b.test"]),
        ("Jo <a@b.test>", ["Jo <a@b.test>"]),
        ('"Doe, Jo" <a@b.test>', ['"Doe, Jo" <a@b.test>']),
        (["a@b.test", "Jo <c@d.test>"], ["a@b.test", "Jo <c@d.test>"]),
        ("Grüße 你好 <a@b.test>", ["Grüße 你好 <a@b.test>"]),
        ("a@BÜCHER.test", ["a@xn--bcher-kva.test"]),
        ("a+tag@sub.domain.test", ["a+tag@sub.domain.test"]),
    ],
)
def test_an_address_or_a_list_of_them_is_taken_in_every_list(api, given, shown):
    for name in ("to", "cc", "bcc", "reply_to"):
        body = api.post("/emails", {**EMAIL, "to": "first@rcpt.test", name: given}).json()
        assert body[name] == shown
        if name != "to":
            assert body["to"] == ["first@rcpt.test"]


def test_duplicates_are_folded_over_all_lists_and_the_first_counts(api):
    lists = {"to": ["a@x.test", "A@x.test", "B <b@x.test>"], "cc": ["b@X.test", "c@x.test"], "bcc": "c@x.test"}
    body = api.post("/emails", {**EMAIL, **lists}).json()
    assert (body["to"], body["cc"], body["bcc"]) == (["a@x.test", "B <b@x.test>"], ["c@x.test"], [])
    assert [row["address"] for row in body["recipients"]] == ["a@x.test", "b@x.test", "c@x.test"]


def test_fifty_recipients_are_taken_and_one_more_is_not(api):
    addresses = [f"u{number}@x.test" for number in range(51)]
    lists = {"to": addresses[:20], "cc": addresses[20:40], "bcc": addresses[40:50]}
    assert len(api.post("/emails", {**EMAIL, **lists}).json()["recipients"]) == 50
    answer = api.post("/emails", {**EMAIL, **lists, "bcc": addresses[40:51]})
    assert errors_of(answer) == [("to", "too_many_recipients")]
    assert Message.objects.count() == 1


def test_duplicates_are_folded_before_recipients_are_counted(api):
    answer = api.post("/emails", {**EMAIL, "to": ["a@x.test"] * 60 + ["b@x.test"], "reply_to": ["r@x.test"] * 60})
    assert answer.status_code == 202
    assert len(answer.json()["recipients"]) == 2
    assert answer.json()["reply_to"] == ["r@x.test"]


def test_html_alone_gets_a_text_part(api):
    posted = api.post("/emails", {**EMAIL, "text": None, "html": "<h1>Hi</h1><p>there</p>"}).json()
    body = api.get(f"/emails/{posted['id']}").json()
    assert body["html"] == "<h1>Hi</h1><p>there</p>"
    assert body["text"].split() == ["Hi", "there"]


def test_text_alone_has_no_html(api, post):
    assert api.get(f"/emails/{post()['id']}").json()["html"] is None


def test_bodies_of_two_mebibytes_are_taken_and_one_byte_more_is_not(api):
    limit = 2 * 1024 * 1024
    assert api.post("/emails", {**EMAIL, "text": "x" * limit}).status_code == 202
    assert errors_of(api.post("/emails", {**EMAIL, "text": "x" * (limit + 1)})) == [("text", "max_length")]
    assert errors_of(api.post("/emails", {**EMAIL, "html": "ü" * (limit // 2 + 1)})) == [("html", "max_length")]


def test_a_subject_of_998_characters_is_taken_and_one_more_is_not(api):
    assert api.post("/emails", {**EMAIL, "subject": "ü" * 998}).json()["subject"] == "ü" * 998
    assert errors_of(api.post("/emails", {**EMAIL, "subject": "x" * 999})) == [("subject", "max_length")]


def test_tags_and_metadata_come_back(api):
    given = {"tags": ["welcome", "x" * 64, "welcome"], "metadata": {"order": "17", "k" * 64: ""}}
    body = api.post("/emails", {**EMAIL, **given}).json()
    assert (body["tags"], body["metadata"]) == (["welcome", "x" * 64], given["metadata"])
    row = api.get(f"/emails/{body['id']}").json()
    assert (row["tags"], row["metadata"]) == (body["tags"], body["metadata"])


def test_ten_tags_and_fifty_pairs_are_taken_and_one_more_is_not(api):
    tags, metadata = [f"t{n}" for n in range(11)], {f"k{n}": "v" for n in range(51)}
    assert api.post("/emails", {**EMAIL, "tags": tags[:10]}).status_code == 202
    assert errors_of(api.post("/emails", {**EMAIL, "tags": tags})) == [("tags", "max_length")]
    assert api.post("/emails", {**EMAIL, "metadata": dict(list(metadata.items())[:50])}).status_code == 202
    assert errors_of(api.post("/emails", {**EMAIL, "metadata": metadata})) == [("metadata", "max_length")]


def test_metadata_of_eight_kibibytes_is_taken_and_one_byte_more_is_not(api):
    assert api.post("/emails", {**EMAIL, "metadata": {"k": "x" * 8191}}).status_code == 202
    assert errors_of(api.post("/emails", {**EMAIL, "metadata": {"k": "x" * 8192}})) == [("metadata", "max_length")]


def test_custom_headers_come_back(api):
    headers = {"X-Campaign": "spring", "List-Id": "<a.b>", "List-Unsubscribe": "<mailto:u@mine.test>"}
    body = api.post("/emails", {**EMAIL, "headers": headers}).json()
    assert body["headers"] == headers


def test_custom_headers_keep_their_order(api, stored):
    headers = {
        "X-Zebra": "1",
        "Precedence": "bulk",
        "X-A": "2",
        "Auto-Submitted": "auto-generated",
        "In-Reply-To": "<1@a.b>",
    }
    body = api.post("/emails", {**EMAIL, "headers": headers}).json()
    assert list(body["headers"].items()) == list(headers.items())
    assert list(api.get(f"/emails/{body['id']}").json()["headers"].items()) == list(headers.items())
    assert stored(body["id"]).headers == [list(pair) for pair in headers.items()]


def test_a_header_is_checked_by_its_syntax(api):
    references = " ".join(f"<{number}.{'x' * 60}@mail.test>" for number in range(100))
    body = api.post("/emails", {**EMAIL, "headers": {"In-Reply-To": " <1@a.b> ", "References": references}}).json()
    assert body["headers"]["In-Reply-To"] == "<1@a.b>"
    kept = body["headers"]["References"].split(" ")
    assert (kept[0], kept[-1]) == (references.split(" ")[0], references.split(" ")[-1])
    assert len(body["headers"]["References"]) < 998
    answer = api.post("/emails", {**EMAIL, "headers": {"List-Unsubscribe": "<https://a.b/ü>", "List-Id": "Shop"}})
    assert errors_of(answer) == [("headers.List-Unsubscribe", "invalid_header"), ("headers.List-Id", "invalid_header")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("References", f"<1@a.b> <{'x' * 1000}@a.b>"),
        ("List-Help", f"<https://a.b/{'x' * 1000}>"),
        ("Errors-To", f"{'x' * 1000}@a.b"),
        ("List-Id", f"<{'x' * 996}>"),
    ],
)
def test_a_header_that_fits_into_no_line_is_refused(api, name, value):
    answer = api.post("/emails", {**EMAIL, "headers": {name: value}})
    assert errors_of(answer) == [(f"headers.{name}", "invalid_header")]


CONTROL = [
    "X-SMTPAPI",
    "x-mc-Tags",
    "X-PM-Tag",
    "X-MSYS-API",
    "X-SES-CONFIGURATION-SET",
    "Apparently-To",
    "X-MJ-CustomID",
]


@pytest.mark.parametrize("name", CONTROL)
def test_control_headers_of_mail_services_need_the_projects_leave(api, project, name):
    email = {**EMAIL, "headers": {"X-Order": "1", name: "a@b.test"}}
    assert errors_of(api.post("/emails", email)) == [(f"headers.{name}", "header_not_allowed")]
    project.allowed_headers = [f"{name[:4].lower()}*"]
    project.save(update_fields=["allowed_headers"])
    assert api.post("/emails", email).status_code == 202
    assert errors_of(api.post("/emails", {**EMAIL, "headers": {"Bcc": "a@b.test"}})) == [
        ("headers.Bcc", "header_reserved")
    ]


def test_the_unsubscribe_headers_are_ours_where_they_are_asked_for(api):
    answer = api.post("/emails", {**EMAIL, "enable_unsubscribe": True, "headers": {"list-unsubscribe": "<mailto:x>"}})
    assert errors_of(answer) == [("headers.list-unsubscribe", "header_reserved")]


PROTECTED = [
    *("From", "To", "CC", "Bcc", "Subject", "Date", "Message-ID", "Reply-To", "Sender", "MIME-Version", "Content-Type"),
    *("content-transfer-encoding", "Return-Path", "Received", "DKIM-Signature", "Resent-To", "ARC-Seal"),
    *("Authentication-Results", "X-Emailsvc-Id"),
]


@pytest.mark.parametrize("name", PROTECTED)
def test_headers_that_we_or_the_hops_write_are_refused(api, name):
    answer = api.post("/emails", {**EMAIL, "headers": {name: "x"}})
    assert errors_of(answer) == [(f"headers.{name}", "header_reserved")]


@pytest.mark.parametrize("priority", ["critical", "normal", "bulk"])
@pytest.mark.parametrize("on_uncertain", ["retry", "hold"])
def test_priority_and_what_to_do_when_uncertain_are_kept(api, priority, on_uncertain):
    body = api.post("/emails", {**EMAIL, "priority": priority, "on_uncertain": on_uncertain}).json()
    assert (body["priority"], body["on_uncertain"]) == (priority, on_uncertain)
    assert Recipient.objects.get().lane == priority


@pytest.mark.parametrize("path", ["/emails", "/emails/batch"])
def test_critical_mail_needs_a_scope_of_its_own(make_api, path):
    critical = {**EMAIL, "priority": "critical"}
    body = critical if path == "/emails" else [EMAIL, critical]
    refused = make_api(scopes=["emails:send"]).post(path, body)
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
    assert "emails:send:critical" in refused.json()["detail"]
    assert not Recipient.objects.exists()
    assert make_api(scopes=["emails:send", "emails:send:critical"]).post(path, body).status_code == 202


def test_the_scope_for_critical_mail_alone_sends_nothing(make_api):
    assert make_api(scopes=["emails:send:critical"]).post("/emails", EMAIL).status_code == 403


def test_a_project_may_let_all_its_keys_send_critical_mail(make_api, project):
    api = make_api(scopes=["emails:send"])
    set_may_send_critical(project, is_allowed=True)
    assert api.post("/emails", {**EMAIL, "priority": "critical"}).status_code == 202


def in_days(days):
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def test_a_future_time_makes_it_scheduled_and_is_shown_in_utc(api):
    at = (datetime.now(timezone(timedelta(hours=5, minutes=30))) + timedelta(days=364)).replace(microsecond=0)
    body = api.post("/emails", {**EMAIL, "scheduled_at": at.isoformat()}).json()
    assert (body["status"], body["queued_at"]) == ("scheduled", None)
    assert is_utc(body["scheduled_at"])
    assert datetime.fromisoformat(body["scheduled_at"]) == at


@pytest.mark.parametrize(
    ("times", "error"),
    [
        ({"scheduled_at": in_days(-1)}, ("scheduled_at", "not_in_future")),
        ({"scheduled_at": in_days(366)}, ("scheduled_at", "too_far_ahead")),
        ({"scheduled_at": "2030-01-01T12:00:00"}, ("scheduled_at", "offset_required")),
        ({"scheduled_at": "tomorrow"}, ("scheduled_at", "invalid_time")),
        ({"scheduled_at": 1_900_000_000}, ("scheduled_at", "invalid_time")),
        ({"expires_at": in_days(-1)}, ("expires_at", "not_in_future")),
        ({"expires_at": in_days(1), "scheduled_at": in_days(2)}, ("expires_at", "not_in_future")),
        ({"expires_at": "2030-01-01"}, ("expires_at", "invalid_time")),
    ],
)
def test_a_time_that_cannot_be_meant_is_refused(api, times, error):
    assert errors_of(api.post("/emails", {**EMAIL, **times})) == [error]


def test_an_expiry_after_the_schedule_is_kept(api):
    body = api.post("/emails", {**EMAIL, "scheduled_at": in_days(1), "expires_at": in_days(2)}).json()
    assert body["status"] == "scheduled"
    assert is_utc(body["expires_at"])


def test_a_template_and_content_exclude_each_other(api):
    answer = api.post("/emails", {**EMAIL, "template_id": "welcome"})
    assert answer.status_code == 422
    assert set(errors_of(answer)) == {
        ("subject", "content_conflict"),
        ("text", "content_conflict"),
        ("template_id", "template_not_found"),
    }
    answer = api.post("/emails", {**EMAIL, "template_vars": {"a": 1}})
    assert errors_of(answer) == [("template_vars", "content_conflict")]


def test_a_template_that_does_not_exist_is_refused(api):
    email = {"from_": "shop@mine.test", "to": "one@rcpt.test", "template_id": "nothing"}
    assert errors_of(api.post("/emails", email)) == [("template_id", "template_not_found")]


def test_all_that_is_wrong_is_named_at_once(api):
    answer = api.post("/emails", {"to": "x", "subject": "a\nb", "cc": ["ok@x.test", 5], "priority": "high", "x": 1})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_fields")
    assert {field for field, _ in errors_of(answer)} == {
        "to",
        "subject",
        "cc[1]",
        "priority",
        "x",
        "html",
        "from_",
    }


def test_an_unknown_query_parameter_is_refused(api):
    assert errors_of(api.post("/emails?mode=permissive", EMAIL)) == [("mode", "unknown_field")]


def test_mail_of_a_test_key_says_so(test_api, api):
    body = test_api.post("/emails", {**EMAIL, "from_": "any@unverified.test"}).json()
    assert body["test"] is True
    assert api.get(f"/emails/{body['id']}").json()["test"] is True
    assert api.get("/emails?test=true").json()["data"][0]["test"] is True


def test_the_message_id_is_the_id_at_the_senders_domain(post):
    body = post()
    assert body["message_id"] == f"<{body['id']}@mine.test>"


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"html": "<a href='{{ unsubscribe_url }}'>x</a>"}, "html", "unsubscribe_not_enabled"),
        ({"html": "<a href='http://%7B%7Bunsubscribe_url%7D%7D'>x</a>"}, "html", "unsubscribe_not_enabled"),
        ({"text": "{unsubscribe_url}"}, "text", "unsubscribe_placeholder_invalid"),
        ({"text": "{{ unsubscribe_url", "enable_unsubscribe": True}, "text", "unsubscribe_placeholder_invalid"),
        (
            {"subject": "{{ unsubscribe_url }}", "enable_unsubscribe": True},
            "subject",
            "unsubscribe_placeholder_invalid",
        ),
    ],
)
def test_no_placeholder_of_the_unsubscribe_link_reaches_a_recipient(api, body, field, code):
    assert errors_of(api.post("/emails", {**EMAIL, **body})) == [(field, code)]
