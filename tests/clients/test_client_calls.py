"""The clients' calls against the service, and against its OpenAPI document."""

import asyncio
import inspect
import re
from datetime import UTC, datetime, timedelta
from typing import Any, get_type_hints

import httpx
import pytest
from drf_spectacular.generators import SchemaGenerator
from emailsvc_client import (
    AsyncClient,
    Client,
    ConflictError,
    InvalidFieldsError,
    NotFoundError,
    attach,
    email_calls,
    objects,
    resource_calls,
)
from emailsvc_client.calls import Call

from tests.clients.conftest import URL, lead_to_django

EMAIL: dict[str, Any] = {"from_": "shop@mine.test", "to": "one@rcpt.test", "subject": "Hi", "text": "Hello."}
NOT_OPERATIONS = {"dry_run_email"}


def list_calls() -> dict[str, Any]:
    """The functions that build calls."""
    return {
        name: function
        for module in (email_calls, resource_calls)
        for name, function in vars(module).items()
        if inspect.isfunction(function) and function.__module__ == module.__name__
    }


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)


def build_sample(function: Any) -> Call[Any]:
    """The call with every argument given."""
    samples = {"emails": [EMAIL], "template_vars": {"a": "b"}, "types": ["a"], "metadata": {"a": "b"}, "events": ["*"]}
    arguments, named = [], {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        value = samples.get(name, "x")
        if parameter.kind is parameter.KEYWORD_ONLY:
            named[name] = value
        else:
            arguments.append(value)
    return function(*arguments, **named)


@pytest.mark.parametrize("name", sorted(list_calls()))
def test_a_call_is_the_operation_of_its_name_with_parameters_that_it_has(document: Any, name: str) -> None:
    call = build_sample(list_calls()[name])
    operation_id = "send_email" if name in NOT_OPERATIONS else name
    found = {
        operation["operationId"]: (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict)
    }
    method, path, operation = found[operation_id]
    assert call.method == method
    assert re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), f"/api/v1{call.path}")
    parameters = {each["name"] for each in operation.get("parameters", [])}
    given = {each for each in call.query if not each.startswith("metadata.")}
    assert given - ({"dry_run"} if name in NOT_OPERATIONS else set()) <= parameters
    if call.idempotency_key and name != "preview_template":
        assert name in NOT_OPERATIONS or "Idempotency-Key" in parameters


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (objects.EmailFields, "EmailRequest"),
        (objects.Attachment, "Attachment"),
        (objects.Email, "EmailOutput"),
        (objects.Recipient, "RecipientOutput"),
        (objects.Batch, "BatchOutput"),
        (objects.AcceptedItem, "BatchItem"),
        (objects.RefusedItem, "BatchRefusal"),
        (objects.Event, "FeedEventOutput"),
        (objects.Template, "TemplateOutput"),
        (objects.TemplateFields, "TemplateInput"),
        (objects.Domain, "DomainOutput"),
    ],
)
def test_the_fields_of_an_object_are_those_of_the_document(document: Any, ours: Any, theirs: str) -> None:
    assert get_type_hints(ours).keys() <= document["components"]["schemas"][theirs]["properties"].keys()


def test_an_email_to_send_may_have_every_field_of_the_document(document: Any) -> None:
    fields = document["components"]["schemas"]["EmailRequest"]["properties"].keys()
    assert get_type_hints(objects.EmailFields).keys() == fields


def test_both_clients_have_every_call() -> None:
    for name in list_calls():
        assert callable(getattr(Client, name)), name
        assert inspect.iscoroutinefunction(getattr(AsyncClient, name)), name


def test_a_client_sends_finds_and_cancels(client: Client) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    sent = client.send_email(
        **EMAIL, scheduled_at=later, tags=["a"], metadata={"order": "1"}, attachments=[attach(b"x", "a.txt")]
    )
    assert (sent["status"], sent["to"]) == ("scheduled", ["one@rcpt.test"])
    assert [each["id"] for each in client.list_emails(metadata={"order": "1"}, test=False)["data"]] == [sent["id"]]
    found = client.get_email(sent["id"])
    assert (found["text"], found["tags"], found["attachments"][0]["size"]) == ("Hello.", ["a"], 1)
    assert client.get_email_attachment(sent["id"], found["attachments"][0]["id"]) == b"x"
    assert client.cancel_email(sent["id"])["status"] == "cancelled"
    with pytest.raises(ConflictError) as caught:
        client.cancel_email(sent["id"])
    assert caught.value.code == "not_cancellable"
    assert client.explain_email(sent["id"])["why"]


def test_a_list_is_read_page_by_page(client: Client) -> None:
    client.send_batch([{**EMAIL, "subject": str(number)} for number in range(5)])
    assert [each["subject"] for each in client.iterate(client.list_emails, limit=2)] == ["4", "3", "2", "1", "0"]
    first = client.list_emails(limit=1)["data"][0]["id"]
    assert [each["type"] for each in client.iterate(client.list_email_events, first, limit=1)] == ["email.queued"]


def test_a_refusal_names_the_fields(client: Client) -> None:
    with pytest.raises(InvalidFieldsError) as caught:
        client.send_email(**{**EMAIL, "to": ["good@rcpt.test", "bad address"]})
    assert caught.value.errors[0]["field"] == "to[1]"
    assert "to[1]" in str(caught.value)
    with pytest.raises(NotFoundError):
        client.get_email("01a2047f-0c26-779d-83ae-cdd34da2b62b")


def test_any_other_call_can_be_made(client: Client) -> None:
    assert client.request("GET", "/providers", limit=5)["limit"] == 5


def test_the_awaited_client_does_the_same(in_process: None) -> None:
    """Against a stand-in: Django's connection belongs to the thread of the test."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            200,
            json={
                "data": [{"id": request.url.params.get("after", "first")}],
                "next": "second",
                "has_more": "after" not in request.url.params,
                "limit": 1,
            },
        )

    async def read() -> list[str]:
        async with AsyncClient(URL, "es_test_k", transport=httpx.MockTransport(answer)) as client:
            return [email["id"] async for email in client.iterate(client.list_emails)]

    assert asyncio.run(read()) == ["first", "second"]


def test_the_transport_of_these_tests_gives_refusals_as_they_are(db: None) -> None:
    assert lead_to_django(httpx.Request("GET", f"{URL}/api/v1/me")).status_code == 401
