"""Attachments: as they are posted, and GET /api/v1/emails/{id}/attachments/{attachment_id}."""

import uuid
from base64 import b64encode

import pytest

from messages.api.attachment_fields import limit_body
from messages.models import AttachmentContent, Message
from tests.api.conftest import EMAIL

pytestmark = pytest.mark.django_db
MIB = 1024 * 1024


def file(content=b"abc", **values):
    encoded = b64encode(content).decode()
    return {"filename": "a.txt", "content_type": "text/plain", "content_b64": encoded, **values}


def errors_of(answer):
    assert answer.status_code == 422, answer.content
    return [(error["field"], error["code"]) for error in answer.json()["errors"]]


def test_the_bytes_come_back_as_a_download(api, post):
    content = bytes(range(256)) * 3
    body = post(attachments=[file(content, filename="ünïcode 1.bin", content_type="application/x-thing; a=b")])
    (shown,) = body["attachments"]
    assert shown.keys() == {"id", "filename", "content_type", "size", "content_id"}
    assert (shown["size"], shown["content_id"]) == (768, None)
    for path in ("", "/"):
        answer = api.get(f"/emails/{body['id']}/attachments/{shown['id']}{path}")
        assert (answer.status_code, answer.content) == (200, content)
    assert answer["Content-Type"] == "application/x-thing; a=b"
    assert answer["Content-Disposition"].startswith("attachment; filename*=utf-8''%C3%BCn%C3%AFcode%201.bin")
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("accept", ["application/pdf", "text/html", "application/json", "x"])
def test_no_accept_header_stands_in_the_way(api, post, accept):
    body = post(attachments=[file()])
    path = f"/emails/{body['id']}/attachments/{body['attachments'][0]['id']}"
    assert api.get(path, Accept=accept).content == b"abc"


def test_five_files_in_their_order_are_taken_and_one_more_is_not(api, post):
    names = [f"{number}.txt" for number in (3, 1, 2, 5, 4)]
    body = post(attachments=[file(filename=name) for name in names])
    assert [shown["filename"] for shown in body["attachments"]] == names
    assert [shown["filename"] for shown in api.get(f"/emails/{body['id']}").json()["attachments"]] == names
    assert errors_of(api.post("/emails", {**EMAIL, "attachments": [file()] * 6})) == [("attachments", "max_length")]


def test_five_mebibytes_in_all_are_taken_and_one_byte_more_is_not(api):
    halves = [file(b"x" * (2 * MIB)), file(b"y" * (3 * MIB))]
    assert api.post("/emails", {**EMAIL, "attachments": halves}).status_code == 202
    answer = api.post("/emails", {**EMAIL, "attachments": [*halves, file(b"z")]})
    assert errors_of(answer) == [("attachments", "attachments_too_large")]
    answer = api.post("/emails", {**EMAIL, "attachments": [file(b"z" * (5 * MIB + 1))]})
    assert errors_of(answer)[0][1] == "attachments_too_large"
    assert Message.objects.count() == 1


def test_equal_contents_of_a_project_are_kept_once(post, make_api, other_project):
    post(attachments=[file(), file(filename="b.txt")])
    post(attachments=[file(filename="c.txt")])
    assert AttachmentContent.objects.count() == 1
    post(make_api(other_project), attachments=[file()])
    assert AttachmentContent.objects.count() == 2


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("C:\\temp\\a.txt", "C:_temp_a.txt"),
        ("June/July.txt", "June_July.txt"),
        ("gpj\u202e.exe", "gpj.exe"),
        (" a.txt ", "a.txt"),
        ("a.tar.gz", "a.tar.gz"),
        (".profile", ".profile"),
        ("x" * 251 + ".txt", "x" * 251 + ".txt"),
        ('a"b;c.txt', 'a"b;c.txt'),
        ("报告.pdf", "报告.pdf"),
    ],
)
def test_a_file_name_keeps_its_words_and_no_paths(post, given, kept):
    assert post(attachments=[file(filename=given)])["attachments"][0]["filename"] == kept


@pytest.mark.parametrize("given", ["logo", "<logo>", "logo@mine.test", "a-b.c_d"])
def test_a_content_id_is_kept_without_its_brackets(post, given):
    assert post(attachments=[file(content_id=given)])["attachments"][0]["content_id"] == given.strip("<>")


@pytest.mark.parametrize("absent", [None, "", {}, []], ids=repr)
def test_an_empty_content_id_counts_as_missing(post, absent):
    assert post(attachments=[file(content_id=absent)])["attachments"][0]["content_id"] is None


