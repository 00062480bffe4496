"""The inbox's JSON: each method, and its rejections."""

from email.message import EmailMessage
from uuid import UUID

import pytest
from django.test import Client

from inbox.models import Mail
from tests.inbox.running_listener import Receive

pytestmark = pytest.mark.django_db

MESSAGES = "/inbox/api/messages"
NOBODY = "01900000-0000-7000-8000-000000000000"


def build_message() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Ännie <app@example.test>", "ann@example.test", "Grüße ✓"
    message.set_content("Hällo\n\nlinks\n")
    message.add_alternative('<p>Hällo <img src="cid:logo@x"></p>\n', subtype="html")
    message.add_attachment(b"\x89PNG", maintype="image", subtype="png", cid="<logo@x>", disposition="inline")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="Rechnung ü.pdf")
    return message


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_list_shows_the_newest_first(client: Client, receive: Receive, slash: str) -> None:
    old = receive("Subject: old\nFrom: A <a@x.test>\nTo: B <b@x.test>\n\nold\n")
    new = receive("Subject: new\n\nnew\n", to=("bob@example.test", "eve@example.test"), mail_from="")
    answer = client.get(f"{MESSAGES}{slash}").json()
    assert [row["id"] for row in answer["data"]] == [str(new.pk), str(old.pk)]
    assert (answer["has_more"], answer["next"]) == (False, None)
    assert answer["data"][1] == {
        "id": str(old.pk),
        "mail_from": "app@example.test",
        "rcpt_to": ["ann@example.test"],
        "from": "A <a@x.test>",
        "to": "B <b@x.test>",
        "subject": "old",
        "size": old.size,
        "received_at": old.received_at.isoformat().replace("+00:00", "Z"),
    }
    assert answer["data"][0]["rcpt_to"] == ["bob@example.test", "eve@example.test"]


def test_an_empty_inbox_is_an_empty_list(client: Client) -> None:
    assert client.get(MESSAGES).json() == {"data": [], "has_more": False, "next": None}


def test_pages_follow_each_other_without_gap(client: Client, receive: Receive) -> None:
    ids = [str(receive(f"Subject: {number}\n\nx\n").pk) for number in range(5)][::-1]
    seen: list[str] = []
    after = ""
    while True:
        answer = client.get(MESSAGES, {"limit": 2, "after": after}).json()
        seen += [row["id"] for row in answer["data"]]
        if not answer["has_more"]:
            assert answer["next"] is None
            break
        after = answer["next"]
        assert after == seen[-1]
    assert seen == ids


@pytest.mark.parametrize("to", ["bob@example.test", "BOB@Example.TEST", " bob@example.test "])
def test_to_finds_an_envelope_recipient_in_any_case(client: Client, receive: Receive, to: str) -> None:
    mail = receive("To: ann@example.test\n\nx\n", to=("eve@example.test", "Bob@example.test"))
    receive("To: bob@example.test\n\nx\n", to=("ann@example.test",))
    assert [row["id"] for row in client.get(MESSAGES, {"to": to}).json()["data"]] == [str(mail.pk)]


@pytest.mark.parametrize("to", ["bob", "ob@example.test", "%", "{bob@example.test}", "*"])
def test_to_is_exact(client: Client, receive: Receive, to: str) -> None:
    receive("Subject: x\n\nx\n", to=("bob@example.test",))
    assert client.get(MESSAGES, {"to": to}).json()["data"] == []


@pytest.mark.parametrize(
    ("words", "is_found"),
    [("straße", True), ("STRASSE", True), ("reset ann", True), ("app@", True), ("bob", False), ("reset%", False)],
)
def test_q_finds_words_of_envelope_and_headers(client: Client, receive: Receive, words: str, is_found: bool) -> None:
    receive("Subject: =?utf-8?q?Stra=C3=9Fe?= reset\nFrom: Shop <shop@x.test>\n\nbob\n")
    assert bool(client.get(MESSAGES, {"q": words}).json()["data"]) is is_found


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=x", "limit"),
        ("limit=-1", "limit"),
        ("limit=1e1", "limit"),
        ("limit=²", "limit"),
        ("wait=31", "wait"),
        ("wait=-1", "wait"),
        ("wait=nan", "wait"),
        ("after=x", "after"),
        ("to=a%00b", "to"),
        ("q=" + "x" * 201, "q"),
        ("too=ann@example.test", "too"),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(client: Client, query: str, name: str) -> None:
    response = client.get(f"{MESSAGES}?{query}")
    assert response.status_code == 422
    assert response.json()["status"] == 422
    assert response.json()["errors"][0]["field"] == name


