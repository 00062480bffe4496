"""Reads the bounce mailboxes of providers: each report that is new there is recorded as one at the report listener."""

from time import monotonic

import structlog

from delivery.mailboxes.model import MailboxClient, MailboxError
from delivery.mailboxes.opening import open_mailbox
from messages.feedback.reports import ReceivedReport, receive_report
from providers.bounce_mailboxes import VISIT_LIMITS, build_address, claim_mailbox, finish_visit
from providers.models import BounceMailbox
from providers.network_policy import find_guard

# In one visit; the next one continues.
MAX_MAILS = 100
# After this time one task begins no further visit; the next tick continues.
TICK_SECONDS = 50.0

log = structlog.get_logger(__name__)


def read_due_mailboxes() -> int:
    """Visit the mailboxes that are due, one after the other. Returns their number.

    Each is leased, so that two workers never read the same one. A mailbox that fails does not affect the others.
    """
    count, until = 0, monotonic() + TICK_SECONDS
    while monotonic() < until and (mailbox := claim_mailbox()) is not None:
        visit(mailbox)
        count += 1
    return count


def visit(mailbox: BounceMailbox) -> None:
    """Read a leased mailbox and record its reports."""
    has_more = False
    try:
        address = build_address(mailbox)
        with open_mailbox(address, guard=find_guard(is_operated=mailbox.is_operated), limits=VISIT_LIMITS) as client:
            has_more = read_new(mailbox, client)
    except MailboxError as error:
        log.warning("bounce_mailbox_failed", provider=mailbox.provider.name, error=str(error))
        finish_visit(mailbox, failure=str(error))
    else:
        finish_visit(mailbox, has_more=has_more)


def read_new(mailbox: BounceMailbox, client: MailboxClient) -> bool:
    """Record the new mails, then delete those that told of mail of this service, unless they are kept. Returns whether
    more are waiting.

    What was recorded counts as seen even if the line breaks later; a repetition would be harmless. Other mail is never
    deleted.
    """
    done: list[str] = []
    reports: list[str] = []
    waiting = client.list_new(mailbox.seen)
    try:
        for mail_id in waiting[:MAX_MAILS]:
            if receive_report(ReceivedReport(raw=client.fetch(mail_id))):
                reports.append(mail_id)
            done.append(mail_id)
    finally:
        mailbox.seen = client.remember(mailbox.seen, done)
    if not mailbox.is_kept:
        client.delete(reports)
    client.close()
    if done:
        log.info("bounce_mailbox_read", provider=mailbox.provider.name, mails=len(done), reports=len(reports))
    return len(waiting) > MAX_MAILS
