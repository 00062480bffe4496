"""Explains recipients without further attempts: sent, delivered, bounced, failed, suppressed or cancelled."""

from collections.abc import Callable, Iterator, Mapping

from django.conf import settings

from delivery.envelope import Outcome
from delivery.judging.terms import Reason
from messages.explain.attempts import (
    SEND_AGAIN,
    QuotedReply,
    advise,
    explain_attempt,
    name_source,
    read_attempt_reply,
    read_feedback_reply,
)
from messages.explain.model import StateExplanation
from messages.explain.providers import name_speaker
from messages.explain.status_codes import SUBJECT_WORDS
from messages.explain.waiting import Case, explain_pause_at_expiry, explain_taken, find_acceptance, find_quoted_reply
from messages.explain.wording import capitalize, end_sentence, say_count, say_span, say_time
from messages.feedback.closed_mailboxes import MIN_BOUNCES, MIN_SPAN
from messages.states import Phase, StatusReason
from providers.models import ProviderKind
from tracking.models import Event, EventType, Suppression, SuppressionReason

# The reasons for a suppression, for a sentence with "because"; {} is its stream.
SUPPRESSED: Mapping[str, str] = {
    SuppressionReason.BOUNCE: "mail to it bounced",
    SuppressionReason.COMPLAINT: "its owner reported our mail as spam",
    SuppressionReason.UNSUBSCRIBE: "its owner unsubscribed from {}",
    SuppressionReason.MANUAL: "a person added it for {}",
}
RELEASE = (
    "If the address is correct and works again, remove it from the suppression list: until then a resend does not "
    "reach it."
)
RESPECT = "Leave it on the list, unless the recipient asks for your mail again."
UNLISTED: Mapping[str, str] = {
    SuppressionReason.BOUNCE: RELEASE,
    SuppressionReason.COMPLAINT: RESPECT,
    SuppressionReason.UNSUBSCRIBE: RESPECT,
    SuppressionReason.MANUAL: RELEASE,
}
VISITS = ((EventType.OPENED_SETTLED, "opened it"), (EventType.CLICKED_SETTLED, "followed a link in it"))
DISABLED_RULE = (
    f"A mailbox that is only disabled is suppressed at bounce {MIN_BOUNCES}, if it bounces for "
    f"{MIN_SPAN.days} days without a delivery in between."
)
HELD = "The operator applies or drops these suppressions together; after seven days they are dropped."
MAX_WORDS = 200
LOOK_FOR_IT = "If the recipient does not see it, ask them to look into the spam folder, and search for its Message-ID"


def explain_sent(case: Case) -> StateExplanation:
    """A relay or an ESP accepted it, and no further feedback has arrived."""
    if case.row.status_reason == StatusReason.SETTLED:
        return StateExplanation(why="A person counted the uncertain attempt as sent.")
    took = find_acceptance(case)
    is_esp = took is not None and case.background.find_kind(took) is ProviderKind.ESP
    advice: tuple[str, ...] = ()
    if is_esp:
        following = "The email service reports the result by its events, if they are set up."
    elif case.background.hears_bounces:
        following = "A bounce or a confirmation of the delivery will be shown here; most relays confirm nothing."
    else:
        following = "No further feedback is expected: bounces of this sender do not reach this service."
        advice = ("To receive bounces, give the sending domain a return path, or set REPORT_DOMAIN.",)
    last_reply = read_attempt_reply(took, case.row, case.background) if took else None
    quoted = f" Reply: {last_reply.quoted}." if last_reply else ""
    event = None if took else case.background.find_event(case.row, EventType.SENT)
    taken = explain_taken(case).strip() or (
        f"{capitalize(name_source(event))} confirmed that it was accepted." if event else ""
    )
    return StateExplanation(
        why=f"{taken}{quoted} It is unknown whether it reached the mailbox.{explain_later_feedback(case)}".strip(),
        next=following,
        advice=(*advice, f"{LOOK_FOR_IT}, {case.message.message_id}, in the provider's log."),
        last_reply=last_reply,
    )


