"""More than 800 wrong requests in 17 groups: each gets its exact answer, and nothing is left of it."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from accounts.models import ApiKey
from common.addresses import parse_address
from common.errors import ApiError
from common.problems import to_api_error
from gateways.smtp.accepting import Login, Submission, find_key, store_mail
from gateways.smtp.replies import write_reply
from providers.configuration.checks import check_settings
from providers.configuration.stored import write_settings
from providers.models import Provider, ProviderKind
from providers.routing.selection import routes
from tests.architecture.test_tenancy import owned  # noqa: F401  a fixture
from tests.conftest import ApiClient
from tests.provider_rows import settings_of
from tests.security.asking import Ask
from tests.security.bad_requests import GROUPS

pytestmark = pytest.mark.django_db
# The log of requests, counters, and notices may grow.
GROWING = ("accounts_requestentry", "accounts_notice", "accounts_dayusage", "django_", "metering_")


@pytest.fixture(scope="module")
def document() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)


@pytest.fixture
def callers(api: ApiClient, other_api: ApiClient, admin_api: ApiClient, anonymous: ApiClient, make_api: Any) -> Any:
    return {
        "api": api,
        "other_api": other_api,
        "admin_api": admin_api,
        "anonymous": anonymous,
        "scopeless": make_api(scopes=[]),
    }


@pytest.fixture
def world(owned: Any, callers: Any, settings: Any) -> Mapping[str, Mapping[str, str]]:  # noqa: F811
    """What there is of `api`'s project; its mail can leave, so that senders count."""
    settings.TRUSTED_SENDER_DOMAINS = ["mine.test"]
    Provider.objects.create(name="relay", kind="smtp", settings=settings_of("smtp://192.0.2.1"))
    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    given = {"esp": "resend", "api_key": "re_x", "signing_secret": key}
    row = Provider.objects.create(
        name="esp",
        kind="esp",
        settings=write_settings(check_settings(ProviderKind.ESP, given, is_operated=True)),
        event_secret="s3cret-of-The-address",
    )
    routes.forget()
    return {**owned, "esp": {"pk": str(row.pk), "secret": row.event_secret}}


def count_rows() -> Mapping[str, int]:
    names = [name for name in connection.introspection.table_names() if not name.startswith(GROWING)]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in names))
        return dict(cursor.fetchall())


def find_answer(ask: Ask, callers: Mapping[str, ApiClient]) -> tuple[int, str, str]:
    """The status, the code and the field of the answer, as `ask` has them."""
    if ask.by == "stranger":
        return find_plain_answer(ask)
    answer = callers[ask.by].request(ask.method, ask.path, ask.body, **(ask.headers or {}))
    body = answer.json()
    assert answer["Content-Type"] == "application/problem+json", ask
    assert (body["status"], body["request_id"]) == (answer.status_code, answer["X-Request-Id"]), ask
    errors = [(error["field"], error["code"]) for error in body.get("errors", [])]
    if not ask.field:
        return answer.status_code, body.get("code", ""), ""
    if (ask.field, ask.code) in errors and (not ask.is_alone or len(errors) == 1):
        return answer.status_code, ask.code, ask.field
    return answer.status_code, body.get("code", ""), str(errors)


def find_plain_answer(ask: Ask) -> tuple[int, str, str]:
    """Of a path outside the API."""
    headers = {name.replace("_", "-"): value for name, value in (ask.headers or {}).items()}
    content_type = headers.pop("Content-Type", "application/json")
    data = ask.body if isinstance(ask.body, bytes) else json.dumps(ask.body).encode()
    client = Client(raise_request_exception=False)
    answer = client.generic(ask.method, ask.path, data, content_type=content_type, headers=headers)
    return answer.status_code, answer.json()["code"], ""


def submit(ask: Ask, key: ApiKey, token: str) -> tuple[int, str, str]:
    login = Login(user="emailsvc", password=token, peer_address="127.0.0.1")
    mail = Submission(login=login, content=ask.body, recipients=[parse_address("one@rcpt.test")])
    try:
        return 250, store_mail(find_key(login), mail), ""
    except ApiError as error:
        reply = write_reply(to_api_error(error))
        return 0, reply[:9], ask.field if ask.field in reply else reply


@pytest.mark.parametrize("group", GROUPS)
def test_every_request_gets_its_answer_and_leaves_nothing(
    document: Any, world: Any, callers: Any, group: str, django_capture_on_commit_callbacks: Any
) -> None:
    before = count_rows()
    wrong = []
    with django_capture_on_commit_callbacks() as callbacks:
        for ask in GROUPS[group](document, world):
            api = callers["api"]
            found = submit(ask, api.key, api.token) if ask.method == "SMTP" else find_answer(ask, callers)
            if found != (ask.status, ask.code, ask.field):
                wrong.append((ask, found))
    assert wrong == []
    assert callbacks == []
    assert count_rows() == before


def test_there_are_800_in_17_groups(document: Any, world: Any) -> None:
    assert len(GROUPS) == 17
    counts = {name: len(list(group(document, world))) for name, group in GROUPS.items()}
    assert sum(counts.values()) >= 800, counts
    assert min(counts.values()) >= 10, counts
