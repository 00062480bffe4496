"""Finding messages by the words that people have."""

from collections.abc import Callable

import pytest
from django.db import connection, transaction

from accounts.acting_for import Delegate
from accounts.models import Project
from emailsvc.doctor.database import examine_database
from emailsvc.doctor.finding import Health
from messages.attachments import File
from messages.models import Attempt, Message, Subject
from messages.search import finding, index
from messages.search.filling import fill_columns
from messages.search.finding import Range, find_ids, read_search
from messages.search.words import Scope
from messages.services import resend
from messages.states import Phase, Status, StatusReason
from templates_app.models import Template

pytestmark = pytest.mark.django_db
Search = Callable[[str], list[str]]


@pytest.fixture(autouse=True)
def _any_sender(settings):
    settings.TRUSTED_SENDER_DOMAINS = ["*"]


@pytest.fixture
def search(project: Project) -> Search:
    """The subjects of what is found, the newest first. Raises AssertionError with the problems."""

    def run(text: str) -> list[str]:
        found = read_search(text, Scope(project_ids=[project.pk]))
        assert not found.problems, found.problems
        ids = find_ids(Message.objects.filter(project=project), found, Range(limit=50))
        return list(Message.objects.filter(pk__in=ids).order_by("-pk").values_list("subject", flat=True))

    return run


@pytest.fixture
def order(send, project) -> Message:
    file = File(filename="Invoice-4711.pdf", content_type="text/plain", content=b"x")
    template = Template.objects.create(project=project, alias="order-sent", name="Dispatch", text="x")
    message = send(
        to=["Jo <Jo.Doe@Customer.test>", "pat@other.test"],
        subject="Your Order #4711",
        tags=["Receipt"],
        metadata={"Order": "A-4711", "shop": "Berlin"},
        attachments=[file],
    )
    Message.objects.filter(pk=message.pk).update(template=template)
    send(to=["max@else.test"], subject="Welcome", metadata={"order": "B"})
    return message


FOUND = [
    *("to:jo.doe@customer.test", "TO:JO.DOE", "to:customer", "to:pat", "to:jo", 'to:"o.doe@c"'),
    *("from:shop to:jo", "subject:order", 'subject:"order #47"', "subject:yo", "tag:receipt", "tag:EIP", "tag:re"),
    *("template:order-sent", "template:dispatch", "filename:invoice", "filename:4711.PDF", "filename:in"),
    *("meta.order=a-4711", "metadata.Order=A-4711", "meta.order:4711", "meta.order:a-", "meta.shop:erl"),
    *(
        "#4711",
        "customer",
        "receipt",
        "invoice",
        "order jo.doe",
        '"your order"',
        "jo.doe tag:receipt status:queued",
    ),
]


NOT_FOUND = [
    *(
        "to:shop",
        "from:jo",
        "subject:receipt",
        "tag:invoice",
        "filename:receipt",
        "meta.order=4711",
        "meta.order=a",
    ),
    *(
        "meta.shop=a-4711",
        "meta.order:berlin",
        "order nobody",
        "to:ro",
        "ra",
        "subject:or",
        "%",
        "_",
        "\\",
        "'",
        "---",
    ),
    *("remote-id:nothing", "status:bounced", "reason:uncertain", "id:ffffffff", "заказ"),
]


def test_a_message_is_found_by_each_word_in_any_part_and_case(order: Message, search: Search) -> None:
    assert [text for text in FOUND if search(text) != ["Your Order #4711"]] == []


def test_other_text_finds_nothing(order: Message, search: Search) -> None:
    assert [text for text in NOT_FOUND if search(text)] == []


def test_ids_of_all_kinds_find_their_message(order: Message, search: Search) -> None:
    Attempt.objects.create(
        recipient=order.recipients.first(),
        number=1,
        lease_token=order.pk,
        phase=Phase.DONE,
        claimed_at=order.created_at,
        remote_id="<0b5c@esp.test>",
    )
    pk = str(order.pk)
    for text in (
        f"id:{pk}",
        f"id:{pk.upper()}",
        f"id:{pk[:35]}",
        f"message-id:{order.message_id}",
        f"id:{order.message_id}",
    ):
        assert search(text) == ["Your Order #4711"]
    for text in ("remote-id:0b5c@esp.test", "message-id:<0b5c@esp.test>", "0b5c@esp.test", pk, order.message_id):
        assert search(text) == ["Your Order #4711"]


