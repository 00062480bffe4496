"""What staff may do with a message: the verbs of `services`, with whom they did it for in the audit log."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import uuid4

from django.db import transaction

from accounts.acting_for import Delegate
from accounts.idempotency import StoredResponse, Ticket, fingerprint, run_once
from accounts.services import write_audit
from messages import services
from messages.available_actions import has_returned, is_resendable, is_scheduled, is_uncertain
from messages.models import Message, Recipient
from messages.services import ResendRecipients, Settlement


@dataclass(frozen=True, kw_only=True)
class AdminAction:
    """One verb: its button, the question before it, what is told after it, and when it is offered."""

    name: str
    label: str
    question: str
    done: str
    run: Callable[[Message], Message]
    is_offered: Callable[[Message, Sequence[Recipient]], bool]
    is_dangerous: bool = False


def resend(selection: ResendRecipients) -> Callable[[Message], Message]:
    """The message again, for its own project: a test message stays one."""
    return lambda message: services.resend(
        Delegate(project=message.project, is_test=message.is_test), message, selection
    )


def settle(settlement: Settlement) -> Callable[[Message], Message]:
    return lambda message: services.settle(message, settlement)


ADMIN_ACTIONS = {
    act.name: act
    for act in (
        AdminAction(
            name="cancel",
            label="Cancel",
            question="Cancel this message? It is never delivered then, and cannot be brought back.",
            done="The message was cancelled.",
            run=services.cancel,
            is_offered=is_scheduled,
            is_dangerous=True,
        ),
        AdminAction(
            name="resend",
            label="Resend",
            question="Send this message again, as a new one, to all of its recipients?",
            done="Sent again: this is the new message.",
            run=resend(ResendRecipients.ALL),
            is_offered=is_resendable,
        ),
        AdminAction(
            name="resend_failed",
            label="Resend to failed",
            question="Send this message again, as a new one, to those recipients only that failed or bounced?",
            done="Sent again to those that failed: this is the new message.",
            run=resend(ResendRecipients.FAILED),
            is_offered=has_returned,
        ),
        AdminAction(
            name="settle_sent",
            label="It was taken",
            question="Count the uncertain attempt as sent? Nothing more is tried.",
            done="Counted as sent.",
            run=settle(Settlement.SENT),
            is_offered=is_uncertain,
        ),
        AdminAction(
            name="settle_retry",
            label="Try it again",
            question="Try again now? If the first try did arrive, the recipient gets the message twice.",
            done="It is tried again.",
            run=settle(Settlement.RETRY),
            is_offered=is_uncertain,
        ),
        AdminAction(
            name="settle_failed",
            label="Give it up",
            question="Count the uncertain attempt as failed? Nothing more is tried.",
            done="Counted as failed.",
            run=settle(Settlement.FAILED),
            is_offered=is_uncertain,
            is_dangerous=True,
        ),
    )
}


def new_ticket() -> str:
    """What a form carries so that pressing its button twice acts once."""
    return str(uuid4())


def perform(act: AdminAction, message: Message, *, actor: str, ticket: str) -> Message:
    """Do it once for each ticket; the message to look at next. ApiError when its state does not allow it."""

    def once() -> StoredResponse:
        with transaction.atomic():
            result = act.run(message)
            data = {"project": message.project.name} | ({"new": str(result.pk)} if result.pk != message.pk else {})
            write_audit(actor, act.name, message.pk, **data)
        return StoredResponse(status=200, body={"id": str(result.pk)})

    key = f"admin:{ticket}:{message.pk}" if ticket else ""
    answer = run_once(
        Ticket(project_id=message.project_id, key=key, fingerprint=fingerprint("POST", act.name, str(message.pk))), once
    )
    return Message.objects.get(pk=answer.body["id"])
