"""The page, and the sandboxed HTML of a mail in it."""

import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from tests.inbox.running_listener import Receive

pytestmark = pytest.mark.django_db

MESSAGES = "/inbox/api/messages"


def show_html(client: Client, receive: Receive, html: str, rest: str = "") -> str:
    """What the frame is served for a mail with this HTML."""
    raw = "Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html; charset=utf-8\n\n"
    mail = receive(f"{raw}{html}\n{rest}--b--\n")
    return client.get(f"{MESSAGES}/{mail.pk}/html").content.decode().replace(str(mail.pk), "ID")


def test_the_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(client: Client) -> None:
    response = client.get("/inbox/")
    page = response.content.decode()
    assert response.status_code == 200
    assert response["Content-Security-Policy"].startswith("default-src 'self'; ")
    assert "unsafe" not in response["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in response["Content-Security-Policy"]
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*\ssrc=)", page)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)


def read_static(name: str) -> str:
    return Path(str(finders.find(name))).read_text()


def test_every_file_of_the_page_is_there_and_names_no_other_host(client: Client) -> None:
    page = client.get("/inbox/").content.decode()
    wanted = set(re.findall(r"static/(inbox/[^\"]+)", page))
    scripts = {"inbox/app.js"}
    while scripts:
        found = {f"inbox/{name}" for name in re.findall(r"from \"\./([^\"]+)\"", read_static(scripts.pop()))}
        scripts |= found - wanted
        wanted |= found
    assert {"inbox/app.js", "inbox/inbox.css", "inbox/icon.svg", "inbox/reader.js"} <= wanted
    for name in wanted:
        text = read_static(name).replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://\w|url\(", text), name


def test_a_mails_html_runs_nothing_and_reaches_nothing(client: Client, receive: Receive) -> None:
    mail = receive("Content-Type: text/html\n\n<script>alert(1)</script>\n")
    response = client.get(f"{MESSAGES}/{mail.pk}/html")
    policy = dict(part.strip().partition(" ")[::2] for part in response["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "img-src": f"data: http://localhost{MESSAGES}/{mail.pk}/attachments/",
        "style-src": "'unsafe-inline'",
        "font-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'self'",
        "sandbox": "allow-popups allow-popups-to-escape-sandbox",
    }
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["X-DNS-Prefetch-Control"] == "off"


@pytest.mark.parametrize(
    "html",
    [
        '<link rel="preconnect" href="http://x.test">',
        "<LINK\nrel=dns-prefetch href=//x.test>",
        "<link/rel=preconnect/href=//x.test>",
        '<meta http-equiv="refresh" content="0;url=http://x.test">',
        '<META HTTP-EQUIV=refresh content="0">',
        '<meta name="<" http-equiv=refresh content=0>',
        "<meta\thttp-equiv=x-dns-prefetch-control content=on",
        '<base href="http://x.test/">',
        '<iframe src="http://x.test"></iframe>',
        '<object data="http://x.test"></object>',
        '<embed src="http://x.test">',
        '<frameset><frame src="http://x.test"></frameset>',
    ],
)
def test_elements_that_reach_out_lose_their_names(client: Client, receive: Receive, html: str) -> None:
    served = show_html(client, receive, html).removeprefix('<base target="_blank">')
    assert not re.search(r"</?(?:link|meta|base|iframe|object|embed|frame|frameset)[\s/>]", served, re.IGNORECASE)


@pytest.mark.parametrize(
    "html",
    [
        '<meta charset="utf-8"><meta name="color-scheme" content="light dark">',
        "<!--[if mso]><table><tr><td><![endif]-->",
        '<p style="color:red" class=x>&nbsp;&amp; ü</p><style>p > a { color: red }</style>',
        '<a href="https://x.test/?a=1&amp;b=2" title="target=x">link</a> <a href="/" target="_blank">tab</a>',
        "<linked> <basement> metadata < link >",
        '<img src="https://x.test/a.png"> cid:nothing "cid:unknown@x"',
    ],
)
def test_all_else_stays_as_the_sender_wrote_it(client: Client, receive: Receive, html: str) -> None:
    assert show_html(client, receive, html).replace('<base target="_blank">', "", 1) == html


@pytest.mark.parametrize(
    "start",
    [
        "<!DOCTYPE html>",
        "<!-- made by x --> \n<!doctype html PUBLIC 'x'>",
        "\ufeff<!doctype html>",
        "<!-- only -->",
        "",
    ],
)
def test_links_open_in_a_tab_of_their_own_and_the_doctype_stays_first(
    client: Client, receive: Receive, start: str
) -> None:
    html = f"{start}<html><body></body></html>"
    assert show_html(client, receive, html) == f'{start}<base target="_blank"><html><body></body></html>'


@pytest.mark.parametrize(
    "link",
    [
        '<a href="/x" target="_self">',
        '<a target=_top href="/x">',
        "<A\nrel='opener' href=\"/x\" TARGET = _parent>",
        '<area href="/x" rel="opener">',
    ],
)
def test_no_link_opens_inside_the_frame_or_hands_it_over(client: Client, receive: Receive, link: str) -> None:
    served = show_html(client, receive, link).removeprefix('<base target="_blank">')
    assert 'href="/x"' in served
    assert not re.search("target|rel|opener", served, re.IGNORECASE)


IMAGE = "--b\nContent-Type: image/png\nContent-ID: <Logo+1@x.test>\n\nx\n"


@pytest.mark.parametrize(
    ("html", "served"),
    [
        ('<img src="cid:Logo+1@x.test">', '<img src="URL">'),
        ("<img src=CID:logo+1@x.test>", "<img src=URL>"),
        ("<p style=\"background:url('cid:Logo%2B1@x.test')\">", "<p style=\"background:url('URL')\">"),
        ("<p style='background:url(cid:Logo&#43;1@x.test)'>", "<p style='background:url(URL)'>"),
        ('<img src="cid:other@x.test">', '<img src="cid:other@x.test">'),
    ],
)
def test_inline_images_point_to_their_attachments(client: Client, receive: Receive, html: str, served: str) -> None:
    url = f"http://localhost{MESSAGES}/ID/attachments/0"
    assert show_html(client, receive, html, IMAGE) == '<base target="_blank">' + served.replace("URL", url)


def test_the_page_is_found_without_its_slash(client: Client) -> None:
    response = client.get("/inbox")
    assert (response.status_code, response["Location"]) == (302, "/inbox/")
