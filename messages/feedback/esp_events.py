"""What ESPs tell of our mail, as feedback."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta

from django.db import transaction
from django.http import HttpRequest

from messages.feedback.model import Feedback, FeedbackKind, FeedbackResult
from messages.feedback.recording import plan_feedback, receive_feedback
from messages.feedback.reports import HARD_CODES, VAGUE_CODES
from providers.esp.events import EspEvent, read_events
from providers.models import Provider
from providers.provider_url import parse_provider_url
from tracking.engagement.bot_detection import Actor, Visit, label

# django-anymail's word to ours. What is not here tells nothing of the mail itself: an automatic answer, a subscription.
KINDS: Mapping[str, FeedbackKind] = {
    "queued": FeedbackKind.ACCEPTED,
    "sent": FeedbackKind.ACCEPTED,
    "deferred": FeedbackKind.DELAYED,
    "delivered": FeedbackKind.DELIVERED,
    "bounced": FeedbackKind.BOUNCED,
    "rejected": FeedbackKind.FAILED,
    "failed": FeedbackKind.FAILED,
    "opened": FeedbackKind.OPENED,
    "clicked": FeedbackKind.CLICKED,
    "complained": FeedbackKind.COMPLAINED,
    "unsubscribed": FeedbackKind.UNSUBSCRIBED,
}
# Why an ESP rejects before it has asked anybody: for these the recipient was refused, for others the mail.
OF_RECIPIENT = frozenset({"invalid", "bounced", "timed_out", "spam", "unsubscribed"})

# More than these are kept and applied by the workers: an ESP waits ten seconds for its answer, and posts all again.
MAX_AT_ONCE = 100

_CODE = re.compile(r"(?<![\d.])([245]\d\d)(?=[ \-]|$)")
_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")


def receive_events(provider: Provider, request: HttpRequest) -> list[FeedbackResult]:
    """Check a post to the provider's address and write down what it says. Errors as those of `read_events`."""
    events = read_events(parse_provider_url(provider.url), request)
    told = [feedback for event in events if (feedback := build_feedback(provider, event))]
    if len(told) <= MAX_AT_ONCE:
        return [receive_feedback(feedback) for feedback in told]
    with transaction.atomic():
        for feedback in told:
            plan_feedback(feedback, timedelta(0))
    return [FeedbackResult.LATER] * len(told)


def build_feedback(provider: Provider, event: EspEvent) -> Feedback | None:
    """The event as feedback about mail that this provider was given; None for what tells nothing."""
    kind = KINDS.get(event.type)
    if kind is None or not (event.recipient_id or event.message_id or event.remote_id):
        return None
    if event.type == "rejected" and event.reason in OF_RECIPIENT:
        kind = FeedbackKind.BOUNCED
    code, enhanced_code = read_codes(event.reply)
    is_hard = enhanced_code in HARD_CODES or (event.is_hard and enhanced_code in VAGUE_CODES)
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
        should_suppress=event.type == "bounced" and is_hard,
        data=esp_event_data(event, kind),
    )


def read_codes(reply: str) -> tuple[int | None, str]:
    """The SMTP code and the enhanced one in what the recipient's server said."""
    code, enhanced = _CODE.search(reply), _ENHANCED.search(reply)
    return int(code[1]) if code else None, enhanced[1] if enhanced else ""


def esp_event_data(event: EspEvent, kind: FeedbackKind) -> dict[str, str]:
    """What the event tells beside."""
    told = {"reason": event.reason}
    if event.occurred_at is not None:
        told["told_at"] = event.occurred_at.isoformat()
    if kind in {FeedbackKind.OPENED, FeedbackKind.CLICKED}:
        told |= {"url": event.url, "user_agent": event.user_agent[:500], **label_visitor(event, kind)}
    return {name: value for name, value in told.items() if value}


def label_visitor(event: EspEvent, kind: FeedbackKind) -> Mapping[str, str]:
    """Who that was, as far as the ESP tells."""
    if not event.user_agent:
        return {"actor": Actor.UNKNOWN, "actor_reason": "told by the provider"}
    found = label(Visit(method="GET", user_agent=event.user_agent, ip="", is_click=kind is FeedbackKind.CLICKED))
    return {"actor": found.actor, "actor_reason": found.reason}


def count_results(results: Sequence[FeedbackResult]) -> Mapping[str, int]:
    """How many of each, for the log."""
    return {result: results.count(result) for result in set(results)}
