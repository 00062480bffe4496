"""Finding messages in the admin."""

import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from messages.admin.messages_admin import MessageAdmin
from messages.models import Attempt, Message
from messages.states import Lane, Phase, Status, StatusReason

pytestmark = pytest.mark.django_db
URL = reverse("admin:mail_message_changelist")
ROW = re.compile(r'name="_selected_action" value="([0-9a-f-]{36})"')


def listed(client, **query):
    """The ids on the page, in order, and the page."""
    answer = client.get(f"{URL}?{urlencode(query)}")
    assert answer.status_code == 200, (query, answer.status_code)
    html = answer.content.decode()
    return ROW.findall(html), html


def ids(*messages):
    """As the list has them: the newest first. Messages of one instant, as those of a test, stand in any order."""
    return sorted((str(message.pk) for message in messages), reverse=True)


@pytest.mark.parametrize("term", ["bob@gone.test", "BOB@Gone.Test", "bob@", "bo", "GONE", " bob@gone.test "])
def test_a_recipient_is_found_by_any_part_of_the_address_in_any_case(root, send, term):
    wanted = send("copy@x.test", "Bob <Bob@gone.test>")
    send("robert@here.test")
    assert listed(root, q=term)[0] == ids(wanted)


def test_search_looks_into_every_project(root, send, other_project):
    first = send("bob@gone.test")
    second = send("bob@gone.test", of=other_project)
    assert listed(root, q="bob@gone.test")[0] == ids(second, first)


def test_a_message_is_found_by_id_and_message_id(root, send):
    wanted = send()
    send()
    for term in (str(wanted.pk), str(wanted.pk).upper(), wanted.message_id, wanted.message_id.strip("<>")):
        assert listed(root, q=term)[0] == ids(wanted)


def test_a_message_is_found_by_a_part_of_its_subject(root, send):
    wanted = send(subject="Your Order #4711 has shipped")
    send(subject="Welcome")
    for term in ("#4711", "order", "has shipped"):
        assert listed(root, q=term)[0] == ids(wanted)


def test_a_message_is_found_by_the_id_that_an_esp_gave_it(root, send):
    wanted = send()
    send()
    for number, remote_id in enumerate(
        ("<2@relay.esp.test>", "0b5c9f7e-6d2a-4d6e-9a52-7f0f5d0e3c11", "70650219165"), 1
    ):
        Attempt.objects.create(
            recipient=wanted.recipients.get(),
            number=number,
            lease_token=wanted.pk,
            phase=Phase.DONE,
            claimed_at=wanted.created_at,
            remote_id=remote_id,
        )
        for term in (remote_id, remote_id.strip("<>")):
            assert listed(root, q=term)[0] == ids(wanted)


@pytest.mark.parametrize("term", ["%", "_", "'", "\\", "<>", "(", "nobody@nowhere.test", "a" * 5000, "\x00"])
def test_strange_terms_find_nothing_and_break_nothing(root, send, term):
    send()
    assert listed(root, q=term)[0] in ([], ids(Message.objects.get()) if term == "\x00" else [])


def test_filters_narrow_together(root, send, other_project):
    wanted = send(tags=["receipt"], priority=Lane.CRITICAL)
    send(tags=["receipt"])
    send(tags=["other"], priority=Lane.CRITICAL)
    send(tags=["receipt"], priority=Lane.CRITICAL, of=other_project)
    with transaction.atomic():
        wanted.recipients.all().move_to(Status.BOUNCED, StatusReason.REFUSED)
    query = {"tag": "receipt", "priority__exact": "critical", "project__id__exact": wanted.project_id}
    assert listed(root, **query)[0] == ids(wanted)
    assert listed(root, status__exact="bounced")[0] == ids(wanted)
    assert listed(root, status__exact="delivered")[0] == []
    assert listed(root, **query, status__exact="bounced", q="one@")[0] == ids(wanted)


def test_days_count_from_their_begin_to_their_end(root, send):
    message = send()
    today = timezone.now().date()
    for begin, end, is_in in ((0, 0, True), (-1, 0, True), (1, 2, False), (-2, -1, False)):
        query = {
            "created_at_from": str(today + timedelta(days=begin)),
            "created_at_to": str(today + timedelta(days=end)),
        }
        assert (listed(root, **query)[0] == ids(message)) == is_in
    assert listed(root, created_at_from="nonsense", created_at_to="")[0] == ids(message)


def test_pages_follow_each_other_by_id_and_lead_back(root, send, monkeypatch):
    monkeypatch.setattr(MessageAdmin, "list_per_page", 2)
    messages = ids(*[send() for _ in range(5)])
    page, html = listed(root)
    assert page == messages[:2]
    assert ('rel="next"' in html, 'rel="prev"' in html) == (True, False)
    page, html = listed(root, older=page[-1])
    assert page == messages[2:4]
    page, html = listed(root, older=page[-1])
    assert page == messages[4:]
    assert ('rel="next"' in html, 'rel="prev"' in html) == (False, True)
    page, html = listed(root, newer=page[0])
    assert page == messages[2:4]
    assert listed(root, newer=page[0])[0] == messages[:2]
    assert listed(root, older="nonsense")[0] == messages[:2]


def test_a_search_for_two_things_is_paged_as_one(root, send, monkeypatch):
    monkeypatch.setattr(MessageAdmin, "list_per_page", 2)
    wanted = ids(send(subject="bob's bill"), send("bob@x.test"), send("bob@x.test", subject="bob again"))
    page, _ = listed(root, q="bob")
    assert page == wanted[:2]
    assert listed(root, q="bob", older=page[-1])[0] == wanted[2:]


def test_nothing_is_counted_and_a_page_takes_a_fixed_number_of_queries(root, send):
    counts = []
    for number in (1, 6):
        for _ in range(number):
            send("a@x.test", "b@x.test", tags=["t"])
        with CaptureQueriesContext(
            connection,
        ) as queries:
            listed(root, q="a@x.test", tag="t")
        counts.append(len(queries))
        assert not [each["sql"] for each in queries if "COUNT(" in each["sql"] and "mail_" in each["sql"]]
    assert counts[0] == counts[1]


def test_each_search_is_answered_by_an_index(root, send):
    send(tags=["t"])
    searches = ({"q": "one@rcpt.test"}, {"q": "shipped"}, {"status__exact": "bounced"}, {"older": send().pk}, {})
    with connection.cursor() as cursor:
        # Few rows are read faster than an index; the question is whether one could be used at all.
        cursor.execute("SET LOCAL enable_seqscan = off")
        for search in searches:
            with CaptureQueriesContext(connection) as queries:
                listed(root, **search)
            for query in queries:
                if query["sql"].startswith('SELECT "mail_message"."id" AS "pk"'):
                    cursor.execute(f"EXPLAIN {query['sql']}")
                    plan = "\n".join(row[0] for row in cursor.fetchall())
                    assert "Seq Scan" not in plan, plan


def test_hostile_words_are_shown_as_text(root, send):
    send("evil@x.test", subject="<script>alert(1)</script>", tags=["<img src=x onerror=alert(1)>"])
    _, html = listed(root)
    assert "<script>alert(1)" not in html
    assert "<img src=x" not in html


def test_a_scheduled_message_is_listed_with_its_time(root, send):
    at = timezone.now() + timedelta(days=1)
    send(scheduled_at=at)
    send()
    assert listed(root)[1].count(f"for {at:%Y-%m-%d %H:%M:%S}") == 1
