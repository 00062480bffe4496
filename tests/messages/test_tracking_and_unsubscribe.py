"""Opt-in tracking and unsubscribe, from the sent mail to the visitor's page and the log."""

import re
from collections.abc import Callable
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from domains.models import Domain
from domains.services import add_domain
from messages.models import Message, Recipient
from messages.states import Status
from tests.smtp_server import SmtpServer
from tracking.engagement import opt_outs, recording, visits
from tracking.models import Event, Suppression

Send = Callable[..., Message]
Deliver = Callable[..., None]
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
HTML = (
    '<html><body><p>Hi</p><a href="https://shop.test/a?x=1&amp;y=2#top">A</a>\n'
    '<a href="https://shop.test/b" data-track="false">B</a><a href="mailto:a@b.test">C</a></body></html>'
)


@pytest.fixture(autouse=True)
def _public_url(settings: Any) -> None:
    settings.PUBLIC_URL = "http://testserver"


def bodies(server: SmtpServer, index: int = 0) -> tuple[str, str, Any]:
    """The HTML, the text and the parsed message that arrived."""
    parsed = message_from_bytes(server.mails[index].content, policy=policy.default)
    html = parsed.get_body(["html"])
    text = parsed.get_body(["plain"])
    assert html is not None
    assert text is not None
    return html.get_content().replace("\r\n", "\n"), text.get_content(), parsed


def path_of(url: str) -> str:
    return url.removeprefix("http://testserver")


def test_links_and_pixel_are_each_recipients_own(inbox: SmtpServer, send: Send, deliver: Deliver) -> None:
    send(to=["a@rcpt.test", "b@rcpt.test"], html=HTML, track_opens=True, track_clicks=True)
    deliver()
    first, second = bodies(inbox, 0)[0], bodies(inbox, 1)[0]
    links = re.findall(r"http://testserver/t/c/[\w-]+", first + second)
    pixels = re.findall(r'<img [^>]*src="(http://testserver/t/o/[\w-]+)"></body>', first + second)
    assert len(set(links)) == 2
    assert len(set(pixels)) == 2
    assert 'href="https://shop.test/b"' in first
    assert 'href="mailto:a@b.test"' in first


def test_without_opt_in_the_html_is_as_it_was(inbox: SmtpServer, send: Send, deliver: Deliver) -> None:
    send(html=HTML)
    deliver()
    assert bodies(inbox)[0].rstrip("\n") == HTML


def test_a_click_leads_to_the_stored_url_and_is_logged(
    inbox: SmtpServer, send: Send, deliver: Deliver, client: Any
) -> None:
    send(html=HTML, track_clicks=True)
    deliver()
    url = re.findall(r'href="(http://testserver/t/c/[^"]+)"', bodies(inbox)[0])[0]
    answer = client.get(path_of(url), headers={"user-agent": BROWSER})
    assert (answer.status_code, answer.headers["Location"]) == (302, "https://shop.test/a?x=1&y=2#top")
    event = Event.objects.get(type="email.clicked")
    assert event.data["url"] == "https://shop.test/a?x=1&y=2#top"
    assert event.data["actor"] == "scanner"  # within a second of the delivery
    assert event.address == "one@rcpt.test"


@pytest.mark.parametrize(
    ("href", "location"),
    [
        ("https://b&uuml;cher.test/&#252;?a=1&amp;b=2#c d", "https://xn--bcher-kva.test/%C3%BC?a=1&b=2#c%20d"),
        ("https://shop.test/a\x01b", "https://shop.test/a%01b"),
        ("https://shop.test/?q=日本", "https://shop.test/?q=%E6%97%A5%E6%9C%AC"),
    ],
)
def test_a_click_leads_on_whatever_letters_the_url_has(
    inbox: SmtpServer, send: Send, deliver: Deliver, client: Any, href: str, location: str
) -> None:
    send(html=f'<a href="{href}">A</a>', track_clicks=True)
    deliver()
    url = re.findall(r'href="(http://testserver/t/c/[^"]+)"', bodies(inbox)[0])[0]
    answer = client.get(path_of(url))
    assert (answer.status_code, answer.headers["Location"]) == (302, location)