def test_status_and_reason_are_chosen_by_their_names_or_parts(order: Message, search: Search) -> None:
    with transaction.atomic():
        order.recipients.filter(address="pat@other.test").move_to(Status.DELIVERING, StatusReason.UNCERTAIN)
    assert search("reason:uncertain") == search("reason:uncert") == ["Your Order #4711"]
    assert sorted(search("status:queue")) == ["Welcome", "Your Order #4711"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour:red", "“colour:” is not a word of this search."),
        ("re: hello", "Put text with a colon into quotes."),
        ("status:lost", "There is no status “lost”. There are: scheduled, queued"),
        ("reason:lost", "There is no reason “lost”."),
        ("to:", "“to:” needs a value, such as to:jo@"),
        ("id:12", "“12” is not the beginning of an id"),
        ("id:" + "0" * 40, "“0000"),
        ("template:none", "No template has “none” in its alias or name."),
        ("meta:7", "Write the name of the value too: meta.order=7"),
        ('""', "There is nothing between the quotes."),
        ("x" * 2000, "A search has at most 1,000 characters."),
    ],
)
def test_what_is_wrong_with_a_search_is_said_in_words(project: Project, text: str, words: str) -> None:
    search = read_search(text, Scope(project_ids=[project.pk]))
    assert any(words in problem for problem in search.problems), search.problems
    assert not search.conditions


def test_another_projects_template_is_not_known(order: Message, other_project: Project) -> None:
    assert read_search("template:order-sent", Scope(project_ids=[other_project.pk])).problems


def test_rare_text_is_found_behind_many_newer_messages_in_both_directions(send, project, monkeypatch) -> None:
    monkeypatch.setattr(finding, "NEAR", 2)
    monkeypatch.setattr(finding, "MATCHES", (1, 100))
    messages = [send(subject=text) for text in ("rare 1", "rare 2", *["usual"] * 5, "rare 3")]
    rare = sorted((messages[0].pk, messages[1].pk, messages[7].pk), reverse=True)
    search = read_search("subject:rare", Scope(project_ids=[project.pk]))
    rows = Message.objects.filter(project=project)
    assert find_ids(rows, search, Range(limit=10)) == rare
    assert find_ids(rows, search, Range(limit=2)) == rare[:2]
    assert find_ids(rows, search, Range(limit=2, anchor=rare[0])) == rare[1:]
    assert find_ids(rows, search, Range(limit=2, anchor=rare[2], is_upwards=True)) == rare[1::-1]


def test_a_resend_is_found_by_the_names_of_its_files(order: Message, search: Search) -> None:
    with transaction.atomic():
        order.recipients.all().move_to(Status.BOUNCED, StatusReason.REFUSED)
    resend(Delegate(project=order.project), Message.objects.get(pk=order.pk))
    assert search("filename:4711") == ["Your Order #4711"] * 2


def test_messages_of_an_earlier_release_are_filled(order: Message, search: Search) -> None:
    Subject.objects.update(recipients=None, sender="", tags="", filenames="", pairs="")
    assert search("to:jo.doe") == []
    assert index.is_filling()
    assert fill_columns() == 2
    assert not index.is_filling()
    for text in ("to:jo.doe", "tag:receipt", "filename:invoice", "meta.order=a-4711", "from:shop to:pat"):
        assert search(text) == ["Your Order #4711"]


def test_without_pg_trgm_searches_work_and_the_reason_for_their_time_is_told(order: Message, search: Search) -> None:
    assert index.find_search_obstacle() == ""
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX subject_searched")
        assert "index subject_searched is missing" in index.find_search_obstacle()
        cursor.execute("DROP EXTENSION pg_trgm CASCADE")
    assert "pg_trgm is missing" in index.find_search_obstacle()
    assert search("to:jo.doe tag:receipt") == search("invoice") == ["Your Order #4711"]
    found = {finding.check: finding for finding in examine_database()}
    assert (found["database.pg_trgm"].status, "prepare" in found["database.pg_trgm"].mend) == (Health.WARNING, True)


def test_a_search_reads_no_table_as_a_whole(order: Message, search: Search, django_assert_max_num_queries) -> None:
    """Few rows are read faster than an index; the question is whether one could be used at all."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for text in ("to:customer", "order", "tag:receipt jo", "meta.order=a-4711", "reason:refused", "id:01a2041b"):
            with django_assert_max_num_queries(8) as queries:
                search(text)
            for query in queries:
                if query["sql"].startswith('SELECT "mail_message"."id" AS "pk"'):
                    cursor.execute(f"EXPLAIN {query['sql']}")
                    plan = "\n".join(row[0] for row in cursor.fetchall())
                    assert "Seq Scan" not in plan, plan