def explain_delivered(case: Case) -> StateExplanation:
    took = find_acceptance(case)
    is_direct = took is not None and took.outcome == Outcome.DELIVERED
    event = case.background.find_event(case.row, EventType.DELIVERED)
    if took is not None and is_direct:
        last_reply = read_attempt_reply(took, case.row, case.background)
        why = explain_attempt(took, case.row, case.background)
    else:
        last_reply = read_feedback_reply(event) if event else None
        by = name_source(event) if event else "feedback"
        at = f" on {say_time(event.occurred_at)}" if event else ""
        quoted = f" Reply: {last_reply.quoted}." if last_reply and last_reply.quoted else ""
        why = f"{explain_taken(case)}{capitalize(by)} confirmed{at} that it was delivered.{quoted}"
    return StateExplanation(
        why=why + explain_later_feedback(case),
        advice=tuple(advise_on_delivered(case)),
        last_reply=last_reply,
    )


def advise_on_delivered(case: Case) -> Iterator[str]:
    found = case.background.find_suppression(case.row)
    if found is not None and UNLISTED[found.reason] is RESPECT:
        yield RESPECT
    elif not any(recipient_id == case.row.pk for recipient_id, _ in case.background.visits):
        yield f"{LOOK_FOR_IT}, {case.message.message_id}."


def explain_later_feedback(case: Case) -> str:
    """Sentences about opens, clicks, complaints and unsubscribes of the recipient."""
    parts = []
    for type_, words in VISITS:
        if visits := case.background.visits.get((case.row.pk, type_)):
            times = "once" if visits.times == 1 else f"{visits.times} times, last"
            parts.append(f" A person {words} {times} on {say_time(visits.last_at)}.")
    is_suppressed = not case.row.is_simulated
    if event := case.background.find_event(case.row, EventType.COMPLAINED):
        follows = ": no more mail is sent to the address" if is_suppressed else ""
        parts.append(f" The recipient reported it as spam on {say_time(event.occurred_at)}{follows}.")
    if event := case.background.find_event(case.row, EventType.UNSUBSCRIBED):
        where, at = name_stream(event.data.get("stream")), say_time(event.occurred_at)
        follows = ": mail of it that offers an opt-out is not sent to the address any more" if is_suppressed else ""
        parts.append(f" The recipient unsubscribed from {where} on {at}{follows}.")
    return "".join(parts)


def name_stream(stream: str | None) -> str:
    return f"the stream {stream}" if stream else "all streams"


def say_cause(found: Suppression) -> str:
    """The reason for a suppression, for a sentence with "because"."""
    return SUPPRESSED[found.reason].format(name_stream(found.stream))


def explain_bounced(case: Case) -> StateExplanation:
    event = case.background.find_event(case.row, EventType.BOUNCED)
    last_reply, why = explain_later_bounce(case, event)
    listed, advice = explain_suppression(case, is_disabled=bool(last_reply and last_reply.reason == Reason.DISABLED))
    meaning = last_reply.meaning if last_reply else None
    about = SUBJECT_WORDS.get(last_reply.about) if last_reply else None
    return StateExplanation(
        why=" ".join(filter(None, (why, f"The refusal is about {about}." if about else "", listed))),
        advice=tuple(each for each in (advise(meaning, is_over=True), advice) if each),
        last_reply=last_reply,
    )


def explain_later_bounce(case: Case, event: Event | None) -> tuple[QuotedReply | None, str]:
    """The reply and the sentences about a bounce: in the attempt itself, or reported later."""
    last = case.last
    if last is not None and last.outcome == Outcome.BOUNCED:
        return read_attempt_reply(last, case.row, case.background), explain_attempt(last, case.row, case.background)
    if event is None:
        return None, "It bounced."
    last_reply = read_feedback_reply(event)
    delivered = case.background.find_event(case.row, EventType.DELIVERED)
    taken = f"It was delivered on {say_time(delivered.occurred_at)}. " if delivered else explain_taken(case)
    words = f": {last_reply.meaning.words}" if last_reply and last_reply.meaning else ""
    quoted = f" Reply: {last_reply.quoted}." if last_reply and last_reply.quoted else ""
    again = "It bounced later" if taken else "It bounced"
    return (
        last_reply,
        f"{taken}{again}, as {name_source(event)} stated on {say_time(event.occurred_at)}{words}.{quoted}",
    )


