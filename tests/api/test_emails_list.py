"""GET /api/v1/emails."""

from datetime import timedelta
from urllib.parse import quote

import pytest

from common.ids import timed_ids
from messages.models import Content, Message, Recipient, Subject
from messages.sending.composing import compose_raw
from messages.states import Status
from tests.api.conftest import EMAIL
from tests.common.readers import is_utc
from tracking.models import Event

pytestmark = pytest.mark.django_db


@pytest.fixture
def ids(post):
    """Five emails, the oldest first."""
    return [post(subject=f"Order {number}")["id"] for number in range(5)]


def ids_of(answer):
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["data"]]


def test_the_list_is_the_newest_first(api, ids):
    for path in ("/emails", "/emails/"):
        answer = api.get(path)
        assert ids_of(answer) == ids[::-1]
        page = answer.json()
        assert (page["has_more"], page["limit"], page["offset"], page["next"]) == (False, 20, 0, None)


def test_an_empty_list_is_a_page_too(api, project):
    assert api.get("/emails").json() == {"data": [], "has_more": False, "limit": 20, "offset": 0, "next": None}


def test_rows_carry_everything_but_bodies_attempts_and_bytes(api, ids):
    shown, row = api.get(f"/emails/{ids[4]}").json(), api.get("/emails").json()["data"][0]
    assert shown.keys() - row.keys() == {"html", "text", "attempts", "events", "bodies_purged_at"}
    assert row == {name: shown[name] for name in row}
    assert is_utc(row["created_at"])
    assert "data" not in str(row["attachments"])


def test_pages_by_offset(api, ids):
    first, last = api.get("/emails?limit=2"), api.get("/emails?limit=2&offset=4")
    assert (ids_of(first), ids_of(last)) == ([ids[4], ids[3]], [ids[0]])
    assert (first.json()["has_more"], last.json()["has_more"], last.json()["next"]) == (True, False, None)
    assert (last.json()["limit"], last.json()["offset"]) == (2, 4)
    assert ids_of(api.get("/emails?offset=5")) == []


def test_next_leads_through_all_pages_without_a_gap_though_new_mail_comes(api, ids, post):
    seen, after = [], ""
    while True:
        page = api.get(f"/emails?limit=2{after}").json()
        seen += [row["id"] for row in page["data"]]
        assert page["has_more"] is (page["next"] is not None)
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
        post(subject="new")
    assert seen == ids[::-1]


def test_before_gives_the_page_just_above(api, ids):
    answer = api.get(f"/emails?limit=2&before={ids[1]}")
    assert ids_of(answer) == [ids[3], ids[2]]
    assert (answer.json()["has_more"], answer.json()["next"]) == (True, ids[2])
    top = api.get(f"/emails?limit=2&before={ids[3]}")
    assert (ids_of(top), top.json()["has_more"], top.json()["next"]) == ([ids[4]], False, ids[4])
    assert ids_of(api.get(f"/emails?after={top.json()['next']}&limit=1")) == [ids[3]]
    assert ids_of(api.get(f"/emails?before={ids[4]}")) == []


def test_both_bounds_cut_a_slice(api, ids):
    assert ids_of(api.get(f"/emails?after={ids[4]}&before={ids[0]}")) == [ids[3], ids[2], ids[1]]
    assert ids_of(api.get(f"/emails?after={ids[4]}&offset=1&limit=2")) == [ids[2], ids[1]]


@pytest.mark.parametrize("limit", [1, 100])
def test_the_bounds_of_limit_are_taken(api, ids, limit):
    assert api.get(f"/emails?limit={limit}").json()["limit"] == limit


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("limit=0", "limit", "min_value"),
        ("limit=101", "limit", "max_value"),
        ("limit=-1", "limit", "min_value"),
        ("limit=ten", "limit", "invalid"),
        ("limit=1.0", "limit", "invalid"),
        ("limit=", "limit", "invalid"),
        ("offset=-1", "offset", "min_value"),
        ("offset=x", "offset", "invalid"),
        ("offset=99999999999", "offset", "max_value"),
        ("after=x", "after", "invalid"),
        ("before=1", "before", "invalid"),
        ("status=gone", "status", "invalid_choice"),
        ("status=", "status", "invalid_choice"),
        ("to=nobody", "to", "invalid_address"),
        ("from_=nobody", "from_", "invalid_address"),
        ("from=a@x.test&from_=a@x.test", "from", "ambiguous_field"),
        ("created_after=yesterday", "created_after", "invalid_time"),
        ("created_before=2030-01-01T00:00:00", "created_before", "offset_required"),
        ("tag=" + "x" * 65, "tag", "max_length"),
        ("q=" + "x" * 201, "q", "max_length"),
        ("q=", "q", "blank"),
        ("stauts=sent", "stauts", "unknown_field"),
        ("limit=1&limit=2", "limit", "repeated_parameter"),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(api, query, field, code):
    answer = api.get(f"/emails?{query}")
    assert answer.status_code == 422
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [(field, code)]


