"""Suppressions by the real resend-python."""

import pytest
import resend
from resend.exceptions import ResendError

from accounts import scopes
from tests.gateways.resend.conftest import BASE
from tracking.models import Suppression, SuppressionReason
from tracking.suppressions.service import Entry, suppress

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sdk")]
ADDRESS = "jo+a/b@rcpt.test"


@pytest.fixture
def add(project):
    def add_entry(reason, address=ADDRESS, **values):
        return suppress(project.pk, Entry(address=address, reason=reason, **values))[0]

    return add_entry


def test_an_address_is_suppressed_once(sdk):
    first = resend.Suppressions.add({"email": "Jo@Rcpt.test"})
    assert first["object"] == "suppression"
    assert resend.Suppressions.add({"email": "jo@rcpt.test"})["id"] == first["id"]
    row = Suppression.objects.get()
    assert (str(row.pk), row.address, row.reason, row.stream) == (first["id"], "jo@rcpt.test", "manual", None)


def test_an_entry_is_found_by_id_and_by_address(add):
    row = add(SuppressionReason.BOUNCE)
    for ref in (str(row.pk), ADDRESS, ADDRESS.upper()):
        shown = resend.Suppressions.get(ref)
        assert (shown["object"], shown["id"], shown["email"]) == ("suppression", str(row.pk), ADDRESS)
        assert (shown["origin"], shown["source_id"]) == ("bounce", None)


def test_the_list_has_what_stops_all_mail(add, api):
    api.post("/streams", {"name": "news"})
    bounce = add(SuppressionReason.BOUNCE, "a@rcpt.test")
    complaint = add(SuppressionReason.COMPLAINT, "b@rcpt.test")
    add(SuppressionReason.UNSUBSCRIBE, "c@rcpt.test")
    add(SuppressionReason.MANUAL, "d@rcpt.test", stream="news")
    assert [row["id"] for row in resend.Suppressions.list()["data"]] == [str(complaint.pk), str(bounce.pk)]
    assert [row["origin"] for row in resend.Suppressions.list({"origin": "bounce"})["data"]] == ["bounce"]
    page = resend.Suppressions.list({"limit": 1})
    assert page["has_more"] is True
    assert resend.Suppressions.list({"after": page["data"][0]["id"]})["data"][0]["id"] == str(bounce.pk)
    for hidden in ("c@rcpt.test", "d@rcpt.test"):
        with pytest.raises(ResendError):
            resend.Suppressions.get(hidden)


def test_an_address_is_released_but_not_from_its_opt_out(add):
    add(SuppressionReason.BOUNCE)
    add(SuppressionReason.MANUAL)
    add(SuppressionReason.UNSUBSCRIBE)
    assert resend.Suppressions.remove(ADDRESS)["deleted"] is True
    assert [row.reason for row in Suppression.objects.all()] == ["unsubscribe"]


def test_one_entry_is_released_by_its_id(add):
    bounce, manual = add(SuppressionReason.BOUNCE), add(SuppressionReason.MANUAL)
    assert resend.Suppressions.remove(str(manual.pk))["id"] == str(manual.pk)
    assert list(Suppression.objects.all()) == [bounce]


@pytest.mark.parametrize("ref", ["none@rcpt.test", "01890a5d-ac96-774b-bcce-b302099a8057", "nobody", "a@b@", "@"])
def test_an_unknown_entry_is_not_found(sdk, ref):
    for call in (resend.Suppressions.get, resend.Suppressions.remove):
        with pytest.raises(ResendError) as raised:
            call(ref)
        assert (raised.value.code, raised.value.error_type) == (404, "not_found")


def test_anothers_entry_is_not_found(add, other_api, use_sdk):
    row = add(SuppressionReason.BOUNCE)
    use_sdk(other_api)
    for ref in (str(row.pk), ADDRESS):
        for call in (resend.Suppressions.get, resend.Suppressions.remove):
            with pytest.raises(ResendError):
                call(ref)
    assert resend.Suppressions.list()["data"] == []
    assert Suppression.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "named"), [({}, "email: "), ({"email": "jo"}, "email: "), ({"mail": "a@b.c"}, "mail")]
)
def test_a_wrong_address_is_named(sdk, body, named):
    with pytest.raises(ResendError, match=named) as raised:
        resend.Suppressions.add(body)
    assert raised.value.code == 422


def test_a_key_that_only_sends_is_restricted(make_api):
    answer = make_api(scopes=[scopes.EMAILS_SEND]).get(f"{BASE}/suppressions")
    assert (answer.status_code, answer.json()["name"]) == (401, "restricted_api_key")


def test_a_batch_is_suppressed_and_released(api, other_api):
    base = "/compat/resend/suppressions"
    made = api.post(f"{base}/batch/add", {"emails": ["a@x.test", "B@x.test", "a@x.test"]})
    assert made.status_code == 200, made.json()
    ids = [row["id"] for row in made.json()["data"]]
    assert (len(ids), ids[0] == ids[2]) == (3, True)
    assert other_api.post(f"{base}/batch/remove", {"ids": ids}).json() == {"data": []}
    gone = api.post(f"{base}/batch/remove", {"ids": [ids[0]]}).json()["data"]
    assert gone == [{"object": "suppression", "id": ids[0], "deleted": True}]
    assert len(api.post(f"{base}/batch/remove", {"emails": ["b@x.test", "none@x.test"]}).json()["data"]) == 1
    assert api.get(base).json()["data"] == []


@pytest.mark.parametrize(
    ("word", "body"),
    [
        ("add", {}),
        ("add", {"emails": []}),
        ("add", {"emails": ["a@x.test", "wrong"]}),
        ("add", {"emails": [f"a{number}@x.test" for number in range(101)]}),
        ("add", {"emails": "a@x.test"}),
        ("remove", {}),
        ("remove", {"ids": ["x"]}),
        ("remove", {"ids": [], "emails": ["a@x.test"]}),
    ],
)
def test_a_wrong_batch_is_refused_as_a_whole(api, project, word, body):
    answer = api.post(f"/compat/resend/suppressions/batch/{word}", body)
    assert (answer.status_code, set(answer.json())) == (422, {"statusCode", "name", "message"})
    assert not project.suppressions.exists()