def explain_suppression(case: Case, *, is_disabled: bool) -> tuple[str, str]:
    """Sentences about the suppression of the address, and the advice for it."""
    found = case.background.find_suppression(case.row)
    if found is None:
        if case.row.is_simulated:
            return "The mail was simulated, so the address is not suppressed.", ""
        if wave := case.background.held.get(case.row.address.lower()):
            return (
                f"The suppression of the address is held back since {say_time(wave.opened_at)}, because many servers "
                f"refused mail with the same words (“{wave.words[:MAX_WORDS]}”): other mail still goes to it.",
                HELD,
            )
        if case.background.list_suppressions(case.row):
            return "The suppressions of the address stop other mail only: such mail still goes to it.", ""
        rule = f" {DISABLED_RULE}" if is_disabled else ""
        return f"The address is not on the suppression list: other mail still goes to it.{rule}", ""
    if found.message_id == case.message.pk:
        note = f" ({found.note})" if is_disabled and found.note else ""
        return f"The address has been on the suppression list since then{note}: no more mail is sent to it.", UNLISTED[
            found.reason
        ]
    return (
        f"The address has been on the suppression list since {say_time(found.created_at)}, because {say_cause(found)}.",
        UNLISTED[found.reason],
    )


def explain_suppressed(case: Case) -> StateExplanation:
    """The suppression list stopped it, so nothing was sent."""
    found = case.background.find_suppression(case.row)
    if found is None:
        has_others = bool(case.background.list_suppressions(case.row))
        now = "Its present entries stop other mail only." if has_others else "It is not on the list any more."
        return StateExplanation(
            why=f"The address was on the suppression list, so nothing was sent. {now}",
            advice=("Resend it: it reaches the address now.",),
        )
    note = f' ("{found.note}")' if found.note else ""
    return StateExplanation(
        why=f"The address has been on the project's suppression list since {say_time(found.created_at)}, because "
        f"{say_cause(found)}{note}: nothing was sent to it.",
        advice=(UNLISTED[found.reason],),
    )


def explain_failed(case: Case) -> StateExplanation:
    return FAILURES.get(StatusReason(case.row.status_reason), explain_other_failure)(case)


def explain_expired(case: Case) -> StateExplanation:
    by = f"by {say_time(case.row.expires_at)}" if case.row.expires_at else "in time"
    rule = "its expires_at" if case.message.expires_at else f"mail expires after {say_span(settings.EXPIRY_TIME)}"
    last = case.last
    count = case.row.attempt_count
    summary = (
        f" Last attempt: {explain_attempt(last, case.row, case.background)}"
        if last and last.phase == Phase.DONE
        else ""
    )
    tries = f"after {say_count(count, 'attempt')}" if count else "before the first attempt"
    return StateExplanation(
        why=f"It was not accepted {by} ({rule}), so it failed {tries}.{explain_pause_at_expiry(case)}{summary}",
        advice=("Resend it if it is still useful.",),
        last_reply=find_quoted_reply(case),
    )


def explain_refused_sender(case: Case) -> StateExplanation:
    """Its sender was not admitted any more when its turn came; the row holds the reason."""
    return StateExplanation(
        why=f"{end_sentence(case.row.last_reply)} So it was not sent.",
        advice=("Verify the sender's domain, then resend it.",),
    )


def explain_crash(case: Case) -> StateExplanation:
    return StateExplanation(
        why=f"{say_count(case.row.crash_count, 'worker')} in a row crashed while sending it, so it failed. "
        "Other mail is not affected.",
        advice=(
            "Tell the operator of this service: the workers' log has the id of this email and the cause of the crash.",
            "Resend it when the cause is fixed.",
        ),
    )


