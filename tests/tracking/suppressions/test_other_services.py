"""Suppression files of other services, in the form in which they export them."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest

from accounts.models import Project, StreamType
from accounts.streams import create_stream
from tests import needs
from tracking.models import Suppression
from tracking.suppressions.csv_files import ImportPlan, import_suppressions
from tracking.suppressions.rows import BadLine
from tracking.suppressions.text_lines import read_lines

MOMENT = datetime(2019, 9, 13, 12, 24, 46, tzinfo=UTC)
Found = list[tuple[str, str, str | None]]


def load(project: Project, content: bytes | str, **options: Any) -> tuple[Found, list[tuple[int, str]]]:
    """The imported entries, and the lines that were not taken."""
    raw = content if isinstance(content, bytes) else content.encode()
    bad: list[BadLine] = []
    import_suppressions(project.pk, read_lines(BytesIO(raw)), ImportPlan(**options), bad.append)
    found = Suppression.objects.filter(project=project).order_by("address", "stream")
    return list(found.values_list("address", "reason", "stream")), [
        (each.line, each.code) for each in bad if not each.is_taken
    ]


SENDGRID_BOUNCES = """status,reason,email,created
5.1.1,"550 5.1.1 The account ""a""
does not exist, sorry",a@x.test,1568377486
,unable to get mx info: no such host,b@x.test,1568377486
4.2.2,mailbox full,c@x.test,1568377486
"""
FILES = {
    "sendgrid bounces": (SENDGRID_BOUNCES, [("a@x.test", "bounce"), ("b@x.test", "bounce")], [(5, "not_suppressed")]),
    "sendgrid invalid": (
        "reason,email,created\nKnown bad domain,a@x.test,1568377486\n",
        [("a@x.test", "bounce")],
        [],
    ),
    "sendgrid spam reports": ("ip,email,created\n192.0.2.7,a@x.test,1568377486\n", [("a@x.test", "complaint")], []),
    "mailgun bounces": (
        'Address,Code,Error,Created At\na@x.test,550,"No such mailbox","Fri, 13 Sep 2019 12:24:46 UTC"\n'
        'b@x.test,605,,"Fri, 13 Sep 2019 14:24:46 +0200"\n',
        [("a@x.test", "bounce"), ("b@x.test", "bounce")],
        [],
    ),
    "mailgun unsubscribes": (
        'address,tags,created_at\na@x.test,*,"Fri, 13 Sep 2019 12:24:46 GMT"\nb@x.test,weekly,\n',
        [("a@x.test", "unsubscribe")],
        [(3, "unknown_stream")],
    ),
    "mailgun json": (
        json.dumps({"items": [{"address": "a@x.test", "tags": ["*"], "created_at": "Fri, 13 Sep 2019 12:24:46 UTC"}]}),
        [("a@x.test", "unsubscribe")],
        [],
    ),
    "postmark": (
        '"Email Address","Suppression Reason","Origin","Created At"\n'
        "a@x.test,HardBounce,Recipient,2019-09-13T08:24:46-04:00\n"
        "b@x.test,SpamComplaint,Recipient,2019-09-13T08:24:46.0000000-04:00\n"
        "c@x.test,ManualSuppression,Recipient,2019-09-13T08:24:46-04:00\n"
        "d@x.test,ManualSuppression,Customer,2019-09-13T08:24:46-04:00\n",
        [("a@x.test", "bounce"), ("b@x.test", "complaint"), ("c@x.test", "unsubscribe"), ("d@x.test", "manual")],
        [],
    ),
    "postmark json": (
        json.dumps(
            {
                "Suppressions": [
                    {"EmailAddress": "a@x.test", "SuppressionReason": "HardBounce", "CreatedAt": "2019-09-13T12:24:46Z"}
                ]
            },
            indent=1,
        ),
        [("a@x.test", "bounce")],
        [],
    ),
    "ses": (
        "EmailAddress,Reason,LastUpdateTime\na@x.test,BOUNCE,2019-09-13T12:24:46.000Z\nb@x.test,COMPLAINT,1568377486.0\n",
        [("a@x.test", "bounce"), ("b@x.test", "complaint")],
        [],
    ),
    "ses json lines": (
        '{"EmailAddress": "a@x.test", "Reason": "BOUNCE", "LastUpdateTime": "2019-09-13T12:24:46.000Z"}\n'
        '{"EmailAddress": "b@x.test", "Reason": "COMPLAINT", "LastUpdateTime": 1568377486000}\n',
        [("a@x.test", "bounce"), ("b@x.test", "complaint")],
        [],
    ),
    "mandrill": (
        "email,reason,detail,created_at,last_event_at,expires_at,expired,sender\n"
        "a@x.test,hard-bounce,550 gone,2019-09-13 12:24:46,2020-01-01 00:00:00,,false,\n"
        "b@x.test,spam,,2019-09-13 12:24:46,,,false,\n"
        "c@x.test,unsub,,2019-09-13 12:24:46,,,false,\n"
        "d@x.test,custom,asked,2019-09-13 12:24:46,,,false,\n"
        "e@x.test,soft-bounce,,2019-09-13 12:24:46,,2020-01-01 00:00:00,false,\n"
        "f@x.test,hard-bounce,,2019-09-13 12:24:46,,2020-01-01 00:00:00,true,\n",
        [("a@x.test", "bounce"), ("b@x.test", "complaint"), ("c@x.test", "unsubscribe"), ("d@x.test", "manual")],
        [(6, "not_suppressed"), (7, "expired")],
    ),
    "brevo blocked contacts": (
        "email;senderEmail;reason;blockedAt\n"
        "a@x.test;me@shop.test;hardBounce;2019-09-13T12:24:46.000Z\n"
        "b@x.test;me@shop.test;contactFlaggedAsSpam;2019-09-13T12:24:46.000Z\n"
        "c@x.test;me@shop.test;unsubscribedViaEmail;2019-09-13T12:24:46.000Z\n"
        "d@x.test;me@shop.test;adminBlocked;2019-09-13T12:24:46.000Z\n",
        [("a@x.test", "bounce"), ("b@x.test", "complaint"), ("c@x.test", "unsubscribe"), ("d@x.test", "manual")],
        [],
    ),
    "brevo json": (
        json.dumps(
            {
                "count": 1,
                "contacts": [
                    {
                        "email": "a@x.test",
                        "reason": {"code": "unsubscribedViaApi", "message": "by a call"},
                        "blockedAt": "2019-09-13T12:24:46.000Z",
                    }
                ],
            }
        ),
        [("a@x.test", "unsubscribe")],
        [],
    ),
    "postmark bounces": (
        json.dumps(
            {
                "TotalCount": 5,
                "Bounces": [
                    {"ID": 1, "Type": kind, "Name": "x", "Details": "550", "Email": email, "From": "me@shop.test"}
                    | {"BouncedAt": "2019-09-13T08:24:46.0000000-04:00", "Inactive": inactive, "Subject": "Hi"}
                    for kind, email, inactive in (
                        ("HardBounce", "a@x.test", True),
                        ("SpamComplaint", "b@x.test", True),
                        ("BadEmailAddress", "c@x.test", True),
                        ("HardBounce", "d@x.test", False),
                        ("SpamNotification", "e@x.test", False),
                    )
                ],
            }
        ),
        [("a@x.test", "bounce"), ("b@x.test", "complaint"), ("c@x.test", "bounce")],
        [(4, "not_suppressed"), (5, "not_suppressed")],
    ),
    "brevo log": (
        "st_text;ts;sub;frm;email;tag;mid;link\n"
        "Hard bounce;13-09-2019 12:24:46;Hi;me@shop.test;a@x.test;;<1@x>;\n"
        "Delivered;13-09-2019 12:24:46;Hi;me@shop.test;b@x.test;;<2@x>;\n",
        [("a@x.test", "bounce")],
        [(3, "not_suppressed")],
    ),
}

# Contacts, whose times are not those of a suppression.
UNDATED = {
    "brevo contacts": (
        "CONTACT ID;EMAIL;FIRSTNAME;SMS;ADDED_TIME;MODIFIED_TIME;_SUBSCRIBED;_BLOCKLISTED\n"
        "1;a@x.test;A;;12-09-2019;13-09-2019;;[email_marketing]\n"
        "2;b@x.test;B;;12-09-2019;13-09-2019;[email_marketing];\n"
        "3;c@x.test;C;;12-09-2019;13-09-2019;[email_marketing];[sms_marketing]\n"
        "4;d@x.test;D;;12-09-2019;13-09-2019;;[email_marketing|email_transactional]\n",
        [("a@x.test", "unsubscribe"), ("d@x.test", "manual")],
        [(3, "not_suppressed"), (4, "not_suppressed")],
    ),
    "brevo contacts of old": (
        "EMAIL,LASTNAME,EMAIL_BLACKLISTED,SMS_BLACKLISTED\na@x.test,A,Yes,No\nb@x.test,B,No,Yes\nc@x.test,C,,\n",
        [("a@x.test", "manual")],
        [(3, "not_suppressed"), (4, "not_suppressed")],
    ),
}


@pytest.mark.parametrize("name", UNDATED)
def test_contacts_are_taken_where_they_are_blocked(project: Project, name: str) -> None:
    content, taken, refused = UNDATED[name]
    found, bad = load(project, content)
    assert [(address, reason) for address, reason, _ in found] == taken
    assert bad == refused


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_taken_as_its_service_exports_it(project: Project, name: str) -> None:
    content, taken, refused = FILES[name]
    found, bad = load(project, content)
    assert [(address, reason) for address, reason, _ in found] == taken
    assert bad == refused
    assert {row.created_at for row in Suppression.objects.all()} == {MOMENT}
    assert {row.way for row in Suppression.objects.all()} == {"import"}


LIST = "E-Mail;Reason;Note\nJö <a@x.test>;bounce;größer\n"


@pytest.mark.parametrize(
    "raw",
    [
        LIST.encode(),
        LIST.encode("utf-8-sig"),
        LIST.encode("utf-16"),
        b"\xfe\xff" + LIST.encode("utf-16-be"),
        LIST.replace("Jö", "Jo").replace("größer", "big").encode("utf-16-le"),
        LIST.encode("utf-32"),
        LIST.encode("cp1252"),
        LIST.replace("\n", "\r").encode(),
        b"sep=;\r\n" + LIST.encode().replace(b"\n", b"\r\n"),
        b'\xef\xbb\xbf"sep=;"\n' + LIST.encode(),
        b'sep="\n' + LIST.encode(),
        b"sep=\n" + LIST.encode(),
    ],
)
def test_a_file_is_read_in_the_encoding_of_any_spreadsheet(project: Project, raw: bytes) -> None:
    found, bad = load(project, raw)
    assert (found, bad) == ([("a@x.test", "bounce", None)], [])
    assert Suppression.objects.get().note in {"größer", "big"}


def test_an_archive_with_one_file_is_unpacked_and_others_are_refused(project: Project, api: Any) -> None:
    def pack(**files: str) -> bytes:
        whole = BytesIO()
        with ZipFile(whole, "w") as archive:
            for name, content in files.items():
                archive.writestr(f"{name}.csv", content)
        return whole.getvalue()

    assert load(project, pack(rejects="email,reason\na@x.test,spam\n")) == ([("a@x.test", "complaint", None)], [])
    for wrong in (pack(), pack(a="x", b="y"), b"PK\x03\x04nonsense"):
        answer = api.post("/suppressions/import", {"content_b64": b64encode(wrong).decode()})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_archive")


def test_a_given_reason_and_stream_hold_for_lines_without_one(project: Project) -> None:
    create_stream(project, name="news", type_=StreamType.BROADCAST)
    create_stream(project, name="weekly", type_=StreamType.BROADCAST)
    content = 'address,tags\na@x.test,*\nb@x.test,"weekly, news"\n'
    found, bad = load(project, content, reason="unsubscribe", stream="news")
    assert found == [
        ("a@x.test", "unsubscribe", "news"),
        ("b@x.test", "unsubscribe", "news"),
        ("b@x.test", "unsubscribe", "weekly"),
    ]
    assert bad == []
    found, _ = load(project, "email,created\nc@x.test,1568377486\n", reason="complaint", stream="news")
    assert found[-1] == ("c@x.test", "complaint", None)


@pytest.mark.parametrize(
    "content", ["[", '{"a": ', "[1, 2]", '[{"email": 5}]', "[" * 100_000, '{"email": "\\ud800@x.test"}']
)
def test_json_that_is_no_list_changes_nothing(project: Project, content: str) -> None:
    found, bad = load(project, content)
    assert found == []
    assert bad


def test_the_api_tells_what_was_taken_and_what_not(api: Any, project: Project, make_api: Any) -> None:
    body = {"content_b64": b64encode(FILES["mandrill"][0].encode()).decode()}
    answer = api.post("/suppressions/import", body)
    assert answer.status_code == 200, answer.content
    told = answer.json()
    assert (told["added"], told["known"], told["refused"]) == (4, 0, 2)
    assert [(each["line"], each["code"], each["taken"]) for each in told["lines"]] == [
        (6, "not_suppressed", False),
        (7, "expired", False),
    ]
    assert api.post("/suppressions/import", body).json()["known"] == 4
    strict = api.post("/suppressions/import", {**body, "strict": True})
    assert (strict.status_code, strict.json()["code"]) == (422, "import_refused")
    assert "Line 6" in strict.json()["errors"][0]["message"]
    for wrong, field in (
        ({}, "content_b64"),
        ({"content_b64": "?"}, "content_b64"),
        ({**body, "stream": "x"}, "stream"),
    ):
        refused = api.post("/suppressions/import", wrong)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
    assert make_api(scopes=["suppressions:read"]).post("/suppressions/import", body).status_code == 403


@needs.shared
def test_the_samples_of_other_services_are_taken(project: Project) -> None:
    assert needs.SHARED is not None
    folder = needs.SHARED / "cases" / "tracking"
    for name, reasons in (
        ("11-mailgun-unsub.csv", ["unsubscribe"]),
        ("13-ses.csv", ["bounce", "complaint"]),
        ("15-mandrill.csv", ["bounce", "complaint"]),
    ):
        Suppression.objects.all().delete()
        found, bad = load(project, (folder / name).read_bytes())
        assert ([reason for _, reason, _ in found], bad) == (reasons, [])