@pytest.fixture
def various(post, settle_as):
    """Emails that differ in all that a list can be narrowed by."""
    made = {
        "bounced": post(subject="Invoice 100% _paid_", tags=["billing"]),
        "to": post(to=["Jo <Jo@rcpt.test>", "b@rcpt.test"]),
        "cc": post(cc="copy@rcpt.test", tags=["billing", "copy"]),
        "bcc": post(bcc="hidden@rcpt.test"),
        "from": post(from_="Other <Other@mine.test>", subject="Grüße"),
    }
    settle_as(made["bounced"]["id"], Status.BOUNCED)
    return {name: body["id"] for name, body in made.items()}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("status=bounced", ["bounced"]),
        ("status=queued", ["from", "bcc", "cc", "to"]),
        ("status=sent", []),
        ("to=jo@rcpt.test", ["to"]),
        ("to=copy@rcpt.test", ["cc"]),
        ("to=hidden@rcpt.test", ["bcc"]),
        ("to=Copy <COPY@Rcpt.Test>", ["cc"]),
        ("to=rcpt.test@rcpt.test", []),
        ("from_=other@mine.test", ["from"]),
        ("from=other@mine.test", ["from"]),
        ("from_=shop@mine.test", ["bcc", "cc", "to", "bounced"]),
        ("tag=billing", ["cc", "bounced"]),
        ("tag=copy", ["cc"]),
        ("tag=bill", []),
        ("q=invoice", ["bounced"]),
        ("q=100%", ["bounced"]),
        ("q=_paid", ["bounced"]),
        ("q=1_0", []),
        ("q=grüsse", ["from"]),
        ("q=gru\u0308ss", ["from"]),
        ("q=GRÜ", ["from"]),
        ("q=ß", ["from"]),
        ("q=gr", ["from"]),
        ("template_id=nothing", []),
        ("template_id=01890a5d-ac96-774b-bcce-b302099a8057", []),
        ("created_before=2020-01-01T00:00:00Z", []),
        ("created_after=2020-01-01T00:00:00Z", ["from", "bcc", "cc", "to", "bounced"]),
        ("created_after=2999-01-01T00:00:00Z", []),
        ("created_after=0001-01-01T00:00:00Z&created_before=9999-12-31T23:59:59Z&limit=1", ["from"]),
        ("status=queued&tag=billing", ["cc"]),
        ("status=bounced&tag=billing&q=paid&from_=shop@mine.test&to=one@rcpt.test", ["bounced"]),
        ("status=queued&q=invoice", []),
    ],
)
def test_each_filter_narrows_alone_and_with_others(api, various, query, names):
    query = "&".join(f"{name}={quote(value)}" for name, value in (part.split("=") for part in query.split("&")))
    assert ids_of(api.get(f"/emails?{query}")) == [various[name] for name in names]


def test_times_that_differ_by_microseconds_are_distinguished(api, post):
    pks = [post()["id"] for _ in range(3)]
    for model in (Subject, Content, Recipient, Event):
        model.objects.all().delete()
    base = Message.objects.get(pk=pks[0]).created_at.replace(microsecond=500_000)
    for number, pk in enumerate(pks):
        # As three requests one after the other would have made them.
        time = base + timedelta(microseconds=number)
        Message.objects.filter(pk=pk).update(created_at=time)
        Message.objects.filter(pk=pk).update(id=timed_ids.take(time, 1)[0])
    times = [quote(row["created_at"]) for row in api.get("/emails").json()["data"]][::-1]
    assert len(api.get(f"/emails?created_after={times[0]}").json()["data"]) == 2
    assert len(api.get(f"/emails?created_before={times[1]}").json()["data"]) == 1
    assert api.get(f"/emails?created_after={times[2]}").json()["data"] == []


def test_a_plus_sign_that_a_client_did_not_escape_is_still_an_offset(api, ids):
    assert len(ids_of(api.get("/emails?created_after=2020-01-01T00:00:00+00:00"))) == 5


