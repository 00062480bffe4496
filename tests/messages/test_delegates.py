"""Mail accepted on behalf of a project, without one of its keys."""

import pytest

from accounts.acting_for import Delegate
from common.addresses import parse_address
from messages import services
from messages.accepting.draft import Draft
from messages.services import ResendRecipients
from messages.states import Status, StatusReason

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft(settings) -> Draft:
    settings.TRUSTED_SENDER_DOMAINS = ["mine.test"]
    return Draft(
        from_=parse_address("shop@mine.test"), to=[parse_address("one@rcpt.test")], subject="Hi", text="Hello."
    )


def test_a_delegate_sends_for_its_project_without_a_key(project, draft):
    [message] = services.accept(Delegate(project=project), [draft])
    assert (message.project, message.api_key, message.is_test) == (project, None, False)


def test_a_resent_test_message_stays_one(project, draft):
    [message] = services.accept(Delegate(project=project, is_test=True), [draft])
    message.recipients.all().move_to(Status.BOUNCED, StatusReason.REFUSED)
    message.refresh_from_db()
    again = services.resend(Delegate(project=project, is_test=message.is_test), message, ResendRecipients.FAILED)
    assert (again.is_test, again.resent_from_id, again.api_key) == (True, message.pk, None)
