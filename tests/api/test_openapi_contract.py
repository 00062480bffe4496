"""Generated requests, valid and invalid, for every operation: no server error, and responses match the document."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts.people.services import create_user
from emailsvc.openapi.settings import TAGS
from emailsvc.wsgi import application
from messages.models import Pause
from tests.api.conftest import EMAIL
from tests.architecture.test_tenancy import resource_of

pytestmark = pytest.mark.django_db
# More by hand: the environment says how many requests of each kind each operation gets.
EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "3"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# A stream ends after a minute; these two speak with the network.
LEFT_OUT = {"stream_events", "verify_domain", "check_provider"}
# What the document cannot say of a body (which times, which addresses), so that generated ones rarely are accepted.
GOOD_BODIES: dict[str, Any] = {"send_email": EMAIL, "send_batch": [EMAIL], "create_domain": {"name": "good.test"}}


def serve(environ: Any, start_response: Any) -> Any:
    """The service, which must not end the test's transaction with the request; Django's own client sees to it too."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    return application(environ, start_response)


@pytest.fixture(scope="module")
def read() -> dict[str, Any]:
    """The document once it is read: that takes longer than the requests to one tag."""
    return {}


@pytest.fixture
def schema(db: None, read: dict[str, Any]) -> Any:
    if not read:
        read["schema"] = load()
    return read["schema"]


def load() -> Any:
    return schemathesis.openapi.from_wsgi("/api/schema", serve, headers={"Host": "localhost"})


@pytest.fixture
def known(api, project, make_api, test_api, post, deliver) -> dict[str, dict[str, str]]:
    """What there is, by tag: the parameters of paths, so that not every answer is 404."""
    file = {"filename": "a", "content_type": "text/plain", "content_b64": "YQ=="}
    email = post(test_api, to=["a@x.test", "bounced@simulator.test"], attachments=[file])
    deliver()
    template = api.post("/templates", {"alias": "known", "name": "Known", "subject": "Hi", "text": "Hi"}).json()
    domain = api.post("/domains", {"name": "known.test"}).json()
    provider = api.post("/providers", {"name": "known", "url": "smtp://relay.known.test"}).json()
    webhook = api.post("/webhooks", {"url": "https://93.184.215.14/", "events": ["*"]}).json()
    api.post("/suppressions", {"address": "no@known.test"})
    stream = api.post("/streams", {"name": "known"}).json()
    create_user(name="known", password=None)
    erasure = api.post("/erasures", {"address": "known@y.test"}).json()
    return {
        "streams": {"ref": stream["id"]},
        "erasures": {"id": erasure["id"]},
        "emails": {"id": email["id"], "attachment_id": email["attachments"][0]["id"]},
        "templates": {"ref": template["id"]},
        "domains": {"id": domain["id"]},
        "providers": {"id": provider["id"]},
        "webhooks": {"id": webhook["id"]},
        "suppressions": {"address": "no@known.test"},
        "admin/projects": {"id": str(project.pk), "ref": stream["id"], "name": "known"},
        "admin/keys": {"id": str(make_api(scopes=[]).key.pk)},
        "admin/pauses": {"id": str(Pause.objects.create(project=project, kind="tag", value="known").pk)},
    }


def list_operations(schema: Any, tag: str) -> Iterator[Any]:
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.tags == [tag] and operation.definition.raw["operationId"] not in LEFT_OUT:
            yield operation


def exercise(operation: Any, mode: GenerationMode, call: Callable[[Any, bool], None]) -> None:
    """`call` with generated cases, every other time to be pointed at something that exists."""
    count = 0

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    def run(case: Any) -> None:
        nonlocal count
        count += 1
        call(case, count % 2 == 0)

    run()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("tag", TAGS)
def test_answers_are_as_described_and_never_5xx(schema, api, admin_api, known, tag, mode):
    def call(case: Any, is_known: bool) -> None:
        if is_known and case.path_parameters:
            values = known[resource_of(case.operation.path)]
            case.path_parameters.update({name: value for name, value in values.items() if name in case.path_parameters})
        token = (admin_api if tag == "admin" else api).token
        case.call_and_validate(headers={"Authorization": f"Bearer {token}", "Host": "localhost"}, checks=CHECKS)

    for operation in list_operations(schema, tag):
        exercise(operation, mode, call)


@pytest.mark.parametrize("name", GOOD_BODIES)
def test_good_requests_are_answered_as_described(schema, api, name):
    operation = next(
        op for tag in TAGS for op in list_operations(schema, tag) if op.definition.raw["operationId"] == name
    )
    case = operation.Case(body=GOOD_BODIES[name], media_type="application/json")
    answer = case.call(headers={"Authorization": f"Bearer {api.token}", "Host": "localhost"})
    assert answer.status_code in {201, 202}
    case.validate_response(answer, checks=CHECKS)