def test_a_long_target_is_reached_by_a_page_because_proxies_refuse_long_headers(
    inbox: SmtpServer, send: Send, deliver: Deliver, client: Any
) -> None:
    target = f"https://shop.test/?a=1&b={'x' * 9_000}"
    send(html=f'<a href="{target.replace("&", "&amp;")}">A</a>', track_clicks=True)
    deliver()
    url = re.findall(r'href="(http://testserver/t/c/[^"]+)"', bodies(inbox)[0])[0]
    answer = client.get(path_of(url))
    assert answer.status_code == 200
    assert f'content="0;url={target.replace("&", "&amp;")}"' in answer.content.decode()
    assert "Location" not in answer.headers
    assert Event.objects.get(type="email.clicked").data["url"] == target


@pytest.mark.parametrize("spoil", [lambda t: t[:-1], lambda t: t + "A", lambda t: "B" + t[1:], lambda t: t[::-1]])
def test_a_spoilt_token_leads_nowhere(
    inbox: SmtpServer, send: Send, deliver: Deliver, client: Any, spoil: Callable[[str], str]
) -> None:
    send(html=HTML, track_clicks=True, track_opens=True)
    deliver()
    html = bodies(inbox)[0]
    click = re.findall(r"/t/c/([\w-]+)", html)[0]
    pixel = re.findall(r"/t/o/([\w-]+)", html)[0]
    assert client.get(f"/t/c/{spoil(click)}").status_code == 404
    assert client.get(f"/t/c/{pixel}").status_code == 404
    answer = client.get(f"/t/o/{spoil(pixel)}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/gif")
    assert not Event.objects.filter(type__in=["email.opened", "email.clicked"]).exists()


def test_an_open_answers_the_pixel_uncached(inbox: SmtpServer, send: Send, deliver: Deliver, client: Any) -> None:
    send(html=HTML, track_opens=True)
    deliver()
    pixel = re.findall(r"(/t/o/[\w-]+)", bodies(inbox)[0])[0]
    answer = client.get(pixel, headers={"user-agent": "Mozilla/5.0 (via ggpht.com GoogleImageProxy)"})
    assert answer.content.startswith(b"GIF89a")
    assert "no-store" in answer.headers["Cache-Control"]
    assert Event.objects.get(type="email.opened").data["actor"] == "proxy"


def test_unsubscribe_is_asked_by_get_and_done_by_post(
    inbox: SmtpServer, send: Send, deliver: Deliver, client: Any, api: Any
) -> None:
    send(html="<p><a href='{{ unsubscribe_url }}'>x</a></p>", text="x {{unsubscribe_url}}", enable_unsubscribe=True)
    deliver()
    html, text, parsed = bodies(inbox)
    url = parsed["List-Unsubscribe"].strip("<>")
    assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert f"href='{url}'" in html
    assert url in text
    assert client.get(path_of(url)).status_code == client.head(path_of(url)).status_code == 200
    assert not Suppression.objects.exists()
    posted = client.post(path_of(url), "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded")
    assert posted.status_code == 200
    assert client.post(path_of(url)).status_code == 200
    assert Suppression.objects.get().reason == "unsubscribe"
    assert Event.objects.filter(type="email.unsubscribed").count() == 1
    again = send(enable_unsubscribe=True)
    again.refresh_from_db()
    assert (again.status, again.status_reason) == (Status.FAILED, "suppressed")


@pytest.mark.parametrize(
    "html",
    [
        '<a href="{{{ unsubscribe_url }}}">x</a>',
        '<a href="http://{{ unsubscribe_url }}/">x</a>',
        '<a href="https://editor.test/a/%7B%7B%20unsubscribe_url%20%7D%7D">x</a>',
        '<a href="{{ unsub<i>scribe</i>_url }}">x</a>',
    ],
)
def test_a_mangled_placeholder_works_like_a_whole_one(
    inbox: SmtpServer, send: Send, deliver: Deliver, html: str
) -> None:
    send(html=html, text="", enable_unsubscribe=True, track_clicks=True)
    deliver()
    body, text, parsed = bodies(inbox)
    url = parsed["List-Unsubscribe"].strip("<>")
    assert f'<a href="{url}">x</a>' in body
    assert url in text


def test_without_enable_unsubscribe_there_is_no_header(inbox: SmtpServer, send: Send, deliver: Deliver) -> None:
    send(html="<p>x</p>")
    deliver()
    assert b"List-Unsubscribe" not in inbox.mails[0].content


