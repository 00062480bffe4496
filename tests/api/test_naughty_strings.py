"""Strings that break programs, in every text field: accepted ones come back unchanged, the others are rejected."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from common.text import remove_bidi_controls
from messages.models import Message
from tests.api.conftest import EMAIL
from tests.needs import SHARED, shared

pytestmark = pytest.mark.django_db

# The list of naughty strings.
CORPUS = SHARED / "corpora" / "blns.json" if SHARED else None
# Some of each kind, for machines without the list.
FEW = [
    *("", " ", "undefined", "null", "true", "NaN", "-1", "1/0", "0x0", "１２３", '<>?:"{}|_+', "Ω≈ç√∫˜µ≤≥÷", "田中"),
    *("\u202etest", "\ufffe", "\ufeff", "e\u0300\u0301\u0302" * 20, "<script>alert(1)</script>", "%s%d%n", "a" * 9_000),
    *("'; DROP TABLE mail_message; --", "{{ 7*7 }}", "{% for x in y %}", "../../etc/passwd", "\x00", "\r\n.\r\n"),
    *("\ud800", "\U0001f3f3\ufe0f\u200d\U0001f308", "İ", "ß", "\u2028", "\\", '"', "=?utf-8?q?x?=", "a\tb"),
]
# What JSON cannot carry into any field: the whole body is refused.
UNSAFE = ("\x00", "\ud800")


def each_string() -> list[str]:
    found = json.loads(CORPUS.read_text(encoding="utf-8")) if CORPUS else []
    return [text for text in dict.fromkeys([*FEW, *found]) if not any(part in text for part in UNSAFE)]


@shared
def test_the_whole_list_is_tried() -> None:
    assert len(each_string()) > 400


# Each field: how a string is put into an email, and what is kept of it.
FIELDS: dict[str, tuple[Callable[[str], dict[str, Any]], Callable[[dict[str, Any]], Any]]] = {
    "subject": (lambda text: {"subject": text}, lambda row: row["subject"]),
    "text": (lambda text: {"text": text}, lambda row: row["text"]),
    "html": (lambda text: {"html": text}, lambda row: row["html"]),
    "from name": (lambda text: {"from_": f"{as_quoted(text)} <a@mine.test>"}, lambda row: unquote_name(row["from_"])),
    "to name": (lambda text: {"to": f"{as_quoted(text)} <a@x.test>"}, lambda row: row["recipients"][0]["name"]),
    "tag": (lambda text: {"tags": [text]}, lambda row: "".join(row["tags"])),
    "metadata": (lambda text: {"metadata": {"k": text}}, lambda row: row["metadata"]["k"]),
    "metadata key": (lambda text: {"metadata": {text: "v"}}, lambda row: "".join(row["metadata"])),
    "header": (lambda text: {"headers": {"X-A": text}}, lambda row: row["headers"]["X-A"]),
    "file name": (
        lambda text: {"attachments": [{"filename": text, "content_type": "text/plain", "content_b64": "YQ=="}]},
        lambda row: row["attachments"][0]["filename"],
    ),
}


def as_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def unquote_name(mailbox: str) -> str:
    name = mailbox.rpartition("<")[0].strip(" ")
    return name[1:-1].replace('\\"', '"').replace("\\\\", "\\") if name.startswith('"') else name


def expected(field: str, text: str) -> str:
    """What is kept: the string itself, without what is cut off names at their ends."""
    match field:
        case "from name" | "to name":
            return text.strip(" ")
        case "file name":
            return remove_bidi_controls(re.sub(r"[/\\]", "_", text)).strip()
        case "header":
            return text.strip()
    return text


def post_each(api: Any, emails: list[dict[str, Any]]) -> dict[int, dict[str, Any] | None]:
    """Each email by its index, as it is shown afterwards; None for those that were refused."""
    shown: dict[int, dict[str, Any] | None] = {}
    for start in range(0, len(emails), 250):
        part = emails[start : start + 250]
        answer = api.post("/emails/batch?mode=permissive", part)
        assert answer.status_code in {202, 422}, answer.content
        if answer.status_code == 422:
            assert len({error["field"].partition("]")[0] for error in answer.json()["errors"]}) == len(part)
            shown |= dict.fromkeys(range(start, start + len(part)))
            continue
        refused = {start + row["index"] for row in answer.json()["errors"]}
        assert all(row["errors"] for row in answer.json()["errors"])
        accepted = [index for index in range(start, start + len(part)) if index not in refused]
        for index, row in zip(accepted, answer.json()["data"], strict=True):
            shown[index] = row
        shown |= dict.fromkeys(refused)
    rows = {row["id"]: row for row in list_rows(api)}
    return {index: row and rows[row["id"]] for index, row in shown.items()}


def list_rows(api: Any) -> Iterator[dict[str, Any]]:
    """Every email, with the bodies that lists leave out."""
    after = ""
    while after is not None:
        page = api.get(f"/emails?limit=100{after}").json()
        bodies = Message.objects.select_related("content").in_bulk([row["id"] for row in page["data"]])
        for row in page["data"]:
            message = bodies[UUID(row["id"])]
            yield {**row, "text": message.content.text, "html": message.content.html}
        after = f"&after={page['next']}" if page["next"] else None


@pytest.mark.parametrize("field", FIELDS)
def test_every_string_comes_back_as_it_was_or_is_refused(api, field):
    build, read = FIELDS[field]
    strings = [text for text in each_string() if text]
    shown = post_each(api, [{**EMAIL, **build(text)} for text in strings])
    assert len(shown) == len(strings)
    for index, row in shown.items():
        if row is not None:
            assert read(row) == expected(field, strings[index])
    assert sum(row is not None for row in shown.values()) > 10


@pytest.mark.parametrize(
    "field", ["to", "from_", "template_id", "priority", "scheduled_at", "domain_id", "on_uncertain"]
)
def test_no_string_is_what_a_field_with_a_form_takes(api, field):
    shown = post_each(api, [{**EMAIL, field: text} for text in each_string() if text])
    assert set(shown.values()) == {None}


@pytest.mark.parametrize("text", UNSAFE, ids=ascii)
def test_what_json_cannot_carry_is_refused_in_every_field(api, text):
    for field, (build, _) in FIELDS.items():
        answer = api.post("/emails", {**EMAIL, **build(text)})
        assert (answer.status_code, answer.json()["errors"][0]["field"].split(".")[0].split("[")[0]) == (
            422,
            {"from name": "from_", "to name": "to", "tag": "tags", "header": "headers", "file name": "attachments"}.get(
                field, field.split(" ")[0]
            ),
        )


def test_every_string_is_a_template_variable_as_it_is(api):
    template = api.post("/templates", {"name": "T", "subject": "Hi", "text": "x{{ name }}x"}).json()
    api.post(f"/templates/{template['id']}/publish")
    email = {"from_": "a@mine.test", "to": "b@x.test", "template_id": template["id"]}
    strings = each_string()
    for index, row in post_each(api, [{**email, "template_vars": {"name": text}} for text in strings]).items():
        assert row is None or row["text"] == f"x{strings[index]}x"


QUERIES = ["q", "tag", "to", "from_", "status", "after", "created_after", "template_id"]


def test_no_string_breaks_a_query(api, post):
    post()
    for index, text in enumerate(each_string()):
        answer = api.get(f"/emails?{QUERIES[index % len(QUERIES)]}={quote(text)}")
        assert answer.status_code in {200, 422}, (text, answer.content)


NAMES = ["Idempotency_Key", "X_Request_Id", "Accept", "X_Forwarded_For"]


def test_no_string_breaks_a_header(api, post):
    pk = post()["id"]
    texts = [text for text in each_string() if text.isascii() and text.isprintable()]
    for start in range(0, len(texts), len(NAMES)):
        headers = dict(zip(NAMES, texts[start : start + len(NAMES)], strict=False))
        answer = api.post(f"/emails/{pk}/cancel", **headers)
        assert answer.status_code in {409, 400}, (headers, answer.content)
