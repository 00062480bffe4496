"""/api/v1/streams, and the field `stream` of an email."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from accounts import streams
from accounts.acting_for import Delegate
from accounts.models import Project, Stream, StreamType
from accounts.scopes import STREAMS_READ, STREAMS_WRITE
from accounts.services import create_project
from accounts.streams import create_stream
from common.addresses import parse_address
from common.errors import InvalidFieldsError
from ledger.sql import fetch_value
from messages import services
from messages.accepting.draft import Draft
from messages.models import Message
from messages.states import Status
from messages.streams import StreamInUseError, delete_stream

pytestmark = pytest.mark.django_db
EMAIL = {"from_": "shop@mine.test", "to": "jo@rcpt.test", "subject": "Hi", "text": "Hello."}


@pytest.fixture(autouse=True)
def _trusted(settings: Any) -> None:
    settings.TRUSTED_SENDER_DOMAINS = ["mine.test"]


def errors_of(response: Any) -> list[tuple[str, str]]:
    assert response.status_code == 422, response.content
    return [(error["field"], error["code"]) for error in response.json()["errors"]]


def test_every_project_has_the_default_stream_from_the_start(api: Any) -> None:
    listed = api.get("/streams").json()["data"]
    assert [(row["name"], row["type"]) for row in listed] == [("default", "transactional")]
    refused = api.delete("/streams/default")
    assert (refused.status_code, refused.json()["code"]) == (409, "default_stream")


def test_a_stream_is_made_found_and_deleted(api: Any) -> None:
    made = api.post("/streams", {"name": "newsletter", "type": "broadcast"})
    assert made.status_code == 201
    body = made.json()
    assert made["Location"].endswith(f"/api/v1/streams/{body['id']}")
    assert api.get(f"/streams/{body['id']}").json() == api.get("/streams/newsletter").json() == body
    assert api.post("/streams", {"name": "digest"}).json()["type"] == "transactional"
    assert [row["name"] for row in api.get("/streams").json()["data"]] == ["digest", "newsletter", "default"]
    again = api.post("/streams", {"name": "newsletter", "type": "transactional"})
    assert (again.status_code, again.json()["code"]) == (409, "stream_exists")
    assert api.patch("/streams/newsletter", {"type": "transactional"}).status_code == 405
    assert api.delete("/streams/newsletter").status_code == 204
    assert api.delete(f"/streams/{body['id']}").status_code == 404


def test_a_project_has_a_bounded_number_of_streams(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_STREAMS", 2)
    assert api.post("/streams", {"name": "a"}).status_code == 201
    refused = api.post("/streams", {"name": "b"})
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_streams")


@pytest.mark.parametrize(
    "name",
    ["", "News", "a b", "-a", "a_", "all", "ä", "a" * 64, "a\n", 5, None, "0f8fad5b-d9cb-469f-a165-70867728950e"],
)
def test_a_name_that_mail_cannot_carry_is_refused(api: Any, name: object) -> None:
    assert errors_of(api.post("/streams", {"name": name}))[0][0] == "name"
    assert Stream.objects.count() == 1


def test_an_unknown_type_or_field_is_refused(api: Any) -> None:
    assert errors_of(api.post("/streams", {"name": "a", "type": "bulk"})) == [("type", "invalid_choice")]
    assert errors_of(api.post("/streams", {"name": "a", "typ": "broadcast"})) == [("typ", "unknown_field")]
    assert errors_of(api.post("/streams", {})) == [("name", "required")]


def test_streams_have_scopes_of_their_own_and_belong_to_one_project(make_api: Any, other_api: Any) -> None:
    reader, writer = make_api(scopes=[STREAMS_READ]), make_api(scopes=[STREAMS_WRITE])
    made = writer.post("/streams", {"name": "digest"}).json()
    assert reader.get("/streams/digest").status_code == 200
    for refused in (reader.post("/streams", {"name": "a"}), reader.delete("/streams/digest"), writer.get("/streams")):
        assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
    for ref in (made["id"], "digest"):
        assert other_api.get(f"/streams/{ref}").status_code == other_api.delete(f"/streams/{ref}").status_code == 404
    assert reader.get("/streams/%00").status_code == writer.delete("/streams/a%00").status_code == 404
    assert other_api.post("/streams", {"name": "digest"}).status_code == 201


def test_an_unknown_stream_is_refused_with_the_nearest_name(api: Any) -> None:
    api.post("/streams", {"name": "newsletter", "type": "broadcast"})
    response = api.post("/emails", {**EMAIL, "stream": "newsleter"})
    assert errors_of(response) == [("stream", "unknown_stream")]
    assert response.json()["code"] == "unknown_stream"
    assert "Did you mean newsletter?" in response.json()["errors"][0]["message"]
    assert "Did you mean default?" in api.post("/emails", {**EMAIL, "stream": "Default"}).json()["detail"]
    assert not Message.objects.exists()


def test_another_projects_stream_is_unknown(api: Any, other_api: Any) -> None:
    other_api.post("/streams", {"name": "digest"})
    assert errors_of(api.post("/emails", {**EMAIL, "stream": "digest"})) == [("stream", "unknown_stream")]


def test_an_email_has_its_stream_and_default_where_none_is_given(api: Any) -> None:
    api.post("/streams", {"name": "digest"})
    for given, stored in (({}, "default"), ({"stream": None}, "default"), ({"stream": "digest"}, "digest")):
        body = api.post("/emails", {**EMAIL, **given}).json()
        assert (body["stream"], body["enable_unsubscribe"]) == (stored, False)
        assert api.get(f"/emails/{body['id']}").json()["stream"] == stored


def test_every_email_of_a_broadcast_stream_offers_an_opt_out(api: Any) -> None:
    api.post("/streams", {"name": "news", "type": "broadcast"})
    news = {**EMAIL, "stream": "news"}
    for given in ({}, {"enable_unsubscribe": None}, {"enable_unsubscribe": True}, {"priority": "bulk"}):
        assert api.post("/emails", {**news, **given}).json()["enable_unsubscribe"] is True
    refused = api.post("/emails", {**news, "enable_unsubscribe": False, "priority": "critical"})
    assert errors_of(refused) == [("enable_unsubscribe", "opt_out_required"), ("priority", "not_in_broadcast")]
    own = api.post("/emails", {**news, "headers": {"List-Unsubscribe": "<mailto:a@b.test>"}})
    assert errors_of(own) == [("headers.List-Unsubscribe", "header_reserved")]
    batch = api.post("/emails/batch", [news, {**news, "enable_unsubscribe": False}])
    assert errors_of(batch) == [("[1].enable_unsubscribe", "opt_out_required")]


def test_a_stream_with_mail_on_its_way_stays(api: Any) -> None:
    api.post("/streams", {"name": "digest"})
    later = api.post("/emails", {**EMAIL, "stream": "digest", "scheduled_at": "2026-12-31T00:00:00Z"}).json()
    refused = api.delete("/streams/digest")
    assert (refused.status_code, refused.json()["code"]) == (409, "stream_in_use")
    for status in (Status.QUEUED, Status.DELIVERING):
        Message.objects.update(status=status)
        assert api.delete("/streams/digest").status_code == 409
    Message.objects.update(status=Status.SENT)
    assert api.delete("/streams/digest").status_code == 204
    assert api.get(f"/emails/{later['id']}").json()["stream"] == "digest"
    assert errors_of(api.post(f"/emails/{later['id']}/resend")) == [("stream", "unknown_stream")]


@pytest.mark.django_db(transaction=True)
def test_mail_and_the_deletion_of_its_stream_never_pass_each_other(settings: Any) -> None:
    project = create_project(name="Acme")
    stream = create_stream(project, name="digest", type_=StreamType.TRANSACTIONAL)

    def delete() -> str:
        try:
            delete_stream(stream)
        except StreamInUseError as error:
            return error.code
        finally:
            connection.close()
        return "deleted"

    draft = Draft(
        from_=parse_address("a@mine.test"), to=[parse_address("b@rcpt.test")], subject="s", text="t", stream="digest"
    )
    prepared = services.prepare_emails(Delegate(project=project), [draft])
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            # As the statement does that stores emails.
            fetch_value("SELECT name FROM accounts_stream WHERE id = %s FOR KEY SHARE", [stream.pk])
            waiting = pool.submit(delete)
            prepared.store()
        assert waiting.result() == "stream_in_use"
    Message.objects.update(status=Status.SENT)
    assert delete() == "deleted"
    with pytest.raises(InvalidFieldsError) as refused:
        prepared.store()
    assert refused.value.public_code == "unknown_stream"


def test_the_command_makes_a_stream(project: Project, capsys: Any) -> None:
    call_command("create_stream", "news", "--type", "broadcast", "--json")
    assert '"type": "broadcast"' in capsys.readouterr().out
    assert Stream.objects.get(name="news").project == project
    for wrong in (["news"], ["All in"]):
        with pytest.raises(CommandError):
            call_command("create_stream", *wrong)


def test_accept_asks_for_streams_only_where_one_is_named(api: Any, django_assert_max_num_queries: Callable) -> None:  # type: ignore[type-arg]
    api.post("/streams", {"name": "digest"})
    body = [{**EMAIL, "stream": "digest"}] * 5 + [EMAIL] * 5
    with django_assert_max_num_queries(30) as captured:
        assert api.post("/emails/batch", body).status_code == 202
    assert sum("accounts_stream" in query["sql"] for query in captured.captured_queries) <= 2
