"""Limits of keys and projects, as callers see them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from accounts.installation.limits import LimitValues, set_limits
from accounts.metering import counters
from accounts.metering.counters import OwnCounters
from accounts.metering.limits import Period, name_counter, utc_now
from accounts.metering.usage import keep_key_usage, load_starts
from accounts.metering.wrong_keys import MAX_WRONG, TooManyWrongKeysError
from accounts.models import ApiKey, IdempotencyKey, KeyUsage, Project
from accounts.tokens import new_token
from common.errors import ApiError
from common.listening import BODY_IS_AWAITED
from emailsvc.web.serving.bodies import AwaitedInput, BodyAwaited
from gateways.smtp.accepting import Login, find_noted_key
from ledger.redis_state import shared
from messages.models import Message
from tests.conftest import ApiClient
from tracking.models import Rollup
from tracking.stats.counting import NAMES

pytestmark = pytest.mark.django_db
EMAIL = {"from_": "shop@mine.test", "to": "a@x.test", "subject": "Hi", "text": "Hello."}


def limit(owner: Project | ApiKey, **values: int) -> None:
    set_limits("test", owner, LimitValues(**values))


@pytest.fixture(autouse=True)
def _own_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "own", OwnCounters())


@pytest.fixture
def redis_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "ask", lambda _: None)


def told(answer: Any) -> tuple[str, str, str]:
    return tuple(answer[f"RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset"))


def test_every_authenticated_answer_tells_the_tightest_limit(api: ApiClient, project: Project) -> None:
    limit(project, requests_per_second=100, messages_per_day=7)
    assert told(api.post("/emails", EMAIL))[:2] == ("7", "6")
    for answer in (
        api.get("/me"),
        api.get(f"/emails/{project.pk}"),
        api.post("/emails/batch", b"["),
        api.post("/emails", {}),
        api.post("/emails", b"{"),
    ):
        assert told(answer)[:2] == ("7", "6")
    seconds = int(api.get("/me")["RateLimit-Reset"])
    assert 0 < seconds <= 86_400


def test_defaults_are_told_and_an_owner_without_limits_is_told_nothing(api: ApiClient, project: Project) -> None:
    assert told(api.get("/me"))[0] == "5000"
    limit(project)
    limit(api.key)
    assert "RateLimit-Limit" not in api.get("/me")


def test_an_answer_without_a_key_tells_nothing(anonymous: ApiClient) -> None:
    assert "RateLimit-Limit" not in anonymous.get("/me")


def test_a_missing_scope_is_told_with_the_limits(make_api: Any) -> None:
    answer = make_api(scopes=[]).post("/emails", EMAIL)
    assert answer.status_code == 403
    assert answer["RateLimit-Limit"] == "5000"


@pytest.mark.parametrize("of", ["key", "project"])
def test_above_the_days_messages_429_stores_nothing(api: ApiClient, project: Project, of: str) -> None:
    limit(project if of == "project" else api.key, messages_per_day=2)
    assert [api.post("/emails", EMAIL).status_code for _ in range(3)] == [202, 202, 429]
    refused = api.post("/emails", EMAIL)
    assert refused.json()["code"] == "quota_exceeded"
    assert 0 < int(refused["Retry-After"]) <= 86_400
    assert "2 messages a day" in refused.json()["detail"]
    assert Message.objects.count() == 2
    assert api.get("/emails").status_code == 200


def test_requests_above_the_limit_by_second_are_refused(api: ApiClient, project: Project, redis_away: None) -> None:
    limit(project, requests_per_second=1)
    answers = [api.get("/me") for _ in range(20)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert answers[0].status_code == 200
    assert refused
    assert {(answer.json()["code"], answer["Retry-After"]) for answer in refused} == {("rate_limit_exceeded", "1")}


def test_a_batch_above_the_rest_of_a_month_is_refused_whole(api: ApiClient, project: Project) -> None:
    limit(project, messages_per_month=5)
    assert api.post("/emails/batch", [EMAIL] * 4).status_code == 202
    refused = api.post("/emails/batch", [EMAIL] * 2)
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    assert api.post("/emails/batch", [EMAIL]).status_code == 202
    assert Message.objects.count() == 5


def test_messages_are_counted_not_recipients(api: ApiClient, project: Project) -> None:
    limit(project, messages_per_day=2)
    assert told(api.post("/emails", {**EMAIL, "to": ["a@x.test", "b@x.test", "c@x.test"]}))[1] == "1"


def test_what_a_refused_request_took_is_given_back(api: ApiClient, project: Project) -> None:
    limit(project, messages_per_day=3)
    assert api.post("/emails", {**EMAIL, "to": "nobody"}).status_code == 422
    assert api.post("/emails/batch", [EMAIL, {}]).status_code == 422
    permissive = api.post("/emails/batch?mode=permissive", [EMAIL, {}])
    assert permissive.status_code == 202
    assert [api.post("/emails", EMAIL).status_code for _ in range(3)] == [202, 202, 429]


def test_a_stored_answer_is_never_429_and_takes_nothing(api: ApiClient, project: Project) -> None:
    limit(project, messages_per_day=2)
    first = api.post("/emails", EMAIL, Idempotency_Key="one")
    again = [api.post("/emails", EMAIL, Idempotency_Key="one") for _ in range(3)]
    assert {(answer.status_code, answer.json()["id"]) for answer in again} == {(202, first.json()["id"])}
    assert api.post("/emails", EMAIL).status_code == 202
    assert api.post("/emails", EMAIL, Idempotency_Key="one").status_code == 202
    assert api.post("/emails", EMAIL, Idempotency_Key="two").status_code == 429


def test_a_key_that_got_429_can_be_used_again(api: ApiClient, project: Project) -> None:
    limit(project, messages_per_day=1)
    api.post("/emails", EMAIL)
    assert api.post("/emails", EMAIL, Idempotency_Key="one").status_code == 429
    assert not IdempotencyKey.objects.exists()
    limit(project, messages_per_day=2)
    assert api.post("/emails", EMAIL, Idempotency_Key="one").status_code == 202


def test_a_resend_is_a_message_too(api: ApiClient, project: Project) -> None:
    pk = api.post("/emails", EMAIL).json()["id"]
    Message.objects.update(status="sent")
    limit(project, messages_per_day=1)
    assert [api.post(f"/emails/{pk}/resend").status_code for _ in range(2)] == [202, 429]


def test_test_mail_has_limits_by_second_only(make_api: Any, project: Project) -> None:
    test_api = make_api(is_test=True)
    limit(project, messages_per_day=1)
    limit(test_api.key, messages_per_month=1)
    assert [test_api.post("/emails", EMAIL).status_code for _ in range(3)] == [202, 202, 202]
    limit(test_api.key, messages_per_second=1)
    assert test_api.post("/emails/batch", [EMAIL] * 100).status_code == 202
    assert test_api.post("/emails", EMAIL).json()["code"] == "rate_limit_exceeded"


def test_projects_and_keys_do_not_share_limits(api: ApiClient, make_api: Any, other_api: ApiClient) -> None:
    limit(api.key, messages_per_day=1)
    assert [api.post("/emails", EMAIL).status_code for _ in range(2)] == [202, 429]
    assert make_api().post("/emails", EMAIL).status_code == 202
    assert other_api.post("/emails", EMAIL).status_code == 202


def test_without_redis_a_process_applies_the_whole_limit(api: ApiClient, project: Project, redis_away: None) -> None:
    limit(project, messages_per_day=2)
    assert [api.post("/emails", EMAIL).status_code for _ in range(3)] == [202, 202, 429]


def test_a_projects_counter_that_redis_lost_starts_from_the_statistics(api: ApiClient, project: Project) -> None:
    limit(project, messages_per_day=4)
    for _ in range(3):
        api.post("/emails", EMAIL)
    counts = dict.fromkeys(NAMES, 0) | {"emails": 3}
    hour = utc_now().replace(minute=0, second=0, microsecond=0)
    Rollup.objects.create(project=project, dimension=Rollup.Dimension.ALL, starts_at=hour, value="", **counts)
    name = name_counter(project.pk, "messages", Period.DAY, utc_now())
    assert shared.ask(lambda client: client.delete(name)) == 1
    assert [api.post("/emails", EMAIL).status_code for _ in range(2)] == [202, 429]


def test_a_keys_counters_that_redis_lost_start_from_its_days(api: ApiClient, project: Project) -> None:
    limit(api.key, messages_per_month=4)
    for _ in range(3):
        api.post("/emails", EMAIL)
    assert keep_key_usage() == 1
    assert KeyUsage.objects.get().message_count == 3
    for period in (Period.DAY, Period.MONTH):
        name = name_counter(api.key.pk, "messages", period, utc_now())
        assert shared.ask(lambda client, name=name: client.delete(name)) == 1
    keep_key_usage()
    assert KeyUsage.objects.get().message_count == 3
    assert [api.post("/emails", EMAIL).status_code for _ in range(2)] == [202, 429]
    assert load_starts([]) == {}


def test_me_tells_the_limits(api: ApiClient, project: Project) -> None:
    limit(project, messages_per_day=9)
    limits = api.get("/me").json()["limits"]
    assert limits["project"]["messages_per_day"] == 9
    assert limits["key"]["requests_per_second"] == 5_000


def test_after_many_wrong_keys_an_address_is_braked_and_a_right_key_answered(api: ApiClient) -> None:
    def guess(ip: str = "192.0.2.7") -> int:
        return api.client.get(
            "/api/v1/me", headers={"Authorization": f"Bearer {new_token()}"}, REMOTE_ADDR=ip
        ).status_code

    assert [guess() for _ in range(MAX_WRONG + 2)] == [401] * MAX_WRONG + [429] * 2
    answer = api.client.get("/api/v1/me", headers={"Authorization": f"Bearer {new_token()}"}, REMOTE_ADDR="192.0.2.7")
    assert (answer.json()["code"], 0 < int(answer["Retry-After"]) <= 60) == ("too_many_wrong_keys", True)
    right = api.client.get("/api/v1/me", headers={"Authorization": f"Bearer {api.token}"}, REMOTE_ADDR="192.0.2.7")
    assert right.status_code == 200
    assert guess("192.0.2.8") == 401
    assert [guess(f"2001:db8::{number:x}") for number in range(MAX_WRONG + 1)][-1] == 429


def test_wrong_keys_are_counted_at_every_door_together(anonymous: ApiClient, redis_away: None) -> None:
    now = datetime.now(UTC)
    scope = f"ESAK{'A' * 16}/{now:%Y%m%d}/eu-west-1/ses/aws4_request"
    signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
    paths = {
        "/api/v1/me": {"Authorization": "Bearer no"},
        "/compat/resend/emails": {"Authorization": "Bearer no"},
        "/compat/postmark/bounces": {"X-Postmark-Server-Token": "no"},
        "/compat/sendgrid/v3/mail/send": {"Authorization": "Bearer no"},
        "/compat/mailgun/v3/a.test/messages": {"Authorization": "Basic YXBpOm5v"},
        "/compat/ses/v2/email/suppression/addresses": {
            "Authorization": signed,
            "X-Amz-Date": f"{now:%Y%m%dT%H%M%SZ}",
        },
    }

    def knock(path: str) -> bool:
        """Whether a wrong key is refused because there were too many before."""
        if path == "smtp":
            with pytest.raises(ApiError) as refused:
                find_noted_key(Login(user="emailsvc", password="no", peer_address="192.0.2.10"))
            return isinstance(refused.value, TooManyWrongKeysError)
        method = anonymous.client.post if path.endswith(("messages", "send")) else anonymous.client.get
        status = method(path, headers=paths[path], REMOTE_ADDR="192.0.2.10").status_code
        assert status in {401, 403, 429}, path
        return status == 429

    answers = [knock(path) for path in [*paths, "smtp"] * (MAX_WRONG // 7 + 2)]
    assert not any(answers[:MAX_WRONG])
    assert all(answers[MAX_WRONG:])
    assert len(answers) >= MAX_WRONG + 7


def test_wrong_keys_are_counted_without_redis_too(api: ApiClient, redis_away: None) -> None:
    answers = [
        api.client.get("/api/v1/me", headers={"Authorization": "Basic x"}, REMOTE_ADDR="192.0.2.9").status_code
        for _ in range(MAX_WRONG + 1)
    ]
    assert answers == [401] * MAX_WRONG + [429]


def test_a_request_whose_body_is_read_later_is_counted_once(api: ApiClient, project: Project) -> None:
    limit(project, messages_per_day=7)
    asked = {BODY_IS_AWAITED: True, "wsgi.input": AwaitedInput()}
    headers = {"Authorization": f"Bearer {api.token}"}
    with pytest.raises(BodyAwaited):
        api.client.post("/api/v1/emails", EMAIL, content_type="application/json", headers=headers, **asked)
    assert told(api.post("/emails", EMAIL))[:2] == ("7", "6")
