"""Why nothing more is done for a recipient: it was taken, came back, was given up, held back or cancelled."""

from collections.abc import Callable, Iterator, Mapping

from django.conf import settings

from delivery.envelope import Outcome
from messages.explain.attempts import (
    SEND_AGAIN,
    Said,
    advise,
    name_source,
    read_feedback_said,
    read_said,
    tell_try,
)
from messages.explain.model import Telling
from messages.explain.providers import name_speaker
from messages.explain.waiting import Case, find_acceptance, find_said, tell_taken
from messages.explain.wording import capitalize, end_sentence, say_count, say_span, say_time
from messages.states import Phase, Reason
from providers.models import Kind
from tracking.models import Event, EventType, Suppression

# Why an address is on the suppression list, to stand behind "because".
SUPPRESSED: Mapping[str, str] = {
    Suppression.Reason.BOUNCE: "mail to it bounced",
    Suppression.Reason.COMPLAINT: "its owner reported our mail as spam",
    Suppression.Reason.UNSUBSCRIBE: "its owner unsubscribed",
    Suppression.Reason.MANUAL: "somebody put it there",
}
RELEASE = (
    "If the address is right and works again, take it off the suppression list: until then a resend does not reach it."
)
RESPECT = "Leave it on the list, unless the recipient asks for your mail again."
UNLISTED: Mapping[str, str] = {
    Suppression.Reason.BOUNCE: RELEASE,
    Suppression.Reason.COMPLAINT: RESPECT,
    Suppression.Reason.UNSUBSCRIBE: RESPECT,
    Suppression.Reason.MANUAL: RELEASE,
}
LOOK_FOR_IT = "If the recipient does not see it: have them look into the spam folder, and search for its Message-ID"


def tell_sent(case: Case) -> Telling:
    """A relay or an ESP took it, and has told no more."""
    if case.row.status_reason == Reason.SETTLED:
        return Telling(why="A person counted the uncertain attempt as sent.")
    took = find_acceptance(case)
    is_esp = took is not None and case.background.find_kind(took) is Kind.ESP
    advice: tuple[str, ...] = ()
    if is_esp:
        following = "The email service tells by its events what becomes of it, if they are set up."
    elif case.background.hears_bounces:
        following = "If it comes back, or its delivery is confirmed, that is shown here; most relays confirm nothing."
    else:
        following = "Nothing more is expected: bounces of this sender do not come back to this service."
        advice = ("To hear of bounces, give the sending domain a return path, or set REPORT_DOMAIN.",)
    said = read_said(took, case.row, case.background) if took else None
    quoted = f" It said: {said.quoted}." if said else ""
    event = None if took else case.background.find_event(case.row, EventType.SENT)
    taken = tell_taken(case).strip() or (f"{capitalize(name_source(event))} told that it was taken." if event else "")
    return Telling(
        why=f"{taken}{quoted} Whether it reached the mailbox, nobody has told.{tell_afterlife(case)}".strip(),
        next=following,
        advice=(*advice, f"{LOOK_FOR_IT}, {case.message.message_id}, in the provider's log."),
        said=said,
    )


def tell_delivered(case: Case) -> Telling:
    took = find_acceptance(case)
    is_direct = took is not None and took.outcome == Outcome.DELIVERED
    event = case.background.find_event(case.row, EventType.DELIVERED)
    if took is not None and is_direct:
        said = read_said(took, case.row, case.background)
        why = tell_try(took, case.row, case.background)
    else:
        said = read_feedback_said(event) if event else None
        by = name_source(event) if event else "feedback"
        at = f" on {say_time(event.occurred_at)}" if event else ""
        quoted = f" It said: {said.quoted}." if said and said.quoted else ""
        why = f"{tell_taken(case)}{capitalize(by)} confirmed{at} that it was delivered.{quoted}"
    return Telling(
        why=why + tell_afterlife(case),
        advice=tuple(advise_on_delivered(case)),
        said=said,
    )


def advise_on_delivered(case: Case) -> Iterator[str]:
    found = case.background.find_suppression(case.row)
    if found is not None and UNLISTED[found.reason] is RESPECT:
        yield RESPECT
    elif not any(recipient_id == case.row.pk for recipient_id, _ in case.background.visits):
        yield f"{LOOK_FOR_IT}, {case.message.message_id}."


def tell_afterlife(case: Case) -> str:
    """What the recipient did with it."""
    parts = []
    for type_, words in ((EventType.OPENED, "opened it"), (EventType.CLICKED, "followed a link in it")):
        if visits := case.background.visits.get((case.row.pk, type_)):
            times = "once" if visits.times == 1 else f"{visits.times} times, last"
            parts.append(f" A person {words} {times} on {say_time(visits.last_at)}.")
    for type_, words in (
        (EventType.COMPLAINED, "The recipient reported it as spam"),
        (EventType.UNSUBSCRIBED, "The recipient unsubscribed"),
    ):
        if event := case.background.find_event(case.row, type_):
            parts.append(f" {words} on {say_time(event.occurred_at)}: the address is written to no more.")
    return "".join(parts)


def tell_bounced(case: Case) -> Telling:
    event = case.background.find_event(case.row, EventType.BOUNCED)
    said, why = tell_return(case, event)
    listed, advice = tell_listing(case)
    meaning = said.meaning if said else None
    return Telling(
        why=f"{why} {listed}".strip(),
        advice=tuple(each for each in (advise(meaning, is_over=True), advice) if each),
        said=said,
    )


