"""The inbox has no login, so it serves only this machine, and no other site's pages in its browser."""

import pytest
from django.test import Client

from inbox.models import Mail
from tests.inbox.running_listener import Receive

pytestmark = pytest.mark.django_db

MESSAGES = "/inbox/api/messages"
PATHS = ["/inbox/", MESSAGES, "/inbox/api/stream"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "172.17.0.1", "::ffff:192.0.2.1", "2001:db8::1", "", "x"])
def test_another_machine_sees_no_inbox(client: Client, path: str, address: str) -> None:
    assert client.get(path, REMOTE_ADDR=address).status_code == 404


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_this_machine_sees_it(client: Client, address: str) -> None:
    assert client.get(MESSAGES, REMOTE_ADDR=address).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        {"X-Forwarded-For": "192.0.2.1"},
        {"X-Forwarded-For": "127.0.0.1, 192.0.2.1"},
        {"X-Forwarded-For": "192.0.2.1, 127.0.0.1"},
        {"X-Forwarded-For": ""},
        {"X-Forwarded-For": "unknown"},
        {"X-Real-IP": "192.0.2.1"},
        {"Forwarded": "for=192.0.2.1"},
    ],
)
def test_another_machine_behind_a_proxy_on_this_one_sees_no_inbox(client: Client, header: dict[str, str]) -> None:
    for path in PATHS:
        assert client.get(path, headers=header).status_code == 404


def test_this_machine_behind_a_proxy_on_it_sees_the_inbox(client: Client) -> None:
    assert client.get(MESSAGES, headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_a_rebound_name_is_refused(client: Client, path: str) -> None:
    assert client.get(path, headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Origin": "https://localhost"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    ],
)
def test_another_sites_page_deletes_nothing_and_reads_nothing(
    client: Client, receive: Receive, headers: dict[str, str]
) -> None:
    mail = receive("Subject: x\n\nx\n")
    assert client.delete(MESSAGES, headers=headers).status_code == 403
    assert client.delete(f"{MESSAGES}/{mail.pk}", headers=headers).status_code == 403
    assert client.get(f"{MESSAGES}?wait=30&to=nobody@example.test", headers=headers).status_code == 403
    assert client.get("/inbox/api/stream", headers=headers).status_code == 403
    assert Mail.objects.count() == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
        {"Origin": "http://localhost"},
    ],
)
def test_our_own_page_and_programs_may_delete(client: Client, receive: Receive, headers: dict[str, str]) -> None:
    receive("Subject: x\n\nx\n")
    assert client.delete(MESSAGES, headers=headers).status_code == 204
    assert not Mail.objects.exists()


def test_deleting_needs_no_token_where_tokens_are_enforced(receive: Receive) -> None:
    receive("Subject: x\n\nx\n")
    strict = Client(enforce_csrf_checks=True, SERVER_NAME="localhost")
    assert strict.delete(MESSAGES).status_code == 204


def test_the_sandboxed_frame_may_load_inline_images_only(client: Client, receive: Receive) -> None:
    image = "Content-Type: image/png\nContent-ID: <a>\n\nx\n"
    mail = receive(image)
    frame = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}
    response = client.get(f"{MESSAGES}/{mail.pk}/attachments/0", headers=frame)
    assert response.status_code == 200
    assert response["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert client.get(f"{MESSAGES}/{mail.pk}/raw", headers=frame).status_code == 403
    script = frame | {"Sec-Fetch-Dest": "script"}
    assert client.get(f"{MESSAGES}/{mail.pk}/attachments/0", headers=script).status_code == 403


def test_a_link_from_another_site_opens_the_page(client: Client) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert client.get("/inbox/", headers=headers).status_code == 200
