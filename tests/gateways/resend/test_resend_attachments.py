"""The files of sent emails at Resend's door, by resend-python itself."""

from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import resend
import time_machine
from django.test import Client

from common.times import parse_time
from tests.gateways.resend.conftest import BASE, EMAIL, refused

pytestmark = pytest.mark.django_db

FILES = [
    {"filename": "a.bin", "content": [0, 1, 255]},
    {"filename": "b.png", "content": "AAEC", "content_id": "logo"},
]


@pytest.fixture
def email(sdk: None) -> str:
    return str(resend.Emails.send({**EMAIL, "html": '<img src="cid:logo">', "attachments": FILES})["id"])  # type: ignore[typeddict-item]


def test_files_are_listed_shown_and_downloaded_without_a_key(email):
    page: Any = resend.Emails.Attachments.list(email)
    shown = {row["filename"]: (row["size"], row["content_disposition"], row["content_id"]) for row in page["data"]}
    assert shown == {"a.bin": (3, "attachment", None), "b.png": (3, "inline", "logo")}
    one = next(row for row in page["data"] if row["filename"] == "a.bin")
    found: Any = resend.Emails.Attachments.get(email, one["id"])
    answer = Client().get(urlsplit(found["download_url"]).path)
    assert (answer.status_code, answer.content) == (200, bytes([0, 1, 255]))
    assert answer["Content-Disposition"].startswith("attachment")
    with time_machine.travel(parse_time(found["expires_at"])):
        assert Client().get(urlsplit(found["download_url"]).path).status_code == 404


def test_pages_lead_on_and_back(email):
    first: Any = resend.Emails.Attachments.list(email, {"limit": 1})
    second: Any = resend.Emails.Attachments.list(email, {"limit": 1, "after": first["data"][0]["id"]})
    assert (first["has_more"], second["has_more"]) == (True, False)
    back: Any = resend.Emails.Attachments.list(email, {"limit": 1, "before": second["data"][0]["id"]})
    assert back["data"][0]["id"] == first["data"][0]["id"]


def test_a_changed_link_leads_nowhere(email):
    found: Any = resend.Emails.Attachments.list(email)
    path = urlsplit(found["data"][0]["download_url"]).path
    for wrong in (path[:-1], path.replace("/attachments/", "/attachments/x"), f"{BASE}/attachments/none"):
        answer = Client().get(wrong)
        assert (answer.status_code, answer.json()["name"]) == (404, "not_found")


def test_anothers_files_do_not_exist(email, other_api, use_sdk):
    file = resend.Emails.Attachments.list(email)["data"][0]["id"]
    assert refused(lambda: resend.Emails.Attachments.get(email, str(uuid4()))) == ("not_found", 404)
    use_sdk(other_api)
    for call in (
        lambda: resend.Emails.Attachments.list(email),
        lambda: resend.Emails.Attachments.get(email, file),
    ):
        assert refused(call) == ("not_found", 404)
