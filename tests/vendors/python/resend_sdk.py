"""resend-python: the calls of Resend's door. Older versions have fewer of them."""

import json
import threading
import urllib.request
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import resend
from resend.exceptions import ResendError
from steps import GIVEN, PDF, PNG, address, arrived, check_files, partial, raised, step, unsupported, until_limited
from svix.webhooks import Webhook, WebhookVerificationError

resend.api_url = f"{GIVEN['url']}/compat/resend"
resend.api_key = GIVEN["key"]
FROM = f"Demo <{GIVEN['sender']}>"
LATER = (datetime.now(UTC) + timedelta(days=2)).isoformat()
ALIAS = f"receipt-{GIVEN['client']}"
MUCH_LATER = (datetime.now(UTC) + timedelta(days=3)).isoformat()


def build(name: str, **more: Any) -> Any:
    return {"from": FROM, "to": [address(name)], "subject": f"Subject of {name}", "html": "<p>It works.</p>", **more}


@step("send", "POST /emails")
def send() -> None:
    tags = [{"name": "order", "value": "7"}]
    sent = resend.Emails.send(
        build("send", cc=[address("cc")], bcc=[address("bcc")], reply_to="answers@example.test", tags=tags),
        {"idempotency_key": address("send")},
    )
    mail = arrived(address("send"))
    headers = {name.lower(): value for name, value in mail["headers"]}
    assert sent["id"] in headers["message-id"], headers
    assert headers["reply-to"] == "answers@example.test"
    assert "bcc" not in headers
    assert arrived(address("bcc"))["subject"] == "Subject of send"
    again = resend.Emails.send(
        build("send", cc=[address("cc")], bcc=[address("bcc")], reply_to="answers@example.test", tags=tags),
        {"idempotency_key": address("send")},
    )
    assert again["id"] == sent["id"]


@step("files", "POST /emails")
def send_files() -> None:
    files = [
        {"filename": "a.pdf", "content": list(PDF)},
        {"filename": "logo.png", "content": b64encode(PNG).decode(), "content_id": "logo"},
    ]
    sent = resend.Emails.send(build("files", html='<p><img src="cid:logo"></p>', attachments=files))
    check_files(arrived(address("files")), {"a.pdf", "logo.png"})
    GIVEN["with_files"] = sent["id"]


@step("batch", "POST /emails/batch")
def send_batch() -> None:
    sent = resend.Batch.send([build("one"), build("two")])
    assert len({item["id"] for item in sent["data"]}) == 2
    assert arrived(address("two"))["subject"] == "Subject of two"


@step("batch", "POST /emails/batch")
def send_permissive_batch() -> None:
    if not hasattr(resend.Batch, "SendOptions"):
        return
    sent: Any = resend.Batch.send([build("good"), build("bad", to=["nobody"])], {"batch_validation": "permissive"})
    assert len(sent["data"]) == 1
    assert [item["index"] for item in sent["errors"]] == [1], sent


@step("template", "POST /emails")
def send_template() -> None:
    template = {"id": GIVEN["template"], "variables": {"name": "Jo"}}
    resend.Emails.send({"from": FROM, "to": address("template"), "template": template})  # type: ignore[typeddict-item]
    mail = arrived(address("template"))
    assert (mail["subject"], "Hello Jo" in mail["html"]) == ("Welcome, Jo", True)


@step("get", "GET /emails/{id}")
def get() -> None:
    sent = resend.Emails.send(build("get", tags=[{"name": "order", "value": "7"}]))
    found: Any = resend.Emails.get(sent["id"])
    assert (found["object"], found["to"], found["subject"]) == ("email", [address("get")], "Subject of get")
    assert found["tags"] == [{"name": "order", "value": "7"}]
    assert found["last_event"] in ("queued", "sent", "delivered"), found


if hasattr(resend.Emails, "list"):

    @step("list", "GET /emails")
    def list_emails() -> None:
        page: Any = resend.Emails.list({"limit": 2})
        assert (page["object"], len(page["data"]), page["has_more"]) == ("list", 2, True)
        rest: Any = resend.Emails.list({"limit": 2, "after": page["data"][-1]["id"]})
        assert not {row["id"] for row in page["data"]} & {row["id"] for row in rest["data"]}
        back: Any = resend.Emails.list({"limit": 2, "before": rest["data"][0]["id"]})
        assert [row["id"] for row in back["data"]] == [row["id"] for row in page["data"]]


@step("update", "PATCH /emails/{id}")
def update() -> None:
    sent = resend.Emails.send(build("update", scheduled_at=LATER))
    changed = resend.Emails.update({"id": sent["id"], "scheduled_at": MUCH_LATER})
    assert changed["id"] == sent["id"]
    assert resend.Emails.get(sent["id"])["scheduled_at"][:16] == MUCH_LATER[:16]


