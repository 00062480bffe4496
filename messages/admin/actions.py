"""The actions of staff on messages: the operations of `services`, recorded in the audit log."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from django.db import transaction

from accounts.acting_for import Delegate
from accounts.idempotency import StoredResponse, Ticket, fingerprint, run_once
from accounts.services import store_audit
from common.addresses import AddressError, parse_address
from common.errors import FieldError, InvalidFieldsError
from messages import services
from messages.api.serializers import check_scheduled_at
from messages.available_actions import is_allowed
from messages.deciding import settling
from messages.deciding.retrying import retry_now
from messages.deciding.settling import Settlement
from messages.models import Message, Recipient
from messages.services import ResendRecipients

SEPARATORS = re.compile(r"[,\n]")


@dataclass(frozen=True, kw_only=True)
class AdminAction:
    """One action: its button, the question before it, and the notice after it. Its rule has the same name."""

    name: str
    label: str
    question: str
    done: str
    # Takes the message and the answer to `asks`.
    run: Callable[[Message, str], Message]
    is_dangerous: bool = False
    # The label of a text to enter, and its form; empty if the action needs none.
    asks: str = ""
    asks_as: str = "text"

    @property
    def button(self) -> str:
        """The label where the text is asked for on the same page."""
        return self.label.rstrip("…")

    def is_offered(self, message: Message, recipients: Sequence[Recipient]) -> bool:
        """Whether the message's state allows it."""
        return is_allowed(self.name, message, recipients)


def delegate_for(message: Message) -> Delegate:
    """Staff act for the message's own project; a test message stays a test message."""
    return Delegate(project=message.project, is_test=message.is_test)


def resend(selection: ResendRecipients) -> Callable[[Message, str], Message]:
    return lambda message, _: services.resend(delegate_for(message), message, selection)


def resend_to(message: Message, given: str) -> Message:
    """Resend to the addresses in `given`, separated by commas or line ends. Raises ApiError for invalid ones."""
    try:
        to = [parse_address(text.strip()) for text in SEPARATORS.split(given) if text.strip()]
    except AddressError as error:
        raise InvalidFieldsError([FieldError("to", error.code, error.message)]) from None
    if not to:
        raise InvalidFieldsError([FieldError("to", "required", "Enter at least one address.")])
    return services.resend_to(delegate_for(message), message, to)


def reschedule(message: Message, given: str) -> Message:
    """Change the time to the given one, in UTC. Raises ApiError for an invalid one."""
    try:
        read = datetime.fromisoformat(given.strip())
        at = read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidFieldsError([FieldError("scheduled_at", "invalid", "Enter a time: 2030-01-31 09:30.")]) from None
    if error := check_scheduled_at(at):
        raise InvalidFieldsError([FieldError("scheduled_at", error.code or "invalid", str(error))])
    return services.reschedule(message, at)


def settle(settlement: Settlement) -> Callable[[Message, str], Message]:
    return lambda message, _: settling.settle(message, settlement)


ADMIN_ACTIONS = {
    act.name: act
    for act in (
        AdminAction(
            name="approve",
            label="Approve",
            question="Send this message as the source below shows it? Its Date is the time at which it leaves.",
            done="The message was approved.",
            run=lambda message, _: services.approve(message),
        ),
        AdminAction(
            name="decline",
            label="Decline",
            question="Decline this message? It is cancelled and never delivered, and this cannot be undone.",
            done="The message was declined.",
            run=lambda message, _: services.decline(message),
            is_dangerous=True,
        ),
        AdminAction(
            name="cancel",
            label="Cancel",
            question="Cancel this message? A cancelled message is never delivered, and this cannot be undone.",
            done="The message was cancelled.",
            run=lambda message, _: services.cancel(message),
            is_dangerous=True,
        ),
        AdminAction(
            name="reschedule",
            label="Reschedule…",
            question="Send this message at another time?",
            done="The message was rescheduled.",
            run=reschedule,
            asks="New time (UTC)",
            asks_as="datetime-local",
        ),
        AdminAction(
            name="retry_now",
            label="Retry now",
            question="Start the next attempt at once, in place of its time?",
            done="The next attempt begins now.",
            run=lambda message, _: retry_now(message),
        ),
        AdminAction(
            name="resend",
            label="Resend",
            question="Resend this message to all of its recipients, as a new message?",
            done="The message was resent: this is the new message.",
            run=resend(ResendRecipients.ALL),
        ),
        AdminAction(
            name="resend_failed",
            label="Resend to failed",
            question="Resend this message to the recipients that failed or bounced, as a new message?",
            done="The message was resent to the failed recipients: this is the new message.",
            run=resend(ResendRecipients.FAILED),
        ),
        AdminAction(
            name="resend_to",
            label="Resend to…",
            question="Resend this message to other addresses, as a new message? Cc and blind copies are left out.",
            done="The message was resent to other addresses: this is the new message.",
            run=resend_to,
            asks="Addresses, with commas between them",
        ),
        AdminAction(
            name="settle_sent",
            label="Settle as sent",
            question="Count the uncertain attempt as sent? No attempt follows.",
            done="The message counts as sent.",
            run=settle(Settlement.SENT),
        ),
        AdminAction(
            name="settle_retry",
            label="Settle: retry",
            question="Retry now? If the first attempt did arrive, the recipient gets the message twice.",
            done="The message will be retried.",
            run=settle(Settlement.RETRY),
        ),
        AdminAction(
            name="settle_failed",
            label="Settle as failed",
            question="Count the uncertain attempt as failed? No attempt follows.",
            done="The message counts as failed.",
            run=settle(Settlement.FAILED),
            is_dangerous=True,
        ),
    )
}


def new_ticket() -> str:
    """A token for a form, so that a double click acts only once."""
    return str(uuid4())


def perform(act: AdminAction, message: Message, *, actor: str, ticket: str, given: str = "") -> Message:
    """Perform the action once for each ticket, and return the message to show next. `given` answers `act.asks`.

    Raises ApiError if the message's state does not allow the action.
    """

    def once() -> StoredResponse:
        with transaction.atomic():
            result = act.run(message, given)
            data = {"project": message.project.name} | ({"new": str(result.pk)} if result.pk != message.pk else {})
            if act.name == "reschedule":
                data["scheduled_at"] = str(result.scheduled_at)
            store_audit(actor=actor, action=act.name, obj=message.pk, project_id=message.project_id, data=data)
        return StoredResponse(status=200, body={"id": str(result.pk)})

    # A form without a ticket is performed each time.
    key = Ticket(
        project_id=message.project_id,
        key=f"admin:{ticket}:{message.pk}",
        fingerprint=fingerprint("POST", act.name, [str(message.pk), given]),
    )
    answer = run_once(key if ticket else None, once)
    return Message.objects.get(pk=answer.body["id"])
