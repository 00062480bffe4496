"""The page of one address, reached from wherever the address is shown."""

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.services import write_audit
from messages.message_events import record_status_events
from messages.models import Recipient
from messages.states import Status, StatusReason
from tests.admin.people import log_in
from tracking.suppressions.service import Entry, suppress

pytestmark = pytest.mark.django_db
PAGE = reverse("admin:mail_message_address")


def show(client, address: str) -> str:
    answer = client.get(PAGE, {"of": address})
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_address_has_its_mail_suppressions_with_stream_and_proof_and_bounces(sue, send, project) -> None:
    bounced = send("Jo.Doe@Customer.test", subject="Your order")
    copied = send("max@else.test", "jo.doe@customer.test", subject="A copy")
    send("max@else.test", subject="Not hers")
    with transaction.atomic():
        moved = Recipient.objects.filter(message=bounced).move_to(Status.BOUNCED, StatusReason.REFUSED)
        record_status_events(moved, {row.recipient_id: {"reply": "No such user"} for row in moved})
    entry = Entry(
        address="jo.doe@customer.test", reason="unsubscribe", stream="default", message_id=copied.pk, ip="192.0.2.7"
    )
    suppress(project.pk, entry)
    write_audit("root", "release", "jo.doe@customer.test", reason="bounce", note="Asked for it")
    html = show(sue, "JO.DOE@customer.test")
    for text in (
        *("Your order", "A copy", "No such user", "stream default", "192.0.2.7"),
        *(reverse("admin:mail_message_change", args=[message.pk]) for message in (bounced, copied)),
        "release_and_resend",
        "?q=to%3A%22jo.doe%40customer.test%22",
    ):
        assert text in html, text
    assert "Not hers" not in html


def test_the_page_of_an_unknown_address_says_that_there_is_nothing(sue) -> None:
    for address in ("nobody@x.test", "", "<script>", "x" * 2000, "a\0b"):
        html = show(sue, address)
        assert "No mail to this address." in html
        assert "<script>alert" not in html


def test_the_page_takes_a_fixed_number_of_queries_and_needs_the_permission(sue, send) -> None:
    counts = []
    for number in (1, 8):
        for _ in range(number):
            send("a@x.test")
        with CaptureQueriesContext(connection) as queries:
            show(sue, "a@x.test")
        counts.append(len(queries))
    assert counts[0] == counts[1]
    stranger = log_in(User.objects.create_user("other", is_staff=True))
    assert stranger.get(PAGE, {"of": "a@x.test"}).status_code == 403


def test_list_message_and_suppressions_lead_to_the_page(sue, send, project) -> None:
    message = send("a+b@x.test")
    suppress(project.pk, Entry(address="a+b@x.test", reason="manual"))
    link = f"{PAGE}?of=a%2Bb%40x.test"
    for name, args in (
        ("mail_message_changelist", []),
        ("mail_message_change", [message.pk]),
        ("tracking_suppression_changelist", []),
    ):
        assert link in sue.get(reverse(f"admin:{name}", args=args)).content.decode(), name