def explain_provider_error(case: Case) -> StateExplanation:
    last = case.last
    if last is not None and last.outcome == Outcome.FAILED:
        last_reply = read_attempt_reply(last, case.row, case.background)
        return StateExplanation(
            why=explain_attempt(last, case.row, case.background) + " The address is not suppressed.",
            advice=(
                advise(
                    last_reply.meaning if last_reply else None,
                    "Fix the reported problem, then resend it.",
                    is_over=True,
                ),
            ),
            last_reply=last_reply,
        )
    return explain_other_failure(case)


def explain_other_failure(case: Case) -> StateExplanation:
    """The provider's feedback reported a failure."""
    event = case.background.find_event(case.row, EventType.FAILED)
    last_reply = read_feedback_reply(event) if event else None
    words = f": {last_reply.meaning.words}" if last_reply and last_reply.meaning else ""
    quoted = f" Reply: {last_reply.quoted}." if last_reply and last_reply.quoted else ""
    by = (
        f", as {name_source(event)} stated on {say_time(event.occurred_at)}"
        if event and event.data.get("source")
        else ""
    )
    reply = "" if last_reply or not case.row.last_reply else f" {end_sentence(case.row.last_reply)}"
    return StateExplanation(
        why=f"{explain_taken(case)}It failed{by}{words}.{quoted}{reply}",
        advice=(advise(last_reply.meaning if last_reply else None, SEND_AGAIN, is_over=True),),
        last_reply=last_reply,
    )


def explain_settled(case: Case) -> StateExplanation:
    taker = f" with {name_speaker(case.last, case.background)}" if case.last and case.last.provider_name else ""
    return StateExplanation(
        why=f"A person counted the uncertain attempt{taker} as failed. If it arrived nevertheless, the "
        "recipient has it.",
        advice=("Resend it if it must be sent again.",),
    )


def explain_dropped(case: Case) -> StateExplanation:
    at = f" on {say_time(case.message.failed_at)}" if case.message.failed_at else ""
    return StateExplanation(
        why=f"It was paused, and a person ended it{at} together with the other mail of the pause. It was not sent.",
        advice=("Resend it if it must be sent after all.",),
    )


def explain_erased(_case: Case) -> StateExplanation:
    return StateExplanation(why="Its address was erased before the mail had gone out. Nothing more will be sent to it.")


def explain_closed(_case: Case) -> StateExplanation:
    return StateExplanation(why="The project was closed before the mail had gone out. Nothing more will be sent.")


# Reasons that end scheduled mail as well as open mail.
ENDINGS = {StatusReason.ERASED: explain_erased, StatusReason.PROJECT_CLOSED: explain_closed}


def explain_cancelled(case: Case) -> StateExplanation:
    at = f" on {say_time(case.message.cancelled_at)}" if case.message.cancelled_at else ""
    if case.row.status_reason == StatusReason.APPROVAL:
        return StateExplanation(
            why=f"It waited for a person's approval, and was cancelled{at}: a person declined it, or nobody "
            "approved it in time. Nothing was sent, and nothing will be sent.",
        )
    if ending := ENDINGS.get(StatusReason(case.row.status_reason)):
        return ending(case)
    due = f", {say_time(case.message.scheduled_at)}" if case.message.scheduled_at else ""
    return StateExplanation(
        why=f"It was cancelled{at}, before its scheduled time{due}. Nothing was sent, and nothing will be sent.",
        advice=("Resend it if it must be sent after all.",),
    )


FAILURES: Mapping[StatusReason, Callable[[Case], StateExplanation]] = {
    StatusReason.EXPIRED: explain_expired,
    StatusReason.WORKER_CRASH: explain_crash,
    StatusReason.SENDER_NOT_VERIFIED: explain_refused_sender,
    StatusReason.PROVIDER_ERROR: explain_provider_error,
    StatusReason.SETTLED: explain_settled,
    StatusReason.DROPPED: explain_dropped,
    **ENDINGS,
    StatusReason.SUPPRESSED: explain_suppressed,
}
