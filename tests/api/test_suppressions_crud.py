"""/api/v1/suppressions: addresses that a project does not write to."""

from urllib.parse import quote
from uuid import uuid4

import pytest

from accounts.scopes import SUPPRESSIONS_READ, SUPPRESSIONS_WRITE
from tracking.models import Suppression
from tracking.suppressions.service import Entry, suppress


def add(api, address, **values):
    response = api.post("/suppressions", {"address": address, **values})
    assert response.status_code == 201, response.content
    return response.json()


def test_an_address_is_put_on_the_list_and_found_there(api):
    body = add(api, "Ann@Example.COM", reason="complaint", note="said so")
    assert body["address"] == "ann@example.com"
    assert (body["reason"], body["note"], body["email_id"]) == ("complaint", "said so", None)
    assert body["created_at"].endswith("Z")
    for path in ("/suppressions/ann@example.com", "/suppressions/ANN%40example.com", "/suppressions/ann@example.com/"):
        assert api.get(path).json() == body
    assert api.get("/suppressions?address=ANN@example.com").json()["data"] == [body]
    assert api.get("/suppressions?address=bob@example.com").json()["data"] == []


def test_the_reason_is_manual_where_none_is_given(api):
    assert add(api, "Ann <ann@example.com>")["reason"] == "manual"


def test_adding_again_is_harmless_and_replaces_no_other_reason(api):
    first = add(api, "ann@example.com", reason="unsubscribe")
    again = api.post("/suppressions", {"address": "ANN@example.com", "reason": "unsubscribe", "note": "x"})
    assert again.status_code == 200
    assert again.json() == {**first, "note": "x"}
    second = add(api, "ann@example.com")
    assert second["id"] != first["id"]
    assert Suppression.objects.count() == 2


def test_an_entry_names_its_stream_and_its_proof(api):
    api.post("/streams", {"name": "news", "type": "broadcast"})
    body = add(api, "ann@example.com", reason="unsubscribe", stream="news")
    assert body["stream"] == "news"
    assert body["proof"] == {"email_id": None, "at": body["created_at"], "way": "api", "ip": "127.0.0.1"}
    assert add(api, "ann@example.com", reason="manual", stream=None)["stream"] is None
    assert add(api, "ann@example.com", reason="manual", stream="news")["stream"] == "news"


def test_one_address_lists_its_entries_the_strongest_first(api):
    api.post("/streams", {"name": "news", "type": "broadcast"})
    asked = [("unsubscribe", "news"), ("bounce", None), ("unsubscribe", None), ("manual", "news"), ("complaint", None)]
    for reason, stream in asked:
        add(api, "ann@example.com", reason=reason, stream=stream)
    add(api, "ben@example.com")

    def names(page):
        return [(row["reason"], row["stream"]) for row in page["data"]]

    everything = api.get("/suppressions?address=Ann@example.com").json()
    assert names(everything) == [asked[index] for index in (4, 1, 3, 2, 0)]
    assert api.get("/suppressions/ann@example.com").json()["reason"] == "complaint"
    first = api.get("/suppressions?address=ann@example.com&limit=3").json()
    rest = api.get(f"/suppressions?address=ann@example.com&limit=3&after={first['next']}").json()
    assert names(first) + names(rest) == names(everything)
    assert (first["has_more"], rest["has_more"], rest["next"]) == (True, False, None)
    assert names(api.get("/suppressions?address=ann@example.com&stream=news").json()) == [asked[3], asked[0]]
    assert names(api.get("/suppressions?address=ann@example.com&stream=all&reason=unsubscribe").json()) == [asked[2]]


def test_delete_takes_the_entries_of_a_reason_and_a_stream(api):
    api.post("/streams", {"name": "news", "type": "broadcast"})
    for reason, stream in (("unsubscribe", "news"), ("unsubscribe", None), ("manual", "news"), ("complaint", None)):
        add(api, "ann@example.com", reason=reason, stream=stream)
    path = "/suppressions/ann@example.com"
    assert api.delete(f"{path}?stream=").status_code == 422
    assert api.delete(f"{path}?reason=bounce").status_code == 404
    assert api.delete(f"{path}?reason=unsubscribe&stream=news").status_code == 204
    assert api.delete(f"{path}?stream=all&reason=unsubscribe").status_code == 204
    assert {row.reason for row in Suppression.objects.all()} == {"manual", "complaint"}
    assert api.delete(path).status_code == 204
    assert not Suppression.objects.exists()


def test_any_part_of_an_address_finds_it_in_any_case(api):
    ids = [add(api, address)["id"] for address in ("jo.o_hara@shop.example", "jo@other.example", "sam@shop.example")]
    for text, found in (("O_HARA", [0]), ("o%25h", []), ("@SHOP", [2, 0]), ("J", [1, 0])):
        answer = api.get(f"/suppressions?q={text}").json()
        assert [row["id"] for row in answer["data"]] == [ids[index] for index in found], text


