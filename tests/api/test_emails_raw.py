"""GET /api/v1/emails/{id}/raw."""

import uuid
from base64 import b64encode
from email import message_from_bytes, policy
from urllib.parse import quote

import mailparser
import pytest

pytestmark = pytest.mark.django_db
PDF = b"%PDF-1.4\n" + bytes(range(256))


@pytest.fixture
def sent(test_api, post, deliver):
    body = post(
        test_api,
        to=["Jo <jo@x.test>", "second@x.test"],
        cc="copy@x.test",
        bcc="hidden@x.test",
        subject="Grüße",
        html="<p>Hi <b>you</b></p>",
        attachments=[
            {"filename": "ü.pdf", "content_type": "application/pdf", "content_b64": b64encode(PDF).decode()},
        ],
        headers={"X-Campaign": "spring"},
    )
    deliver()
    return body


def test_the_message_as_sent_is_a_whole_rfc_5322_message(test_api, sent):
    for path in (f"/emails/{sent['id']}/raw", f"/emails/{sent['id']}/raw/"):
        answer = test_api.get(path)
        assert (answer.status_code, answer["Content-Type"]) == (200, "message/rfc822")
        assert answer["Content-Disposition"] == f'attachment; filename="{sent["id"]}.eml"'
        assert answer["X-Content-Type-Options"] == "nosniff"
    parsed = message_from_bytes(answer.content, policy=policy.default)
    assert parsed.defects == []
    assert (parsed["Subject"], parsed["To"], parsed["Cc"]) == (
        "Grüße",
        "Jo <jo@x.test>, second@x.test",
        "copy@x.test",
    )
    assert (parsed["Message-ID"], parsed["X-Campaign"], parsed["Bcc"]) == (sent["message_id"], "spring", None)
    assert b"hidden@x.test" not in answer.content
    assert parsed.get_body(["plain"]).get_content().strip() == "Hello."
    assert parsed.get_body(["html"]).get_content().strip() == "<p>Hi <b>you</b></p>"
    (file,) = parsed.iter_attachments()
    assert (file.get_filename(), file.get_content()) == ("ü.pdf", PDF)


def test_another_parser_reads_the_same(test_api, sent):
    parsed = mailparser.parse_from_bytes(test_api.get(f"/emails/{sent['id']}/raw").content)
    assert not parsed.has_defects
    assert (parsed.subject, parsed.to[1][1], [text.strip() for text in parsed.text_plain]) == (
        "Grüße",
        "second@x.test",
        ["Hello."],
    )
    assert parsed.attachments[0]["filename"] == "ü.pdf"


@pytest.mark.parametrize("address", ["jo@x.test", "Second@X.test", "hidden@x.test", "Copy <copy@x.test>"])
def test_each_recipients_copy_can_be_asked_for(test_api, sent, address):
    assert test_api.get(f"/emails/{sent['id']}/raw?recipient={quote(address)}").status_code == 200


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("recipient=other@x.test", 404, "not_found"),
        ("recipient=nobody", 422, "invalid_address"),
        ("recipients=jo@x.test", 422, "unknown_field"),
    ],
)
def test_a_recipient_that_it_has_not_is_refused(test_api, sent, query, status, code):
    answer = test_api.get(f"/emails/{sent['id']}/raw?{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("accept", ["message/rfc822", "text/html", "application/json", "*/*;q=0", "nonsense", ""])
def test_no_accept_header_stands_in_the_way(test_api, sent, accept):
    assert test_api.get(f"/emails/{sent['id']}/raw", Accept=accept).status_code == 200


def test_before_the_first_attempt_it_is_409(api, post):
    answer = api.get(f"/emails/{post()['id']}/raw")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_composed")
    assert answer["Content-Type"] == "application/problem+json"


def test_a_recipient_that_nothing_was_sent_to_has_no_copy(test_api, post, deliver):
    test_api.post("/suppressions", {"address": "no@x.test"})
    pk = post(test_api, to=["yes@x.test", "no@x.test"])["id"]
    deliver()
    assert test_api.get(f"/emails/{pk}/raw").status_code == 200
    assert test_api.get(f"/emails/{pk}/raw?recipient=no@x.test").json()["code"] == "not_composed"


def test_another_projects_message_is_404(other_api, sent):
    assert other_api.get(f"/emails/{sent['id']}/raw").status_code == 404
    assert other_api.get(f"/emails/{uuid.uuid4()}/raw").status_code == 404
