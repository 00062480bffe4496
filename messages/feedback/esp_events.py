"""Converts ESPs' events into feedback."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta

from django.db import transaction

from accounts.services import count_notice
from delivery.judging.consequences import should_suppress
from delivery.judging.judge import judge
from delivery.judging.model import Judgement, Refusal
from delivery.judging.terms import Speaker
from delivery.reports.arf import FeedbackMeaning, name_meaning
from messages.feedback.model import REFUSALS, Feedback, FeedbackKind, FeedbackResult
from messages.feedback.recording import plan_feedback, receive_feedback
from providers.configuration.stored import read_settings
from providers.esp.event_model import EspEvent, EventKind
from providers.esp.events import read_events
from providers.esp.signatures import Posted
from providers.models import Provider
from providers.services import count_unknown_events
from tracking.engagement.bot_detection import Visit, label
from tracking.engagement.user_agents import Actor

KINDS: Mapping[EventKind, FeedbackKind] = {
    EventKind.ACCEPTED: FeedbackKind.ACCEPTED,
    EventKind.DELAYED: FeedbackKind.DELAYED,
    EventKind.DELIVERED: FeedbackKind.DELIVERED,
    EventKind.BOUNCED: FeedbackKind.BOUNCED,
    # The address may be well by now, so it is not suppressed here.
    EventKind.LISTED: FeedbackKind.BOUNCED,
    EventKind.FAILED: FeedbackKind.FAILED,
    EventKind.OPENED: FeedbackKind.OPENED,
    EventKind.CLICKED: FeedbackKind.CLICKED,
    EventKind.UNSUBSCRIBED: FeedbackKind.UNSUBSCRIBED,
}
COMPLAINTS: Mapping[FeedbackMeaning, FeedbackKind | None] = {
    FeedbackMeaning.COMPLAINT: FeedbackKind.COMPLAINED,
    FeedbackMeaning.UNSUBSCRIBE: FeedbackKind.UNSUBSCRIBED,
    FeedbackMeaning.NOTICE: None,
    FeedbackMeaning.NONE: None,
}

# Larger posts are stored and applied by the workers: an ESP waits ten seconds for the response, then posts all again.
MAX_AT_ONCE = 100

_CODE = re.compile(r"(?<![\d.])([245]\d\d)(?=[ \-]|$)")
_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")


def receive_events(provider: Provider, posted: Posted) -> list[FeedbackResult]:
    """Verify a post to the provider's feedback URL, record its events, and count those of unknown types. Raises the
    errors of `read_events`.
    """
    found = read_events(read_settings(provider), posted)
    if found.unknown:
        count_unknown_events(provider, found.unknown)
    if viruses := [event for event in found.events if is_virus(event)]:
        text = f"{provider.name} reports a virus in mail of this service."
        count_notice(kind="virus_reported", text=text, data={"subject": viruses[0].remote_id})
    told = [feedback for event in found.events if (feedback := build_feedback(provider, event))]
    if len(told) <= MAX_AT_ONCE:
        return [receive_feedback(feedback) for feedback in told]
    with transaction.atomic():
        for feedback in told:
            plan_feedback(feedback, timedelta(0))
    return [FeedbackResult.LATER] * len(told)


def build_feedback(provider: Provider, event: EspEvent) -> Feedback | None:
    """Convert an event into feedback about mail that this provider was given; None for an event about no mail."""
    kind = choose_kind(event)
    if kind is None or not (event.recipient_id or event.message_id or event.remote_id):
        return None
    code, enhanced_code = read_codes(event.reply)
    is_judged = kind in REFUSALS and event.kind is not EventKind.LISTED
    judgement = judge_event(event) if is_judged else None
    return Feedback(
        key=f"esp:{provider.pk}:{event.key}",
        kind=kind,
        source=provider.name,
        recipient_id=event.recipient_id,
        message_id=event.message_id,
        remote_id=event.remote_id,
        address=event.address,
        provider_id=provider.pk,
        code=code,
        enhanced_code=enhanced_code,
        reply=event.reply,
        reason=judgement.reason if judgement else None,
        about=judgement.about if judgement else None,
        should_suppress=bool(judgement and kind is FeedbackKind.BOUNCED and should_suppress(judgement)),
        is_vague=event.is_vague,
        data=esp_event_data(event, kind),
    )


def is_virus(event: EspEvent) -> bool:
    """Whether a mail system reports the mail for a virus: nobody complains, and the operator should look at it."""
    return event.kind is EventKind.COMPLAINED and name_meaning(event.feedback_type) is FeedbackMeaning.NOTICE


def choose_kind(event: EspEvent) -> FeedbackKind | None:
    """The kind of an event. Feedback loops that the ESP passes on also tell of other things than complaints."""
    if event.kind is EventKind.COMPLAINED:
        return COMPLAINTS[name_meaning(event.feedback_type)]
    return KINDS.get(event.kind)


def judge_event(event: EspEvent) -> Judgement:
    """The judgement of the refusal that the event tells of, by the codes, the words and the ESP's own class."""
    code, enhanced_code = read_codes(event.reply)
    return judge(
        Refusal(
            speaker=Speaker.REPORT,
            code=code,
            enhanced_code=enhanced_code,
            words=event.reply,
            category=event.category,
            is_delayed=event.kind is EventKind.DELAYED,
        )
    )


def read_codes(reply: str) -> tuple[int | None, str]:
    """Find the SMTP code and the enhanced code in the reply of the recipient's server."""
    code, enhanced = _CODE.search(reply), _ENHANCED.search(reply)
    return int(code[1]) if code else None, enhanced[1] if enhanced else ""


def esp_event_data(event: EspEvent, kind: FeedbackKind) -> dict[str, str]:
    """The additional data of the feedback's event."""
    told = {"event": event.name, "feedback_type": event.feedback_type}
    if event.kind is EventKind.LISTED:
        told["esp_reason"] = "listed"
    if event.occurred_at is not None:
        told["told_at"] = event.occurred_at.isoformat()
    if kind in {FeedbackKind.OPENED, FeedbackKind.CLICKED}:
        told |= {"url": event.url, "user_agent": event.user_agent[:500], **label_visitor(event, kind)}
    return {name: value for name, value in told.items() if value}


def label_visitor(event: EspEvent, kind: FeedbackKind) -> Mapping[str, str]:
    """The actor of an open or click, as far as the ESP reports it."""
    if not event.user_agent:
        return {"actor": Actor.UNKNOWN, "actor_reason": "reported by the provider"}
    found = label(Visit(method="GET", user_agent=event.user_agent, ip="", is_click=kind is FeedbackKind.CLICKED))
    return {"actor": found.actor, "actor_reason": found.reason}


def count_results(results: Sequence[FeedbackResult]) -> Mapping[str, int]:
    """Count the results by kind, for the log."""
    return {result: results.count(result) for result in set(results)}