@step("cancel", "POST /emails/{id}/cancel")
def cancel() -> None:
    sent = resend.Emails.send(build("cancel", scheduled_at="in 1 hour"))
    assert resend.Emails.cancel(sent["id"])["id"] == sent["id"]
    assert resend.Emails.get(sent["id"])["last_event"] == "canceled"


if hasattr(resend.Emails, "Attachments"):

    @step("files", "GET /emails/{id}/attachments, GET /emails/{id}/attachments/{id}")
    def list_attachments() -> None:
        listed: Any = resend.Emails.Attachments.list(email_id=GIVEN["with_files"])
        assert {file["filename"] for file in listed["data"]} == {"a.pdf", "logo.png"}
        assert {file["content_disposition"] for file in listed["data"]} == {"attachment", "inline"}
        one = next(file for file in listed["data"] if file["filename"] == "a.pdf")
        found: Any = resend.Emails.Attachments.get(GIVEN["with_files"], one["id"])
        assert (found["object"], found["size"]) == ("attachment", len(PDF))
        with urllib.request.urlopen(found["download_url"], timeout=30) as answer:
            assert answer.read() == PDF


if hasattr(resend, "Templates"):

    @step("templates", "POST /templates, GET /templates/{id}")
    def make_template() -> None:
        made: Any = resend.Templates.create(
            {
                "name": "Receipt",
                "alias": ALIAS,
                "subject": "Order {{{ORDER}}}",
                "html": "<p>{{{WHO}}} ordered {{{ORDER}}}</p>",
                "variables": [
                    {"key": "WHO", "type": "string", "fallback_value": "somebody"},
                    {"key": "ORDER", "type": "number"},
                ],
            }
        )
        assert made["object"] == "template"
        GIVEN["made"] = made["id"]
        found: Any = resend.Templates.get(made["id"])
        assert (found["status"], found["html"]) == ("draft", "<p>{{{WHO}}} ordered {{{ORDER}}}</p>")
        assert {variable["key"]: variable["fallback_value"] for variable in found["variables"]} == {
            "WHO": "somebody",
            "ORDER": None,
        }

    @step("templates", "POST /templates/{id}/publish")
    def publish_template() -> None:
        resend.Templates.publish(GIVEN["made"])
        assert resend.Templates.get(ALIAS)["status"] == "published"
        template = {"id": ALIAS, "variables": {"ORDER": 7}}
        resend.Emails.send({"from": FROM, "to": address("receipt"), "template": template})  # type: ignore[typeddict-item]
        mail = arrived(address("receipt"))
        assert (mail["subject"], "somebody ordered 7" in mail["html"]) == ("Order 7", True), mail

    @step("templates", "PATCH /templates/{id}, GET /templates")
    def change_template() -> None:
        resend.Templates.update({"id": GIVEN["made"], "name": "Bill"})
        page: Any = resend.Templates.list({"limit": 10})
        assert ("Bill", "published") in {(row["name"], row["status"]) for row in page["data"]}, page

    @step("templates", "POST /templates/{id}/duplicate, DELETE /templates/{id}")
    def duplicate_template() -> None:
        copy: Any = resend.Templates.duplicate(GIVEN["made"])
        assert copy["id"] != GIVEN["made"]
        assert resend.Templates.get(copy["id"])["status"] == "draft"
        assert resend.Templates.remove(copy["id"])["deleted"] is True