def test_a_template_is_found_by_id_and_alias(api, post):
    template = api.post("/templates", {"alias": "welcome", "name": "W", "subject": "Hi", "text": "Hello"}).json()
    api.post(f"/templates/{template['id']}/publish")
    made = api.post("/emails", {"from_": "a@mine.test", "to": "b@rcpt.test", "template_id": "welcome"}).json()
    post()
    for ref in ("welcome", template["id"]):
        assert ids_of(api.get(f"/emails?template_id={ref}")) == [made["id"]]
    assert made["template_id"] == template["id"]


def test_another_projects_mail_is_not_listed_by_any_way(other_api, ids):
    for query in (
        "",
        f"?after={ids[4]}",
        f"?before={ids[0]}",
        "?to=one@rcpt.test",
        "?q=order",
        "?from_=shop@mine.test",
    ):
        assert ids_of(other_api.get(f"/emails{query}")) == []


def test_a_page_costs_the_same_number_of_queries_however_long_it_is(api, post, django_assert_max_num_queries):
    for number in range(5):
        post(to=[f"u{number}@x.test", f"v{number}@x.test"], text="x" * 10_000)
    # Two of them read the limits, which a process keeps otherwise.
    with django_assert_max_num_queries(8) as queries:
        assert len(ids_of(api.get("/emails?limit=5"))) == 5
    assert not any("COUNT(" in query["sql"] or '"html"' in query["sql"] for query in queries)


def test_a_list_of_a_key_that_may_only_send_is_403(make_api):
    answer = make_api(scopes=["emails:send"]).get("/emails")
    assert (answer.status_code, answer.json()["code"], "emails:read" in answer.json()["detail"]) == (
        403,
        "missing_scope",
        True,
    )
    assert make_api(scopes=["emails:read"]).post("/emails", EMAIL).status_code == 403


def test_metadata_narrows_the_list_by_key_and_value(api, other_api, post):
    one = post(metadata={"order": "17", "shop.name": "Käse & Co"})["id"]
    two = post(metadata={"order": "17"})["id"]
    post(metadata={"order": "18"})
    post(other_api, metadata={"order": "17"})
    post()
    assert ids_of(api.get("/emails?metadata.order=17")) == [two, one]
    assert ids_of(api.get(f"/emails?metadata.order=17&metadata.shop.name={quote('Käse & Co')}")) == [one]
    assert ids_of(api.get("/emails?metadata.order=1")) == []
    assert ids_of(api.get("/emails?metadata.none=17")) == []
    assert ids_of(api.get("/emails?metadata.order=17&limit=1")) == [two]


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("metadata.order=1&metadata.order=2", "metadata.order", "repeated_parameter"),
        ("metadata.order=a%00b", "metadata.order", "control_character"),
        ("metadata.a%00b=1", "metadata.a\0b", "control_character"),
        ("metadata=1", "metadata", "unknown_field"),
        ("metadataorder=1", "metadataorder", "unknown_field"),
    ],
)
def test_a_wrong_filter_by_metadata_is_named(api, query, field, code):
    answer = api.get(f"/emails?{query}")
    assert answer.status_code == 422
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [(field, code)]


def test_the_statuses_of_messages_are_listed(api):
    for status in ["queued", "scheduled", "sent", "delivering", "delivered", "failed", "bounced", "cancelled"]:
        assert ids_of(api.get(f"/emails?status={status}")) == []
    answer = api.get("/emails?status=suppressed")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "invalid_choice")


def test_a_change_or_the_end_of_a_template_changes_no_mail_accepted_before(api, post):
    values = {"alias": "order", "name": "Order", "subject": "Order {{ n }}", "html": "<p>{{ n }}</p>"}
    template = api.post("/templates", values).json()
    api.post(f"/templates/{template['id']}/publish")
    email = {"from_": "a@mine.test", "to": "b@x.test", "template_id": "order", "template_vars": {"n": "17"}}
    pk = api.post("/emails", email).json()["id"]

    def show():
        recipient = Recipient.objects.get(message_id=pk)
        return api.get(f"/emails/{pk}").json(), compose_raw(recipient.message_id, recipient)

    before = show()
    api.patch(f"/templates/{template['id']}", {"subject": "Changed", "html": "<p>changed</p>"})
    assert api.post(f"/templates/{template['id']}/publish").status_code in {200, 201}
    assert show() == before
    assert api.delete(f"/templates/{template['id']}").status_code == 204
    assert show() == before
    assert before[0]["template_id"] == template["id"]
    assert ids_of(api.get(f"/emails?template_id={template['id']}")) == [pk]