def test_an_address_suppressed_after_accept_is_not_sent_to(
    inbox: SmtpServer, send: Send, deliver: Deliver, project: Any
) -> None:
    message = send(to=["One@rcpt.test", "two@rcpt.test"])
    Suppression.objects.create(project=project, address="one@rcpt.test", reason="manual")
    deliver()
    statuses = dict(Recipient.objects.filter(message=message).values_list("address", "status"))
    assert statuses == {"One@rcpt.test": "suppressed", "two@rcpt.test": "delivered"}
    assert len(inbox.mails) == 1
    message.refresh_from_db()
    assert message.status == Status.DELIVERED


def test_mail_to_nobody_but_a_suppressed_address_ends_without_an_attempt(
    inbox: SmtpServer, send: Send, deliver: Deliver, project: Any
) -> None:
    message = send()
    Suppression.objects.create(project=project, address="one@rcpt.test", reason="manual")
    deliver()
    message.refresh_from_db()
    assert (message.status, message.status_reason) == (Status.FAILED, "suppressed")
    assert not message.recipients.get().attempts.exists()
    assert not inbox.mails


def test_a_hard_bounce_suppresses_and_a_policy_refusal_does_not(send: Send, deliver: Deliver, make_inbox: Any) -> None:
    make_inbox(RCPT=["550 5.1.1 no such user", "550 5.7.1 not welcome"])
    send(to=["a@rcpt.test", "b@rcpt.test"])
    deliver()
    assert list(Suppression.objects.values_list("reason", flat=True)) == ["bounce"]


def test_a_customers_host_answers_tracking_paths_only(client: Any, project: Any) -> None:
    domain = add_domain(project, name="good.test")
    now = timezone.now()
    Domain.objects.filter(pk=domain.pk).update(status="verified", verified_at=now)
    domain.record_checks.create(purpose="tracking", type="CNAME", name="link.good.test", value="x", status="ok")
    assert client.get("/t/o/x", headers={"host": "link.good.test"}).status_code == 200
    assert client.get("/t/o/x", headers={"host": "LINK.good.test.:8000"}).status_code == 200
    for path in ("/", "/healthz", "/admin/login/", "/api/v1/me", "/static/admin/css/base.css", "/inbox/"):
        assert client.get(path, headers={"host": "link.good.test"}).status_code == 400
    assert client.get("/t/o/x", headers={"host": "link.evil.test"}).status_code == 400
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("status", ["pending", "suspended"])
def test_a_host_of_a_domain_that_may_not_send_is_a_stranger(client: Any, project: Any, status: str) -> None:
    domain = add_domain(project, name="good.test")
    Domain.objects.filter(pk=domain.pk).update(status=status, verified_at=timezone.now())
    domain.record_checks.create(purpose="tracking", type="CNAME", name="link.good.test", value="x", status="ok")
    assert client.get("/t/o/x", headers={"host": "link.good.test"}).status_code == 400


def test_while_the_database_is_away_opens_show_and_the_rest_is_asked_to_come_again(
    inbox: SmtpServer, send: Send, deliver: Deliver, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(html=HTML, track_opens=True, track_clicks=True, enable_unsubscribe=True)
    deliver()
    html, _, parsed = bodies(inbox)
    paths = [re.findall(r"/t/o/[\w-]+", html)[0], re.findall(r"/t/c/[\w-]+", html)[0]]
    paths.append(path_of(parsed["List-Unsubscribe"].strip("<>")))

    def fail(*_: object) -> None:
        raise OperationalError("gone")

    for module in (recording, opt_outs):
        monkeypatch.setattr(module, "fetch_one_as", fail)
    assert client.get(paths[0]).status_code == 200
    for answer in (client.get(paths[1]), client.get(paths[2]), client.post(paths[2])):
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")


def test_a_click_that_cannot_be_counted_still_leads_on(
    inbox: SmtpServer, send: Send, deliver: Deliver, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(html=HTML, track_clicks=True)
    deliver()
    path = re.findall(r"/t/c/[\w-]+", bodies(inbox)[0])[0]

    def fail(*_: object) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(visits, "record_facts", fail)
    assert client.get(path).status_code == 302