class Receiver(BaseHTTPRequestHandler):
    """Keeps the posts of webhooks."""

    posts: list[tuple[dict[str, str], bytes]] = []

    def do_POST(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.posts.append((headers, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


if hasattr(resend, "Webhooks"):

    @step("webhook", "POST /webhooks")
    def receive_webhook() -> None:
        server = HTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/hook"
        made: Any = resend.Webhooks.create({"endpoint": url, "events": ["email.delivered", "email.sent"]})
        resend.Emails.send(build("hook", tags=[{"name": "order", "value": "7"}]))
        arrived(address("hook"))
        waited = threading.Event()
        # Other clients send meanwhile, and their events come here too.
        found: list[tuple[dict[str, str], bytes]] = []
        for _ in range(200):
            found = [post for post in list(Receiver.posts) if address("hook").encode() in post[1]]
            if found:
                break
            waited.wait(0.1)
        headers, body = found[0]
        Webhook(made["signing_secret"]).verify(body, headers)
        event: Any = json.loads(body)
        assert (event["data"]["to"], event["data"]["tags"]) == ([address("hook")], {"order": "7"})
        raised(lambda: Webhook(made["signing_secret"]).verify(body + b" ", headers), WebhookVerificationError)
        resend.Webhooks.verify(
            {
                "payload": body.decode(),
                "headers": {
                    "id": headers["svix-id"],
                    "timestamp": headers["svix-timestamp"],
                    "signature": headers["svix-signature"],
                },
                "webhook_secret": made["signing_secret"],
            }
        )
        assert event["type"] in ("email.sent", "email.delivered")
        GIVEN["hook"], GIVEN["hook_secret"] = made["id"], made["signing_secret"]
        server.shutdown()

    if hasattr(resend.Webhooks, "rotate_signing_secret"):

        @step("webhook", "POST /webhooks/{id}/signing-secret/rotate")
        def rotate_secret() -> None:
            rotated: Any = resend.Webhooks.rotate_signing_secret(GIVEN["hook"])
            assert rotated["signing_secret"] not in ("", GIVEN["hook_secret"])

    @step("webhook", "PATCH /webhooks/{id}, GET /webhooks, GET /webhooks/{id}, DELETE /webhooks/{id}")
    def change_webhook() -> None:
        resend.Webhooks.update({"webhook_id": GIVEN["hook"], "status": "disabled"})
        found: Any = resend.Webhooks.get(GIVEN["hook"])
        assert (found["object"], found["status"]) == ("webhook", "disabled")
        assert GIVEN["hook"] in {row["id"] for row in resend.Webhooks.list()["data"]}
        assert resend.Webhooks.remove(GIVEN["hook"])["deleted"] is True


@step("domain", "POST /domains, GET /domains, GET /domains/{id}, POST /domains/{id}/verify")
def make_domain() -> None:
    made: Any = resend.Domains.create({"name": f"{address('d').partition('@')[0].replace('.', '-')}.example"})
    found: Any = resend.Domains.get(made["id"])
    assert (found["object"], found["status"], bool(found["records"])) == ("domain", "not_started", True)
    assert made["id"] in {row["id"] for row in resend.Domains.list()["data"]}
    resend.Domains.verify(made["id"])
    GIVEN["made_domain"] = made["id"]


@partial("domain", "PATCH /domains/{id}", "tracking is chosen for each email")
def change_domain() -> None:
    resend.Domains.update({"id": GIVEN["made_domain"], "open_tracking": False, "tls": "opportunistic"})
    error = raised(lambda: resend.Domains.update({"id": GIVEN["made_domain"], "open_tracking": True}), ResendError)
    assert "track_opens" in str(error), error
    resend.Domains.remove(GIVEN["made_domain"])


if hasattr(resend, "Suppressions"):

    @step("suppression", "POST /suppressions, GET /suppressions, GET /suppressions/{id or address}")
    def suppress() -> None:
        made: Any = resend.Suppressions.add({"email": address("gone")})
        found: Any = resend.Suppressions.get(address("gone"))
        assert (found["id"], found["origin"]) == (made["id"], "manual")
        assert made["id"] in {row["id"] for row in resend.Suppressions.list()["data"]}
        sent = resend.Emails.send(build("gone"))
        assert resend.Emails.get(sent["id"])["last_event"] == "suppressed"
        assert resend.Suppressions.remove(address("gone"))["deleted"] is True


@unsupported("other", "everything else")
def use_audiences() -> None:
    error = raised(lambda: resend.ApiKeys.list(), ResendError)
    assert "not served here" in str(error), error


@step("error", "POST /emails")
def tell_errors() -> None:
    error = raised(lambda: resend.Emails.send(build("error", to=["nobody"], subject="")), ResendError)
    assert (str(error.code), error.error_type) == ("422", "validation_error"), vars(error)
    assert "to[0]" in str(error)
    resend.api_key = "re_wrong"
    try:
        error = raised(lambda: resend.Emails.send(build("error")), ResendError)
    finally:
        resend.api_key = GIVEN["key"]
    assert (str(error.code), error.error_type) == ("403", "invalid_api_key"), vars(error)


@step("rate limit", "POST /emails")
def tell_limit() -> None:
    resend.api_key = GIVEN["low_key"]
    try:
        error = until_limited(lambda: resend.Emails.send(build("limit")), ResendError)
    finally:
        resend.api_key = GIVEN["key"]
    assert (str(error.code), error.error_type) == ("429", "rate_limit_exceeded"), vars(error)
    headers = {name.lower(): value for name, value in (getattr(error, "headers", None) or {}).items()}
    if headers:
        assert headers["ratelimit-limit"] == "1"
        assert int(headers["retry-after"]) >= 1
