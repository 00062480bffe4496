"""The Celery tasks. A task holds no state: it processes the rows that are due, and may be lost or run twice."""

from contextlib import ExitStack
from datetime import timedelta

import structlog
from celery import shared_task

from accounts import idempotency
from accounts.metering import usage
from accounts.requests import retention
from ledger import cached_rows
from ledger.clock import database_time
from ledger.doorbell import doorbell
from ledger.partitions import analyze, drop_months, make_months
from messages import attachments
from messages.feedback import recording
from messages.guard.guard import guard_tenants
from messages.lifetimes.ending import end_projects
from messages.lifetimes.erasures import run_erasures
from messages.lifetimes.purging import purge_due, purge_ownerless
from messages.months import ATTEMPTS, EVENTS, MONTHLY_TABLES
from messages.pausing.settling import settle_pauses
from messages.search.filling import fill_columns
from messages.sending import expiry, lost_leases, schedule, senders
from messages.sending.due_work import DueWork, find_due_work
from messages.sending.loop import SendingLoop
from messages.sending.queue.waiting import is_due
from messages.states import Lane
from providers.unreadable import report_unreadable

log = structlog.get_logger(__name__)

# Clocks of machines differ: a month is looked at when it has been over for this time.
MONTH_RESTS = timedelta(days=7)
# These make recipients due.
MAKE_DUE = {DueWork.SCHEDULED, DueWork.LOST, DueWork.SENDERS, DueWork.PAUSES}


@shared_task(name="mail.deliver_due")
def deliver_due(lane: str) -> None:
    """Send due recipients of a lane for about two seconds, and wake a worker again when more are due."""
    doorbell.answer(deliver_due, lane)
    schedule.release_due()
    has_claimed = SendingLoop(Lane(lane), lambda: ring(Lane(lane))).run()
    # Without a claim, the due mail has no usable provider now. The tick looks at it again; a ring here would loop.
    if has_claimed and is_due(Lane(lane)):
        ring(Lane(lane))


def ring(lane: Lane) -> None:
    """Wake a worker for a lane. Call it after the commit that made a recipient due."""
    doorbell.ring(deliver_due, lane)


@shared_task(name="mail.tick")
def tick() -> None:
    """Do all work that becomes due by time, and wake a worker for every lane with due recipients.

    Beat and the workers' timers call it, so that mail goes out when one of the two fails. Each part works for some
    seconds at most, waits for no row that somebody else has locked, and does not depend on the others.
    """
    parts = {
        DueWork.SCHEDULED: schedule.release_due,
        DueWork.LOST: lost_leases.sweep_lost_leases,
        DueWork.SENDERS: senders.settle_waiting_senders,
        DueWork.PAUSES: settle_pauses,
        DueWork.RECIPIENTS: ring_due,
        DueWork.FEEDBACK: recording.apply_due,
        DueWork.EXPIRED: expiry.expire_due,
        DueWork.GUARD: guard_tenants,
    }
    due = find_due_work()
    if due & MAKE_DUE:
        due.add(DueWork.RECIPIENTS)
    with ExitStack() as stack:
        # The stack calls the last one first, and each even if another one has failed.
        for work, part in reversed(parts.items()):
            if work in due:
                stack.callback(part)


def ring_due() -> None:
    """Wake a worker for every lane with due recipients."""
    for lane in Lane:
        if is_due(lane):
            ring(lane)


@shared_task(name="mail.purge_idempotency_keys")
def purge_idempotency_keys() -> None:
    """Delete idempotency keys that have expired."""
    if count := idempotency.purge_keys():
        log.info("idempotency_keys_purged", count=count)


@shared_task(name="mail.purge_settings_changes")
def purge_settings_changes() -> None:
    """Delete the notes of changes that every process knows."""
    if count := cached_rows.purge_changes():
        log.info("settings_changes_purged", count=count)


@shared_task(name="mail.keep_key_usage")
def keep_key_usage() -> None:
    """Write the day's messages of each key that has a limit by day or month."""
    usage.keep_key_usage()


@shared_task(name="mail.sweep_attachments")
def sweep_attachments() -> None:
    """Remove attachments' bytes that no message names."""
    if count := attachments.sweep_attachments():
        log.info("attachments_swept", count=count)


@shared_task(name="mail.purge_feedback")
def purge_feedback() -> None:
    """Delete the keys of feedback that is too old to be repeated."""
    if count := recording.purge():
        log.info("feedback_purged", count=count)


@shared_task(name="mail.purge_requests")
def purge_requests() -> None:
    """Delete the requests that are older than the log keeps them."""
    if count := retention.purge_requests():
        log.info("requests_purged", count=count)


@shared_task(name="mail.report_unreadable_providers")
def report_unreadable_providers() -> None:
    """Tell of providers whose stored settings cannot be read."""
    report_unreadable()


@shared_task(name="mail.keep_months")
def keep_months() -> None:
    """Make the partitions of the coming months, drop empty ones of the past, and count the rows for the planner.

    PostgreSQL's own autovacuum counts those of each partition, but not of the whole.
    """
    for table in (EVENTS, ATTEMPTS):
        if dropped := drop_months(table, database_time() - MONTH_RESTS):
            log.info("months_dropped", table=table.name, partitions=dropped)
    for table in MONTHLY_TABLES:
        if made := make_months(table):
            log.info("months_made", table=table.name, partitions=made)
        analyze(table)


@shared_task(name="mail.purge_due")
def purge_what_is_over() -> None:
    """Remove what projects keep no longer, for some seconds."""
    if count := purge_due():
        log.info("retention_purged", count=count)


@shared_task(name="mail.run_erasures")
def erase_addresses() -> None:
    """Go on with the erasures that were asked for."""
    run_erasures()


@shared_task(name="mail.end_projects")
def end_closed_projects() -> None:
    """Stop the mail of closed projects, and delete those whose days of grace are over."""
    if count := end_projects():
        log.info("closed_projects_worked_on", batches=count)


@shared_task(name="mail.purge_ownerless")
def purge_what_nobody_owns() -> None:
    """Remove old entries of the audit log that are of no project, and the targets of links after two years."""
    log.info("ownerless_purged", count=purge_ownerless())


@shared_task(name="mail.fill_searched_columns")
def fill_searched_columns() -> None:
    """Prepare messages of an earlier release for the search, some at a time."""
    if count := fill_columns():
        log.info("searched_columns_filled", count=count)


# The periodic tasks of beat with their intervals. Each is harmless when it runs twice or late.
SCHEDULE = (
    # In case that no timer works: those of the workers look each second.
    (tick, timedelta(seconds=30)),
    (purge_idempotency_keys, timedelta(hours=1)),
    (report_unreadable_providers, timedelta(minutes=1)),
    (purge_settings_changes, timedelta(hours=1)),
    (keep_key_usage, timedelta(minutes=1)),
    (sweep_attachments, timedelta(hours=1)),
    (purge_feedback, timedelta(hours=1)),
    (purge_requests, timedelta(hours=1)),
    (keep_months, timedelta(hours=6)),
    (purge_what_is_over, timedelta(minutes=1)),
    (erase_addresses, timedelta(seconds=10)),
    (end_closed_projects, timedelta(seconds=10)),
    (purge_what_nobody_owns, timedelta(hours=1)),
    (fill_searched_columns, timedelta(minutes=1)),
)
