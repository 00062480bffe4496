"""A service in memory for the tests of programs that send: it takes emails and keeps them."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
from emailsvc_client.configuration import API

URL = "http://emailsvc.test"
KEY = "es_test_outbox"
ADDRESSES = ("to", "cc", "bcc")
IN_BRACKETS = re.compile(r"<([^<>]*)>\s*$")


@dataclass
class Outbox:
    """`emails` are the accepted ones, oldest first, with the fields as they were sent, and `id` and `status`.

    `refuse("jo@example.com")` has mail to that address refused, as the service refuses an invalid one. `transport`
    leads a client here. It answers sends, batches, dry runs, lists, look-ups and cancels of emails; anything else 404.
    """

    emails: list[dict[str, Any]] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    _answers: dict[str, httpx.Response] = field(default_factory=dict)

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.answer)

    @property
    def recipients(self) -> list[str]:
        """The bare addresses of all emails, in order."""
        return [bare(address) for email in self.emails for name in ADDRESSES for address in email[name]]

    def refuse(self, address: str) -> None:
        """Refuse emails to this address from now on."""
        self.refused.add(address.lower())

    def clear(self) -> None:
        self.emails.clear()
        self.requests.clear()

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The service's answer. A used idempotency key gets its answer again."""
        self.requests.append(request)
        key = request.headers.get("Idempotency-Key")
        if key and key in self._answers:
            return self._answers[key]
        path = request.url.path.removeprefix(API)
        for method, pattern, handle in ROUTES:
            if method == request.method and (match := pattern.fullmatch(path)):
                response = handle(self, request, *match.groups())
                break
        else:
            response = problem(404, "not_found", "The outbox of tests does not know this call.")
        if key and response.is_success:
            self._answers[key] = response
        return response

    def find_errors(self, fields: Mapping[str, Any]) -> list[dict[str, str]]:
        """What the service would refuse: no recipient, no content, an address that tests refuse."""
        errors = [
            {"field": f"{name}[{index}]", "code": "invalid_address", "message": f"{address} is refused."}
            for name in ADDRESSES
            for index, address in enumerate(as_list(fields.get(name)))
            if bare(address).lower() in self.refused or "@" not in bare(address)
        ]
        if not any(as_list(fields.get(name)) for name in ADDRESSES):
            errors.append({"field": "to", "code": "required", "message": "An email has a recipient."})
        if not any(fields.get(name) for name in ("html", "text", "template_id")):
            errors.append({"field": "text", "code": "required", "message": "An email has html, text or a template."})
        return errors

    def accept(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Keep an email."""
        addresses = {name: as_list(fields.get(name)) for name in (*ADDRESSES, "reply_to")}
        usual: dict[str, Any] = {
            "subject": "",
            "html": None,
            "text": None,
            "tags": [],
            "metadata": {},
            "attachments": [],
        }
        email = {
            **usual,
            "stream": "default",
            **fields,
            **addresses,
            "id": str(uuid4()),
            "status": "scheduled" if fields.get("scheduled_at") else "queued",
            "created_at": datetime.now(UTC).isoformat(),
        }
        self.emails.append(email)
        return email

    def find(self, email_id: str) -> dict[str, Any] | None:
        return next((email for email in self.emails if email["id"] == email_id), None)


def bare(address: str) -> str:
    """`jo@example.com` of `Jo <jo@example.com>`."""
    match = IN_BRACKETS.search(address)
    return match[1] if match else address.strip()


def as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


def problem(status: int, code: str, detail: str, errors: list[dict[str, str]] | None = None) -> httpx.Response:
    body = {"status": status, "code": code, "detail": detail, "request_id": "outbox", "errors": errors or []}
    return httpx.Response(status, json=body)


def send(outbox: Outbox, request: httpx.Request) -> httpx.Response:
    fields = json.loads(request.content)
    if errors := outbox.find_errors(fields):
        return problem(422, "invalid_fields", "Fields are invalid.", errors)
    if request.url.params.get("dry_run") == "true":
        told = [
            {"address": bare(each), "decision": "send", "reason": None, "stream": "default", "provider": "outbox"}
            for name in ADDRESSES
            for each in as_list(fields.get(name))
        ]
        return httpx.Response(
            200, json={"mime": None, "size": len(request.content), "recipients": told, "alignment": {}, "links": []}
        )
    return httpx.Response(202, json=outbox.accept(fields))


def send_batch(outbox: Outbox, request: httpx.Request) -> httpx.Response:
    emails = json.loads(request.content)
    refused = {index: errors for index, each in enumerate(emails) if (errors := outbox.find_errors(each))}
    is_permissive = request.url.params.get("mode") == "permissive"
    if refused and (not is_permissive or len(refused) == len(emails)):
        located = [
            {**error, "field": f"[{index}].{error['field']}"} for index, errors in refused.items() for error in errors
        ]
        return problem(422, "invalid_fields", "Emails are invalid.", located)
    data = []
    for index, each in enumerate(emails):
        if index not in refused:
            email = outbox.accept(each)
            data.append({"index": index, "id": email["id"], "status": email["status"]})
    told = [{"index": index, "errors": errors} for index, errors in refused.items()]
    return httpx.Response(202, json={"data": data, "errors": told})


def list_emails(outbox: Outbox, _: httpx.Request) -> httpx.Response:
    rows = outbox.emails[::-1][:100]
    return httpx.Response(200, json={"data": rows, "has_more": False, "limit": 100, "offset": 0, "next": None})


def get_email(outbox: Outbox, _: httpx.Request, email_id: str) -> httpx.Response:
    email = outbox.find(email_id)
    return httpx.Response(200, json=email) if email else problem(404, "not_found", "There is no such email.")


def cancel_email(outbox: Outbox, _: httpx.Request, email_id: str) -> httpx.Response:
    email = outbox.find(email_id)
    if email is None:
        return problem(404, "not_found", "There is no such email.")
    if email["status"] != "scheduled":
        return problem(409, "not_cancellable", f"The email is {email['status']}.")
    email["status"] = "cancelled"
    return httpx.Response(200, json=email)


Route = tuple[str, re.Pattern[str], Callable[..., httpx.Response]]
ROUTES: tuple[Route, ...] = (
    ("POST", re.compile("/emails"), send),
    ("POST", re.compile("/emails/batch"), send_batch),
    ("GET", re.compile("/emails"), list_emails),
    ("GET", re.compile("/emails/([^/]+)"), get_email),
    ("POST", re.compile("/emails/([^/]+)/cancel"), cancel_email),
)