@pytest.mark.parametrize(
    "address",
    ["a+b@example.com", "a/b@example.com", "a%b@example.com", "o'x@example.com", "a#b@example.com", "ä@bücher.test"],
)
def test_any_address_can_be_named_in_a_url(api, address):
    address = address.replace("ä", "a")
    stored = add(api, address)["address"]
    for written in (quote(address, safe=""), quote(stored, safe="")):
        assert api.get(f"/suppressions/{written}").json()["address"] == stored
    assert api.delete(f"/suppressions/{quote(address, safe='')}").status_code == 204
    assert Suppression.objects.count() == 0


def test_delete_takes_an_address_off_once(api):
    add(api, "ann@example.com")
    assert api.delete("/suppressions/ANN@example.com").status_code == 204
    assert api.delete("/suppressions/ann@example.com").status_code == 404
    assert api.get("/suppressions/ann@example.com").status_code == 404
    for path in ("not-an-address", "%00", "a@b.test%00", "a@b.test,c@d.test"):
        assert api.delete(f"/suppressions/{path}").status_code == 404


def test_the_list_is_newest_first_and_goes_on_where_it_ended(api):
    ids = [add(api, f"a{number}@example.com", reason="bounce" if number % 2 else "manual")["id"] for number in range(5)]
    first = api.get("/suppressions?limit=2").json()
    assert [row["id"] for row in first["data"]] == ids[:2:-1]
    assert (first["has_more"], first["next"], first["limit"]) == (True, ids[3], 2)
    second = api.get(f"/suppressions?limit=3&after={first['next']}").json()
    assert [row["id"] for row in second["data"]] == ids[2::-1]
    assert (second["has_more"], second["next"]) == (False, None)
    assert [row["id"] for row in api.get("/suppressions?reason=bounce").json()["data"]] == [ids[3], ids[1]]


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "address", "required"),
        ({"address": "nope"}, "address", "invalid_address"),
        ({"address": "a@b.test, c@d.test"}, "address", "several_addresses"),
        ({"address": ["a@b.test"]}, "address", "invalid"),
        ({"address": "a@b.test", "reason": "why not"}, "reason", "invalid_choice"),
        ({"address": "a@b.test", "stream": "nws"}, "stream", "unknown_stream"),
        ({"address": "a@b.test", "reason": "bounce", "stream": "default"}, "stream", "stream_not_allowed"),
        ({"address": "a@b.test", "note": "a\nb"}, "note", "control_character"),
        ({"address": "a@b.test", "note": "a" * 1_001}, "note", "max_length"),
        ({"address": "a@b.test", "created_at": "2030-01-01T00:00:00Z"}, "created_at", "unknown_field"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_stored(api, body, field, code):
    response = api.post("/suppressions", body)
    assert response.status_code == 422
    assert (field, code) in [(error["field"], error["code"]) for error in response.json()["errors"]]
    assert Suppression.objects.count() == 0


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "reason=x", "after=x", "address=nope", "q=", "stream="])
def test_a_query_that_makes_no_sense_is_refused(api, query):
    assert api.get(f"/suppressions?{query}").status_code == 422


def test_another_projects_list_is_its_own(api, make_api, other_project):
    add(api, "ann@example.com")
    stranger = make_api(other_project)
    assert stranger.get("/suppressions").json()["data"] == []
    assert stranger.get("/suppressions/ann@example.com").status_code == 404
    assert stranger.delete("/suppressions/ann@example.com").status_code == 404
    assert add(stranger, "ann@example.com")["id"] != api.get("/suppressions/ann@example.com").json()["id"]


def test_reading_and_writing_have_scopes_of_their_own(make_api):
    reader, writer = make_api(scopes=[SUPPRESSIONS_READ]), make_api(scopes=[SUPPRESSIONS_WRITE])
    add(writer, "ann@example.com")
    assert reader.get("/suppressions/ann@example.com").status_code == 200
    for response in (
        reader.post("/suppressions", {"address": "a@b.test"}),
        reader.delete("/suppressions/ann@example.com"),
        writer.get("/suppressions"),
        writer.get("/suppressions/ann@example.com"),
    ):
        assert (response.status_code, response.json()["code"]) == (403, "missing_scope")


def test_what_an_email_caused_names_the_email(api, project):
    message_id = uuid4()
    suppress(project.pk, Entry(address="ann@example.com", reason="bounce", message_id=message_id))
    assert api.get("/suppressions/ann@example.com").json()["email_id"] == str(message_id)
