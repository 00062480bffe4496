"""Generated requests at other services' APIs, valid and invalid by a document of their forms: no server error.

The document is for tests only. It has the fields whose types the services document; each answers in its own form.
"""

from base64 import b64encode
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error

from emailsvc.wsgi import application

pytestmark = pytest.mark.django_db
EXAMPLES = 3
TEXT: dict[str, Any] = {"type": "string"}
ADDRESS: dict[str, Any] = {"type": "string", "enum": ["one@rcpt.test", "One <one@rcpt.test>"]}
SENDER: dict[str, Any] = {"type": "string", "enum": ["shop@mine.test"]}
FLAG: dict[str, Any] = {"type": "boolean"}
NUMBER: dict[str, Any] = {"type": "integer"}
WORDS: dict[str, Any] = {"type": "object", "additionalProperties": TEXT}


def some(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item, "maxItems": 3}


def form(required: str, **fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": required.split()}


def person(**more: Any) -> dict[str, Any]:
    return form("email", email=ADDRESS, name=TEXT, **more)


RESEND = form(
    "from to subject",
    **{"from": SENDER, "to": {"oneOf": [ADDRESS, some(ADDRESS)]}, "cc": some(ADDRESS), "reply_to": ADDRESS},
    subject=TEXT,
    html=TEXT,
    text=TEXT,
    headers=WORDS,
    scheduled_at=TEXT,
    tags=some(form("name value", name=TEXT, value=TEXT)),
    attachments=some(form("filename content", filename=TEXT, content=TEXT, content_id=TEXT)),
)
POSTMARK = form(
    "From To",
    From=SENDER,
    To=ADDRESS,
    Cc=TEXT,
    Bcc=TEXT,
    ReplyTo=TEXT,
    Subject=TEXT,
    Tag=TEXT,
    HtmlBody=TEXT,
    TextBody=TEXT,
    TrackOpens=FLAG,
    TrackLinks=TEXT,
    Metadata=WORDS,
    Headers=some(form("Name Value", Name=TEXT, Value=TEXT)),
    Attachments=some(form("Name Content ContentType", Name=TEXT, Content=TEXT, ContentType=TEXT)),
)
SENDGRID = form(
    "personalizations from",
    **{"from": form("email", email=SENDER, name=TEXT), "reply_to": person(), "subject": TEXT, "send_at": NUMBER},
    personalizations=some(
        form("to", to=some(person()), cc=some(person()), subject=TEXT, substitutions=WORDS, custom_args=WORDS)
    ),
    content=some(form("type value", type=TEXT, value=TEXT)),
    categories=some(TEXT),
    headers=WORDS,
)
MAILGUN = form("from to", **{"from": SENDER, "to": ADDRESS, "subject": TEXT, "text": TEXT, "html": TEXT, "o:tag": TEXT})
POSTS: dict[str, tuple[str, dict[str, Any]]] = {
    "/compat/resend/emails": ("application/json", RESEND),
    "/compat/resend/emails/batch": ("application/json", some(RESEND)),
    "/compat/resend/domains": ("application/json", form("name", name=TEXT, region=TEXT)),
    "/compat/postmark/email": ("application/json", POSTMARK),
    "/compat/postmark/email/batch": ("application/json", some(POSTMARK)),
    "/compat/postmark/message-streams": (
        "application/json",
        form("ID Name", ID=TEXT, Name=TEXT, MessageStreamType=TEXT),
    ),
    "/compat/sendgrid/v3/mail/send": ("application/json", SENDGRID),
    "/compat/sendgrid/v3/user/scheduled_sends": (
        "application/json",
        form("batch_id status", batch_id=TEXT, status=TEXT),
    ),
    "/compat/mailgun/v3/mine.test/messages": ("application/x-www-form-urlencoded", MAILGUN),
}
LISTS = {
    "/compat/resend/emails": ("limit", "after"),
    "/compat/postmark/messages/outbound": ("count", "offset", "recipient", "fromdate", "status"),
    "/compat/postmark/bounces": ("count", "offset", "type", "emailFilter", "todate"),
    "/compat/postmark/templates": ("count", "offset"),
    "/compat/postmark/message-streams": ("messageStreamType",),
}
ANSWERS = {"default": {"description": "in the service's own form"}}


def build_document() -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for path, (media_type, body) in POSTS.items():
        content = {media_type: {"schema": body}}
        paths.setdefault(path, {})["post"] = {
            "requestBody": {"required": True, "content": content},
            "responses": ANSWERS,
        }
    for path, names in LISTS.items():
        parameters = [{"name": name, "in": "query", "schema": TEXT} for name in names]
        paths.setdefault(path, {})["get"] = {"parameters": parameters, "responses": ANSWERS}
    return {"openapi": "3.0.3", "info": {"title": "dialects", "version": "1"}, "paths": paths}


def serve(environ: Any, start_response: Any) -> Any:
    """The service, which must not end the test's transaction with the request."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    return application(environ, start_response)


@pytest.fixture
def headers(api) -> dict[str, str]:
    """The key in each service's header."""
    return {"Authorization": f"Bearer {api.token}", "X-Postmark-Server-Token": api.token, "Host": "localhost"}


@pytest.mark.slow("generates requests to every address")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
def test_no_generated_request_is_a_server_error(headers, mode):
    schema = schemathesis.openapi.from_dict(build_document())
    schema.app = serve
    statuses: set[int] = set()

    for result in schema.get_all_operations():
        statuses |= exercise(result.ok(), mode, headers)
    assert statuses & {400, 422}, "nothing was refused"
    if mode is GenerationMode.POSITIVE:
        assert statuses & {200, 202}, "nothing was accepted"


def exercise(operation: Any, mode: GenerationMode, headers: dict[str, str]) -> set[int]:
    """Call the operation with generated cases; the statuses of the answers."""
    is_mailgun = "/mailgun/" in operation.path
    own = {**headers, "Authorization": f"Basic {encode_login(headers)}"} if is_mailgun else headers
    statuses: set[int] = set()

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    def run(case: Any) -> None:
        answer = case.call(base_url="http://localhost", headers=own)
        statuses.add(answer.status_code)
        case.validate_response(answer, checks=[not_a_server_error])

    run()
    return statuses


def encode_login(headers: dict[str, str]) -> str:
    """Mailgun's login: the user is always `api`."""
    return b64encode(f"api:{headers['X-Postmark-Server-Token']}".encode()).decode()