@pytest.mark.parametrize(
    ("values", "field", "code"),
    [
        ({"filename": None}, "filename", "required"),
        ({"filename": ""}, "filename", "required"),
        ({"filename": 5}, "filename", "invalid"),
        ({"filename": ".."}, "filename", "invalid_filename"),
        ({"filename": "ü" * 128}, "filename", "max_length"),
        ({"filename": "a\nb.txt"}, "filename", "control_character"),
        ({"content_type": None}, "content_type", "required"),
        ({"content_type": "text"}, "content_type", "invalid_content_type"),
        ({"content_type": "multipart/mixed"}, "content_type", "invalid_content_type"),
        ({"content_type": "Message/Global"}, "content_type", "invalid_content_type"),
        ({"content_type": "text/csv; header=present; HEADER=absent"}, "content_type", "invalid_content_type"),
        ({"content_type": "message/partial; id=1"}, "content_type", "invalid_content_type"),
        ({"content_type": "text/plain\r\nX: y"}, "content_type", "control_character"),
        ({"content_type": "text/plain; charset"}, "content_type", "invalid_content_type"),
        ({"content_b64": None}, "content_b64", "required"),
        ({"content_b64": "YWJ"}, "content_b64", "invalid_base64"),
        ({"content_b64": "\tYWJj"}, "content_b64", "invalid_base64"),
        ({"content_b64": "YW Jj"}, "content_b64", "invalid_base64"),
        ({"content_b64": "YWJj=="}, "content_b64", "invalid_base64"),
        ({"content_b64": "YWI"}, "content_b64", "invalid_base64"),
        ({"content_b64": "YWJ="}, "content_b64", "invalid_base64"),
        ({"content_b64": "===="}, "content_b64", "invalid_base64"),
        ({"content_b64": "_-8="}, "content_b64", "invalid_base64"),
        ({"content_b64": "data:text/plain;base64,YWJj"}, "content_b64", "invalid_base64"),
        ({"content_b64": "YWJjü==="}, "content_b64", "invalid_base64"),
        ({"content_b64": [97, 98]}, "content_b64", "invalid"),
        ({"content_id": "a b"}, "content_id", "invalid_content_id"),
        ({"content_id": "a>\r\nX: y"}, "content_id", "control_character"),
        ({"content_id": "x" * 201}, "content_id", "invalid_content_id"),
        ({"path": "https://x.test/a"}, "path", "unknown_field"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(api, values, field, code):
    answer = api.post("/emails", {**EMAIL, "attachments": [file(), file(**values)]})
    assert errors_of(answer) == [(f"attachments[1].{field}", code)]
    assert not AttachmentContent.objects.exists()


def test_an_empty_file_is_taken(api, post):
    body = post(attachments=[file(b"", filename="none.csv", content_type="text/csv")])
    (shown,) = body["attachments"]
    assert shown["size"] == 0
    assert api.get(f"/emails/{body['id']}/attachments/{shown['id']}").content == b""


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_in_base64_are_passed_over(api, post, end):
    encoded = end.join(["YWJj", "ZGVm", "Zw==", ""])
    body = post(attachments=[file(content_b64=encoded)])
    path = f"/emails/{body['id']}/attachments/{body['attachments'][0]['id']}"
    assert api.get(path).content == b"abcdefg"


@pytest.mark.parametrize(
    ("content_b64", "cause"),
    [
        ("data:text/plain;base64,YWJj", "data: URL"),
        ("_-8=", "base64url"),
        ("YWJj\nYWüj", "character 8 is U+00FC"),
        ("YWJ", "padding is wrong"),
    ],
)
def test_the_cause_of_a_refusal_is_named(api, content_b64, cause):
    answer = api.post("/emails", {**EMAIL, "attachments": [file(content_b64=content_b64)]})
    assert cause in answer.json()["errors"][0]["message"]


def test_a_whole_mail_may_be_attached_unless_its_lines_are_too_long(api, post):
    mail = {"filename": "mail.eml", "content_type": "Message/RFC822"}
    post(attachments=[file(b"From: a@b.test\n\n\xff", **mail)])
    for content in (b"a\0b", b"x" * 999):
        answer = api.post("/emails", {**EMAIL, "attachments": [file(content, **mail)]})
        assert errors_of(answer) == [("attachments[0].content_b64", "invalid_attached_mail")]
        assert "application/octet-stream" in answer.json()["errors"][0]["message"]


def test_an_installation_sets_the_limits(api, settings):
    settings.ATTACHMENT_LIMIT_COUNT, settings.ATTACHMENT_LIMIT_MIB = 7, 40
    assert api.post("/emails", {**EMAIL, "attachments": [file()] * 7}).status_code == 202
    assert errors_of(api.post("/emails", {**EMAIL, "attachments": [file()] * 8})) == [("attachments", "max_length")]
    assert limit_body() == 40 * MIB * 4 // 3 + 8 * MIB
    settings.ATTACHMENT_LIMIT_MIB = 1
    assert limit_body() == 16 * MIB
    answer = api.post("/emails", {**EMAIL, "attachments": [file(b"x" * MIB), file(b"y")]})
    assert errors_of(answer) == [("attachments", "attachments_too_large")]


@pytest.mark.parametrize("value", ["x", 5, True, {"0": {}}])
def test_attachments_are_a_list_of_objects(api, value):
    assert errors_of(api.post("/emails", {**EMAIL, "attachments": value})) == [("attachments", "not_a_list")]
    assert errors_of(api.post("/emails", {**EMAIL, "attachments": [value]}))[0][0].startswith("attachments[0]")


def test_two_files_of_one_content_id_are_refused(api):
    files = [file(content_id="a"), file(content_id="<a>")]
    assert errors_of(api.post("/emails", {**EMAIL, "attachments": files})) == [("attachments", "duplicate_content_id")]


def test_a_file_is_found_only_under_its_own_email_and_project(api, other_api, post):
    body, another = post(attachments=[file()]), post()
    pk = body["attachments"][0]["id"]
    assert api.get(f"/emails/{another['id']}/attachments/{pk}").status_code == 404
    assert api.get(f"/emails/{body['id']}/attachments/{uuid.uuid4()}").status_code == 404
    theirs = other_api.get(f"/emails/{body['id']}/attachments/{pk}", X_Request_Id="same")
    nobodys = other_api.get(f"/emails/{uuid.uuid4()}/attachments/{pk}", X_Request_Id="same")
    assert (theirs.status_code, theirs.content) == (404, nobodys.content)
