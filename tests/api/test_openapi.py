"""GET /api/schema: the OpenAPI document is valid, complete, and matches the service."""

import ast
import json
from base64 import b64decode
from typing import Any

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator

from accounts import scopes
from common.problems import CONTENT_TYPE
from emailsvc.openapi.settings import TAGS
from tests.api.conftest import EMAIL
from tests.api.test_conventions import list_routes

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return json.loads(json.dumps(SchemaGenerator().get_schema(request=None, public=True)))


@pytest.fixture(scope="module")
def operations(document) -> list[tuple[str, str, dict[str, Any]]]:
    """Each (method, path, operation)."""
    return [
        (method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def check(document, name, value):
    """Raise unless `value` is as the component `name` says."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(value)


def test_it_is_served_to_anybody_in_both_forms(anonymous):
    for path in ("/api/schema", "/api/schema/"):
        answer = anonymous.get(path, Accept="text/html")
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
        assert answer.json()["openapi"] == "3.1.1"


def test_it_is_valid_openapi(document):
    OpenAPIV31SpecValidator(document).validate()


def test_nothing_in_it_had_to_be_guessed(document):
    GENERATOR_STATS.reset()
    with GENERATOR_STATS.silence():
        SchemaGenerator().get_schema(request=None, public=True)
    assert not GENERATOR_STATS._warn_cache
    assert not GENERATOR_STATS._error_cache


def test_it_has_every_route_and_no_other(document):
    served = {(method.lower(), path) for method, path in list_routes(fill=lambda part: "{}")}
    described = {
        (method, "/".join("{}" if part.startswith("{") else part for part in path.split("/")))
        for path, item in document["paths"].items()
        for method in item
    }
    assert described == served


def test_paths_have_no_slash_at_their_end(document):
    assert not [path for path in document["paths"] if path.endswith("/")]


def test_every_operation_is_named_summed_up_and_put_in_a_group(operations):
    assert len({operation["operationId"] for _, _, operation in operations}) == len(operations)
    for method, path, operation in operations:
        assert operation["summary"], (method, path)
        assert len(operation["summary"]) < 120, (method, path)
        assert operation["tags"] == [path.split("/")[3]]
        assert operation["tags"][0] in TAGS
        assert operation["security"] == [{"bearer": []}]


def test_every_operation_but_me_says_which_scope_it_needs(operations):
    for _, path, operation in operations:
        named = [scope for scope in scopes.KNOWN if f"`{scope}`" in operation["description"]]
        assert len(named) == (0 if path == "/api/v1/me" else 1), path


def test_every_answer_is_described_and_errors_are_problems(operations):
    for method, path, operation in operations:
        answers = operation["responses"]
        assert {"400", "401", "403", "414", "422", "503"} <= answers.keys()
        assert ("404" in answers) is ("{" in path)
        assert ({"413", "415"} <= answers.keys()) is (method in {"post", "patch", "put"})
        assert any(code.startswith("2") for code in answers), (method, path)
        for code, answer in answers.items():
            assert answer["description"]
            assert answer["headers"]["X-Request-Id"]["required"]
            if code.startswith(("4", "5")):
                assert list(answer["content"]) == [CONTENT_TYPE], (method, path, code)
                assert answer["content"][CONTENT_TYPE]["schema"] == {"$ref": "#/components/schemas/Problem"}
        assert answers["401"]["headers"]["WWW-Authenticate"]
        assert answers["503"]["headers"]["Retry-After"]


def test_repeatable_operations_have_the_idempotency_headers(document):
    paths = document["paths"]
    for item in paths.values():
        operation = item.get("post")
        if operation is None or operation["operationId"] == "preview_template":
            continue
        assert "Idempotency-Key" in [parameter["name"] for parameter in operation["parameters"]]
        good = next(answer for code, answer in operation["responses"].items() if code.startswith("2"))
        assert good["headers"]["Idempotency-Replayed"]
        assert "idempotency_key_reused" in operation["responses"]["422"]["description"]
        assert "idempotency_in_flight" in operation["responses"]["409"]["description"]
    for path in ("", "/{id}/resend"):
        assert paths[f"/api/v1/emails{path}"]["post"]["responses"]["202"]["headers"]["Location"]["required"]


def test_objects_that_are_taken_take_nothing_unknown(document):
    for name in ("EmailRequest", "Attachment", "ResendRequest", "RescheduleRequest", "DomainInput", "TemplateInput"):
        assert document["components"]["schemas"][name]["additionalProperties"] is False
    properties = document["components"]["schemas"]["EmailRequest"]["properties"]
    # A generator of clients would make two fields with one name of it.
    assert "from" not in properties
    assert properties["scheduled_at"]["type"] == ["string", "null"]


def test_the_examples_are_as_described_and_are_accepted(document, api, db):
    template = api.post(
        "/templates", {"alias": "welcome", "name": "W", "subject": "Hi", "text": "Hi {{ name }}"}
    ).json()
    api.post(f"/templates/{template['id']}/publish")
    operation = document["paths"]["/api/v1/emails"]["post"]
    examples = operation["requestBody"]["content"]["application/json"]["examples"].values()
    assert len(examples) == 3
    for example in examples:
        check(document, "EmailRequest", example["value"])
        answer = api.post("/emails", {"from_": "a@mine.test", **example["value"]})
        assert answer.status_code == 202, answer.content
        check(document, "EmailRow", answer.json())


@pytest.mark.parametrize(("path", "schema"), [("/emails/{id}/explain", "ExplanationOutput"), ("/stats", "StatsOutput")])
def test_examples_of_answers_are_as_described(document, path, schema):
    content = document["paths"][f"/api/v1{path}"]["get"]["responses"]["200"]["content"]["application/json"]
    for example in content["examples"].values():
        check(document, schema, example["value"])


def test_the_samples_name_this_service_and_are_whole(document, operations, settings):
    for method, path, operation in operations:
        samples = {sample["label"]: sample["source"] for sample in operation["x-codeSamples"]}
        assert samples.keys() == {"curl", "JavaScript", "Python"}, (method, path)
        assert all(f"{settings.PUBLIC_URL}/api/v1/" in source for source in samples.values()), (method, path)
        ast.parse(samples["Python"])
    curl = document["paths"]["/api/v1/emails"]["post"]["x-codeSamples"][0]["source"]
    check(document, "EmailRequest", json.loads(curl.partition("-d '")[2].rpartition("'")[0]))


def test_every_body_that_is_taken_has_an_example_that_fits(document, operations):
    for method, path, operation in operations:
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content and operation["operationId"] not in {"publish_template", "rotate_domain"}:
            examples = content.get("examples", {"one": {"value": content.get("example")}})
            schema = {**content["schema"], "components": document["components"]}
            for example in examples.values():
                assert example["value"] is not None, (method, path)
                Draft202012Validator(schema).validate(example["value"])


def test_real_answers_are_as_described(document, test_api, post, deliver):
    file = {"filename": "a", "content_type": "text/plain", "content_b64": "YQ=="}
    pk = post(test_api, to=["bounced@simulator.test", "a@x.test"], html="<p>Hi</p>", attachments=[file])["id"]
    deliver()
    check(document, "EmailOutput", test_api.get(f"/emails/{pk}").json())
    check(document, "EmailPage", test_api.get("/emails?limit=1").json())
    check(document, "ExplanationOutput", test_api.get(f"/emails/{pk}/explain").json())
    check(document, "StatsOutput", test_api.get("/stats?by=hour").json())
    check(document, "EventPage", test_api.get(f"/emails/{pk}/events").json())
    check(document, "BatchOutput", test_api.post("/emails/batch?mode=permissive", [EMAIL, {}]).json())
    check(document, "Problem", test_api.post("/emails", {}).json())
    assert b64decode(file["content_b64"]) == b"a"