def test_one_message_is_taken_apart(client: Client, receive: Receive) -> None:
    mail = receive(build_message().as_bytes())
    answer = client.get(f"{MESSAGES}/{mail.pk}").json()
    assert answer["subject"] == "Grüße ✓"
    assert answer["from"] == "Ännie <app@example.test>"
    assert answer["text"] == "Hällo\n\nlinks\n"
    assert answer["html"] == '<p>Hällo <img src="cid:logo@x"></p>\n'
    assert ["Subject", "Grüße ✓"] in answer["headers"]
    assert answer["attachments"] == [
        {"index": 0, "filename": "", "content_type": "image/png", "size": 4, "content_id": "logo@x"},
        {
            "index": 1,
            "filename": "Rechnung ü.pdf",
            "content_type": "application/pdf",
            "size": 4,
            "content_id": "",
        },
    ]
    assert answer["warnings"] == []
    assert client.get(f"{MESSAGES}/{mail.pk}/").json() == answer


def test_raw_is_the_message_exactly_as_received(client: Client, receive: Receive) -> None:
    mail = receive(b"Subject: x\r\n\r\n\xff\x00.\r\n")
    response = client.get(f"{MESSAGES}/{mail.pk}/raw")
    assert response.content == bytes(mail.raw)
    assert response["Content-Type"] == "message/rfc822"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "attachment" in response["Content-Disposition"]


def test_an_attachment_is_a_download(client: Client, receive: Receive) -> None:
    mail = receive(build_message().as_bytes())
    response = client.get(f"{MESSAGES}/{mail.pk}/attachments/1")
    assert response.content == b"%PDF"
    assert response["Content-Type"] == "application/pdf"
    assert response["Content-Disposition"] == "attachment; filename*=utf-8''Rechnung%20%C3%BC.pdf"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "..\\..\\passwd", "/etc/passwd", "a\r\nX: y/passwd"])
def test_an_attachments_name_is_a_base_name(client: Client, receive: Receive, name: str) -> None:
    quoted = name.replace("\\", "\\\\").replace("\r\n", "=0D=0A").replace(" ", "_")
    raw = f'Content-Disposition: attachment; filename="=?utf-8?q?{quoted}?="\n\nx\n'
    mail = receive(raw)
    response = client.get(f"{MESSAGES}/{mail.pk}/attachments/0")
    assert response["Content-Disposition"] == 'attachment; filename="passwd"'


@pytest.mark.parametrize(
    "path",
    [
        NOBODY,
        "nonsense",
        f"{NOBODY}/raw",
        f"{NOBODY}/html",
        f"{NOBODY}/attachments/0",
        "%00",
    ],
)
def test_what_is_not_there_is_404(client: Client, path: str) -> None:
    response = client.get(f"{MESSAGES}/{path}")
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


def test_an_attachment_or_html_that_is_not_there_is_404(client: Client, receive: Receive) -> None:
    mail = receive("Subject: x\n\nplain\n")
    for path in ("attachments/0", "attachments/999999999999", "html"):
        assert client.get(f"{MESSAGES}/{mail.pk}/{path}").status_code == 404


def test_one_message_is_deleted(client: Client, receive: Receive) -> None:
    gone, kept = receive("Subject: gone\n\nx\n"), receive("Subject: kept\n\nx\n")
    assert client.delete(f"{MESSAGES}/{gone.pk}").status_code == 204
    assert client.delete(f"{MESSAGES}/{gone.pk}").status_code == 404
    assert Mail.objects.get().pk == kept.pk


def test_all_messages_are_deleted(client: Client, receive: Receive) -> None:
    receive("Subject: x\n\nx\n")
    assert client.delete(MESSAGES).status_code == 204
    assert not Mail.objects.exists()
    assert client.delete(MESSAGES).status_code == 204


def test_deleting_obeys_the_same_filter_as_listing(client: Client, receive: Receive) -> None:
    receive("Subject: x\n\nx\n", to=("ann@example.test",))
    kept = receive("Subject: x\n\nx\n", to=("bob@example.test",))
    assert client.delete(f"{MESSAGES}?to=ANN@example.test").status_code == 204
    assert Mail.objects.get().pk == kept.pk
    assert client.delete(f"{MESSAGES}?too=bob@example.test").status_code == 422
    assert Mail.objects.exists()


@pytest.mark.parametrize("method", ["post", "put", "patch", "options"])
def test_other_methods_are_refused(client: Client, method: str) -> None:
    response = getattr(client, method)(MESSAGES)
    assert response.status_code == 405
    assert response["Allow"] == "GET, DELETE"
    assert response.json()["status"] == 405


def test_head_answers_like_get_without_a_body(client: Client) -> None:
    response = client.head(MESSAGES)
    assert (response.status_code, response.content) == (200, b"")


def test_nothing_is_cached_or_shared(client: Client, receive: Receive) -> None:
    mail = receive(build_message().as_bytes())
    for path in ("", f"/{mail.pk}", f"/{mail.pk}/raw", f"/{mail.pk}/html"):
        response = client.get(f"{MESSAGES}{path}")
        assert response["Cache-Control"] == "no-store"
        assert response["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in response


def test_ids_are_uuids_in_the_order_of_arrival(receive: Receive) -> None:
    ids = [receive(f"Subject: {number}\n\nx\n").pk for number in range(20)]
    assert ids == sorted(ids)
    assert {UUID(str(each)).version for each in ids} == {7}
