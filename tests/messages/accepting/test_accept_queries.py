"""The number of database queries at acceptance does not grow with the request."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from common.errors import InvalidFieldsError
from domains.services import SenderNotVerifiedError, Senders, add_domain, remove_domain
from messages.models import Message, Recipient
from templates_app.services import create_template, publish_template
from tracking.suppressions.service import Entry, suppress

pytestmark = pytest.mark.django_db


def email(**values: object) -> dict[str, object]:
    return {"from_": "shop@mine.test", "to": "a@x.test", "subject": "Hi", "text": "Hello.", **values}


def count_queries(api: Any, path: str, body: object) -> list[str]:
    """The statements behind a request that was accepted, but for those in which the values are beside the text."""
    with CaptureQueriesContext(connection) as queries:
        posted = api.post(path, body)
    assert posted.status_code == 202, posted.content
    return [query["sql"] for query in queries]


def test_fifty_recipients_are_checked_in_one_query(api: Any, project: Any) -> None:
    addresses = [f"User{index}@x.test" for index in range(50)]
    for address in addresses[::10]:
        suppress(project.pk, Entry(address=address.lower(), reason="manual"))
    body = email(to=addresses[:30], cc=addresses[30:40], bcc=addresses[40:])
    asked = [sql for sql in count_queries(api, "/emails", body) if "tracking_suppression" in sql]
    assert len(asked) == 1
    suppressed = Recipient.objects.filter(status="suppressed").order_by("position")
    assert [row.address for row in suppressed] == addresses[::10]


def test_a_batch_of_one_sender_asks_no_more_than_a_single_email(api: Any, project: Any) -> None:
    template = create_template(project, {"alias": "t", "subject": "{{ n }}", "text": "{{ n }}"})
    publish_template(template)
    items = [{"from_": "shop@mine.test", "to": "a@x.test", "template_id": "t", "template_vars": {"n": n}} for n in "ab"]
    first = count_queries(api, "/emails/batch", items)
    many = count_queries(api, "/emails/batch", items * 50)
    assert len(many) <= len(first)
    assert Message.objects.count() == 102


def test_a_batch_caches_forbidden_senders_too(project: Any) -> None:
    senders = Senders(project, is_local_only=False)
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries, pytest.raises(SenderNotVerifiedError):
            senders.admit("evil.test", None)
    assert not queries
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries, pytest.raises(InvalidFieldsError):
            senders.admit("evil.test", project.pk)
    assert not queries


def test_the_default_sender_is_looked_up_once_for_a_request_and_anew_for_the_next(project: Any) -> None:
    domain = add_domain(project, name="good.test", default_from="hello@good.test")
    pk = domain.pk
    senders = Senders(project, is_local_only=True)
    found = senders.find_default(pk)
    assert found is not None
    assert found.address == "hello@good.test"
    remove_domain(domain)
    assert senders.find_default(pk) == found
    assert Senders(project, is_local_only=True).find_default(pk) is None
