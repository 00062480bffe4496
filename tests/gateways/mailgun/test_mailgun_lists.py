"""Bounces, unsubscribes and complaints at Mailgun's door."""

import json
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from accounts.models import AuditEntry, Project, StreamType
from accounts.streams import create_stream
from tests.conftest import ApiClient
from tests.gateways.mailgun.conftest import BASE, Mailgun

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def mailgun(api: ApiClient) -> Mailgun:
    return Mailgun(api)


def post(mailgun: Mailgun, name: str, **fields: str) -> Any:
    return mailgun.call("POST", f"/v3/mine.test/{name}", urlencode(fields).encode(), FORM)


def get(mailgun: Mailgun, path: str) -> Any:
    return mailgun.call("GET", f"/v3/mine.test/{path}", b"", "")


@pytest.mark.parametrize(
    ("name", "reason", "shown"),
    [
        ("bounces", "bounce", {"code": "550", "error": "No such user"}),
        ("unsubscribes", "unsubscribe", {"tags": ["*"]}),
        ("complaints", "complaint", {}),
    ],
)
def test_an_address_is_listed_found_and_removed(
    mailgun: Mailgun, project: Project, name: str, reason: str, shown: dict[str, Any]
) -> None:
    fields = {"error": "No such user", "code": "550"} if name == "bounces" else {}
    made = post(mailgun, name, address="Jo@x.test", created_at="Fri, 13 Sep 2019 12:24:46 UTC", **fields)
    assert (made.status_code, made.json()["address"]) == (200, "Jo@x.test")
    assert list(project.suppressions.values_list("address", "reason", "stream")) == [("jo@x.test", reason, None)]
    found = get(mailgun, f"{name}/JO@x.test").json()
    assert found["created_at"] == "Fri, 13 Sep 2019 12:24:46 UTC"
    assert {key: found[key] for key in shown} == shown
    assert [item["address"] for item in get(mailgun, name).json()["items"]] == ["jo@x.test"]
    gone = mailgun.call("DELETE", f"/v3/mine.test/{name}/jo@x.test", b"", "")
    assert (gone.status_code, gone.json()["address"]) == (200, "jo@x.test")
    for answer in (
        mailgun.call("DELETE", f"/v3/mine.test/{name}/jo@x.test", b"", ""),
        get(mailgun, f"{name}/jo@x.test"),
    ):
        assert (answer.status_code, set(answer.json())) == (404, {"message"})
    assert AuditEntry.objects.count() == 2


def test_items_come_as_json_all_or_none_and_are_read_by_pages(mailgun: Mailgun, project: Project) -> None:
    def add(items: Any) -> Any:
        return mailgun.call("POST", "/v3/mine.test/unsubscribes", json.dumps(items).encode(), "application/json")

    create_stream(project, name="weekly", type_=StreamType.BROADCAST)
    wrong = add([{"address": "a@x.test"}, {"address": "wrong"}, {"address": "c@x.test", "colour": "red"}])
    assert wrong.status_code == 400
    assert "[1].address" in wrong.json()["message"]
    assert "[2].colour" in wrong.json()["message"]
    assert add([{"address": "a@x.test", "tags": ["none"]}]).status_code == 400
    assert not project.suppressions.exists()
    items = [{"address": f"{name}@x.test", "tags": ["weekly"]} for name in "abcde"]
    assert add(items).json() == {"message": "5 addresses have been added to the unsubscribes table"}
    seen, path = [], "unsubscribes?limit=2"
    while page := get(mailgun, path).json():
        if not page["items"]:
            break
        assert all(item["tags"] == ["weekly"] for item in page["items"])
        seen.append([item["address"][0] for item in page["items"]])
        path = f"unsubscribes?{urlsplit(page['paging']['next']).query}"
    assert seen == [["a", "b"], ["c", "d"], ["e"]]
    back = get(mailgun, "unsubscribes?page=previous&address=c%40x.test&limit=1").json()["items"]
    assert [item["address"] for item in back] == ["b@x.test"]
    assert len(get(mailgun, "unsubscribes?term=d").json()["items"]) == 1


def test_anothers_entries_are_neither_shown_nor_removed(mailgun: Mailgun, other_api: ApiClient, make_api: Any) -> None:
    post(mailgun, "bounces", address="a@x.test")
    for other in (Mailgun(other_api), Mailgun(make_api(is_test=True))):
        assert get(other, "bounces").json()["items"] == []
        assert other.call("DELETE", "/v3/mine.test/bounces/a@x.test", b"", "").status_code == 404
    assert len(get(mailgun, "bounces").json()["items"]) == 1


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", FORM),
        (b"address=", FORM),
        (b"address=a@x.test&address=b@x.test", FORM),
        (b"address=a%40x.test&created_at=yesterday", FORM),
        (b"[]", "application/json"),
        (b"[1]", "application/json"),
        (b"{", "application/json"),
        (b"x", "text/plain"),
    ],
)
def test_a_wrong_item_is_refused(mailgun: Mailgun, project: Project, body: bytes, content_type: str) -> None:
    answer = mailgun.call("POST", "/v3/mine.test/bounces", body, content_type)
    assert (answer.status_code, set(answer.json())) == (400, {"message"})
    assert not project.suppressions.exists()


@pytest.mark.parametrize("door", ["mailgun", "postmark", "resend", "sendgrid", "ses"])
def test_a_base_without_its_slash_is_answered_as_any_unknown_path(anonymous: ApiClient, door: str) -> None:
    base = BASE.replace("mailgun", door)
    for path in (base, f"{base}/"):
        answer = anonymous.get(path)
        assert (answer.status_code, answer["Content-Type"]) == (404, "application/json")
        assert f"/docs/{door}" in answer.content.decode()