def tell_return(case: Case, event: Event | None) -> tuple[Said | None, str]:
    """How it came back: at once, or with a report later on."""
    last = case.last
    if last is not None and last.outcome == Outcome.BOUNCED:
        return read_said(last, case.row, case.background), tell_try(last, case.row, case.background)
    if event is None:
        return None, "It came back."
    said = read_feedback_said(event)
    delivered = case.background.find_event(case.row, EventType.DELIVERED)
    taken = f"It was delivered on {say_time(delivered.occurred_at)}. " if delivered else tell_taken(case)
    words = f": {said.meaning.words}" if said and said.meaning else ""
    quoted = f" It said: {said.quoted}." if said and said.quoted else ""
    again = "Yet it came back" if taken else "It came back"
    return said, f"{taken}{again}, as {name_source(event)} told on {say_time(event.occurred_at)}{words}.{quoted}"


def tell_listing(case: Case) -> tuple[str, str]:
    """Whether the address is written to from now on, and what to do about that."""
    found = case.background.find_suppression(case.row)
    if found is None:
        if case.row.is_simulated:
            return "Nothing was sent for real, so the address is not suppressed.", ""
        return "The address is not on the suppression list: other mail still goes to it.", ""
    if found.message_id == case.message.pk:
        return "The address is on the suppression list since then: nothing more is sent to it.", UNLISTED[found.reason]
    return (
        f"The address is on the suppression list since {say_time(found.created_at)}, because "
        f"{SUPPRESSED[found.reason]}.",
        UNLISTED[found.reason],
    )


def tell_suppressed(case: Case) -> Telling:
    """Nothing was sent, by the list."""
    found = case.background.find_suppression(case.row)
    if found is None:
        return Telling(
            why="The address was on the suppression list, so nothing was sent. It is not on the list any more.",
            advice=("Resend it: it reaches the address now.",),
        )
    note = f' ("{found.note}")' if found.note else ""
    return Telling(
        why=f"The address is on the project's suppression list since {say_time(found.created_at)}, because "
        f"{SUPPRESSED[found.reason]}{note}: nothing was sent to it.",
        advice=(UNLISTED[found.reason],),
    )


def tell_failed(case: Case) -> Telling:
    return FAILURES.get(Reason(case.row.status_reason), tell_other_failure)(case)


def tell_expired(case: Case) -> Telling:
    by = f"by {say_time(case.row.expires_at)}" if case.row.expires_at else "in time"
    rule = "its expires_at" if case.message.expires_at else f"mail is tried for {say_span(settings.EXPIRY_TIME)}"
    last = case.last
    count = case.row.attempt_count
    told = f" Last: {tell_try(last, case.row, case.background)}" if last and last.phase == Phase.DONE else ""
    tries = f"after {say_count(count, 'try')}" if count else "before it was ever tried"
    return Telling(
        why=f"Nobody had taken it {by} ({rule}), so it was given up {tries}.{told}",
        advice=("Resend it, if it is still of use.",),
        said=find_said(case),
    )


def tell_crash(case: Case) -> Telling:
    return Telling(
        why=f"{say_count(case.row.crash_count, 'worker')} in a row died while sending it, so it was set aside. "
        "Other mail goes on.",
        advice=(
            "Tell who runs this service: the workers' log has the id of this email and what they died of.",
            "Resend it when that is mended.",
        ),
    )


def tell_provider_error(case: Case) -> Telling:
    last = case.last
    if last is not None and last.outcome == Outcome.FAILED:
        said = read_said(last, case.row, case.background)
        return Telling(
            why=tell_try(last, case.row, case.background) + " The address is not suppressed.",
            advice=(
                advise(said.meaning if said else None, "Mend what it complains of, then resend it.", is_over=True),
            ),
            said=said,
        )
    return tell_other_failure(case)


def tell_other_failure(case: Case) -> Telling:
    """Given up by the provider, as it has told."""
    event = case.background.find_event(case.row, EventType.FAILED)
    said = read_feedback_said(event) if event else None
    words = f": {said.meaning.words}" if said and said.meaning else ""
    quoted = f" It said: {said.quoted}." if said and said.quoted else ""
    by = (
        f", as {name_source(event)} told on {say_time(event.occurred_at)}" if event and event.data.get("source") else ""
    )
    reply = "" if said or not case.row.last_reply else f" {end_sentence(case.row.last_reply)}"
    return Telling(
        why=f"{tell_taken(case)}It was given up{by}{words}.{quoted}{reply}",
        advice=(advise(said.meaning if said else None, SEND_AGAIN, is_over=True),),
        said=said,
    )


def tell_settled(case: Case) -> Telling:
    taker = f" with {name_speaker(case.last, case.background)}" if case.last and case.last.provider_name else ""
    return Telling(
        why=f"A person counted the uncertain attempt{taker} as failed. If it did arrive all the same, the "
        "recipient has it.",
        advice=("Resend it, if it is to go again.",),
    )


def tell_cancelled(case: Case) -> Telling:
    at = f" on {say_time(case.message.cancelled_at)}" if case.message.cancelled_at else ""
    due = f", which was {say_time(case.message.scheduled_at)}" if case.message.scheduled_at else ""
    return Telling(
        why=f"It was cancelled{at}, before its time{due}. Nothing was sent, and nothing will be.",
        advice=("Resend it, if it is to go after all.",),
    )


FAILURES: Mapping[Reason, Callable[[Case], Telling]] = {
    Reason.EXPIRED: tell_expired,
    Reason.WORKER_CRASH: tell_crash,
    Reason.PROVIDER_ERROR: tell_provider_error,
    Reason.SETTLED: tell_settled,
    Reason.SUPPRESSED: tell_suppressed,
}
