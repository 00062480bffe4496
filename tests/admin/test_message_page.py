"""The page of one message."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from messages.admin import live
from messages.attachments import File
from messages.models import Attempt, Message
from messages.states import Status
from templates_app.models import Template, Version
from tests.admin.people import log_in
from tests.smtp_server import SmtpServer

pytestmark = pytest.mark.django_db
PNG = b"\x89PNG\r\n\x1a\n fake"


def url(message, name="change", *more):
    return reverse(f"admin:mail_message_{name}", args=[message.pk, *more])


def page(client, message):
    answer = client.get(url(message))
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_bounce_is_explained_with_the_other_sides_reply(sue, send, deliver, server: SmtpServer):
    server.script.replies["RCPT"] = "550 5.1.1 No such user here"
    message = send("Bob <bob@gone.test>", subject="Reset your password", tags=["security"], metadata={"order": "7"})
    deliver()
    html = page(sue, message)
    for text in (
        "Reset your password",
        "The recipient&#x27;s server (127.0.0.1) rejected it permanently on ",
        "In plain words: there is no such mailbox.",
        "Check the address for a typing error",
        "Bob &lt;bob@gone.test&gt;",
        "<b>550 5.1.1</b>",
        "No such user here",
        "127.0.0.1",
        "no TLS",
        "via <strong>default</strong>",
        "Bounced",
        "security",
        message.message_id.strip("<>"),
    ):
        assert text in html, text


def test_a_deferral_says_when_the_next_try_is(sue, send, deliver, server: SmtpServer):
    server.script.replies["RCPT"] = "451 4.7.1 Greylisted"
    message = send()
    deliver()
    html = page(sue, message)
    assert "Greylisted" in html
    assert "Next attempt" in html
    assert "The service retries it" in html


def test_a_scheduled_message_says_when_it_goes(sue, send):
    html = page(sue, send(scheduled_at=timezone.now() + timedelta(days=3)))
    assert "It waits for its scheduled time." in html
    assert "in 2\xa0days, 23\xa0hours" in html


def test_without_a_provider_it_says_so(sue, send):
    assert "no enabled provider" in page(sue, send())


def test_several_recipients_are_distinguished(sue, send, deliver, server: SmtpServer):
    server.script.replies["RCPT"] = ["550 5.1.1 Unknown", None]
    message = send("a@x.test", "b@x.test")
    deliver()
    html = page(sue, message)
    assert "Of 2 recipients: 1 bounced, 1 delivered. For " in html
    assert url(message, "resend_failed") in html


def test_a_page_takes_a_fixed_number_of_queries(sue, send):
    counts = []
    for number in (1, 20):
        message = send(*[f"r{each}@x.test" for each in range(number)])
        for row in message.recipients.all():
            Attempt.objects.bulk_create(
                Attempt(recipient=row, number=each, lease_token=uuid4(), phase="done", claimed_at=timezone.now())
                for each in range(1, number + 1)
            )
        with CaptureQueriesContext(connection) as queries:
            page(sue, message)
        # Providers are remembered for a second.
        counts.append(len([each for each in queries if "providers_provider" not in each["sql"]]))
    assert counts[0] == counts[1]
    assert counts[0] < 20


def test_bodies_stay_out_of_the_page(sue, send):
    message = send(html="<p>the html body</p>", text="the text body")
    html = page(sue, message)
    assert "the html body" not in html
    assert "the text body" not in html
    assert html.count("<iframe") == html.count(" sandbox ") == 4
    for name in ("html", "text", "source", "headers"):
        assert url(message, name) in html


def test_the_page_runs_no_script_of_its_own(sue, send):
    html = page(sue, send(html="<p>x"))
    content = html[html.index('class="mail-page"') :]
    content = content[: content.index('id="nav-') if 'id="nav-' in content else None]
    for word in ("onclick", "onload", "javascript:", " style="):
        assert word not in content[: content.rindex("</section>")]


HOSTILE = """<html><head><meta http-equiv="refresh" content="0;url=http://evil.test/"><base href="http://evil.test/">
<link rel=preconnect href="//evil.test"><script>alert(1)</script></head><body onload="alert(1)">
<a href="javascript:alert(1)" target="_top">x</a><A HREF=http://evil.test/y>y</A><img src="http://evil.test/p.png"
onerror="alert(1)"><form action="http://evil.test"><button formaction=http://evil.test>b</button></form>
<iframe src="http://evil.test"></iframe><object data="http://evil.test"></object><img src="cid:logo@x"></body></html>"""


def test_a_hostile_body_has_a_sandbox_and_a_policy_that_fetches_nothing(sue, send):
    answer = sue.get(url(send(html=HOSTILE), "html"))
    policy = dict(part.strip().partition(" ")[::2] for part in answer["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert (policy["img-src"], policy["sandbox"], policy["frame-ancestors"]) == ("data:", "", "'self'")
    assert "script-src" not in policy
    assert (answer["X-Content-Type-Options"], answer["Referrer-Policy"]) == ("nosniff", "no-referrer")
    assert answer["X-DNS-Prefetch-Control"] == "off"


def test_what_reaches_out_without_asking_is_taken_out_and_links_are_dead(sue, send):
    html = sue.get(url(send(html=HOSTILE), "html")).content.decode()
    for tag in ("<meta http-equiv", "<base ", "<link", "<iframe", "<object"):
        assert tag not in html
    assert 'data-href="javascript:alert(1)"' in html
    assert 'title="http://evil.test/y"' in html
    assert 'data-action="http://evil.test"' in html
    for attribute in (' href="', " HREF=", " action=", " formaction=", " target="):
        assert attribute not in html.replace("data-", "data_")


def test_inline_images_come_as_data_and_only_images_do(sue, send):
    files = [
        File(filename="logo.png", content_type="image/png", content=PNG, content_id="logo@x"),
        File(filename="evil.html", content_type="text/html", content=b"<script>", content_id="evil@x"),
    ]
    message = send(html='<img src="cid:logo@x"><img src=cid:evil@x>', attachments=files)
    html = sue.get(url(message, "html")).content.decode()
    assert 'src="data:image/png;base64,' in html
    assert "src=cid:evil@x" in html


def test_an_inline_image_named_a_thousand_times_stays_small(sue, send):
    file = File(filename="a.png", content_type="image/png", content=b"x" * 1_000_000, content_id="a")
    answer = sue.get(url(send(html='<img src="cid:a">' * 1000, attachments=[file]), "html"))
    assert len(answer.content) < 10_000_000


def test_a_text_body_is_shown_as_text(sue, send):
    answer = sue.get(url(send(text="<script>alert(1)</script>"), "text"))
    assert "&lt;script&gt;" in answer.content.decode()
    assert "<script>" not in answer.content.decode()
    assert "sandbox" in answer["Content-Security-Policy"]


def test_a_message_without_html_has_no_html_frame(sue, send):
    message = send(text="plain")
    assert sue.get(url(message, "html")).status_code == 404
    assert url(message, "html") not in page(sue, message)


def test_source_and_headers_are_those_of_the_mail(sue, send):
    message = send(subject="Grüße", text="Hallo")
    headers = sue.get(url(message, "headers")).content.decode()
    assert "Subject: Grüße" in headers
    assert "Hallo" not in headers
    source = sue.get(url(message, "source")).content.decode()
    assert "Message-ID: &lt;" in source
    assert "Hallo" in source


def test_the_raw_message_is_a_download(sue, send):
    message = send()
    answer = sue.get(url(message, "raw"))
    assert answer["Content-Type"] == "message/rfc822"
    assert answer["Content-Disposition"] == f'attachment; filename="{message.pk}.eml"'
    assert answer.content.startswith((b"From: ", b"Date: ", b"Message-ID: ", b"DKIM"))


def test_attachments_are_downloads_without_content_sniffing(sue, send):
    file = File(filename='e"vil.html', content_type="text/html", content=b"<script>alert(1)</script>")
    message = send(attachments=[file])
    other = send()
    attachment = message.attachments.get()
    answer = sue.get(url(message, "attachment", attachment.pk))
    assert answer.content == file.content
    assert answer["Content-Disposition"].startswith("attachment;")
    assert (answer["X-Content-Type-Options"], "sandbox" in answer["Content-Security-Policy"]) == ("nosniff", True)
    assert sue.get(url(other, "attachment", attachment.pk)).status_code == 404


def test_a_message_that_is_not_there_is_404(sue, send):
    send()
    for name in ("change", "html", "text", "source", "headers", "raw"):
        assert sue.get(reverse(f"admin:mail_message_{name}", args=[uuid4()])).status_code == 404
    assert sue.get("/admin/mail/message/nonsense/change/").status_code == 404


def test_users_without_the_permission_see_no_messages(send):
    message = send(html="<p>x", attachments=[File(filename="a", content_type="text/plain", content=b"x")])
    stranger = log_in(User.objects.create_user("other", is_staff=True))
    file = message.attachments.get()
    urls = [url(message, name) for name in ("change", "html", "text", "source", "headers", "raw")]
    for each in [*urls, url(message, "attachment", file.pk), reverse("admin:mail_message_changelist")]:
        assert stranger.get(each).status_code == 403, each
        assert Client().get(each).status_code == 302


def test_the_page_looks_again_by_itself_while_something_happens(sue, send, deliver, server: SmtpServer):
    message = send()
    again = '<noscript><meta http-equiv="refresh" content="3"></noscript>'
    assert again in page(sue, message)
    assert f'data-live-url="{url(message, "live")}?seen=' in page(sue, message)
    deliver()
    assert again not in page(sue, message)
    assert again not in page(sue, send(scheduled_at=timezone.now() + timedelta(days=1)))


def test_remote_images_are_loaded_on_request_only(sue, send):
    message = send(html='<img src="https://shop.test/logo.png">')
    assert "Load remote images" in page(sue, message)
    shown = sue.get(url(message), {"images": "yes"}).content.decode()
    assert f"{url(message, 'html')}?why=&amp;images=yes" in shown
    assert "img-src data:;" in sue.get(url(message, "html"))["Content-Security-Policy"]
    policy = sue.get(url(message, "html"), {"images": "yes"})["Content-Security-Policy"]
    assert ("img-src data: https: http:;" in policy, "sandbox" in policy) == (True, True)


def test_the_template_and_its_version_are_named_and_metadata_stands_apart_from_headers(sue, send, project):
    template = Template.objects.create(project=project, alias="welcome", name="Welcome", text="x")
    version = Version.objects.create(template=template, number=3, subject="x", text="x")
    message = send(metadata={"order": "7"}, headers=[["X-Shop", "Berlin"]])
    Message.objects.filter(pk=message.pk).update(template=template, template_version=version)
    html = page(sue, message)
    assert "version 3" in html
    assert html.index("<h3>Metadata</h3>") < html.index(">order<") < html.index("<h3>Own headers</h3>")


def test_an_attempts_transcript_tells_what_was_recorded(sue, send, deliver, server: SmtpServer):
    server.script.replies["RCPT"] = "451 4.7.1 Greylisted"
    message = send()
    deliver()
    html = page(sue, message)
    for words in ("a worker claimed it", "chose default", "without TLS", "reply: 451 4.7.1", "outcome: deferred"):
        assert words in html, words


def test_the_live_stream_tells_of_a_change_once(sue, send, monkeypatch):
    message = send()
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.0)
    seen = live.read_version(message.pk)
    stream = live.MessageStream(message, seen, is_paced=True)
    assert live.slots.acquire(message.project_id)
    chunks = iter(stream)
    assert [next(chunks), next(chunks)] == [b"retry: 1000\n\n", f"id: {seen}\n\n".encode()]
    with transaction.atomic():
        message.recipients.all().move_to(Status.BOUNCED)
    assert next(chunks).startswith(b"event: changed\ndata: {}\nid: ")
    assert next(chunks) == b""
    stream.close()


def test_the_live_stream_needs_the_permission(sue, send):
    message = send()
    stranger = log_in(User.objects.create_user("other", is_staff=True))
    assert stranger.get(url(message, "live")).status_code == 403
    answer = sue.get(url(message, "live"))
    assert answer["Content-Type"] == "text/event-stream"
    answer.close()
