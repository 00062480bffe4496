"""Converts ESPs' events into feedback."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta

from django.db import transaction
from django.http import HttpRequest

from delivery.judging.consequences import should_suppress
from delivery.judging.judge import judge
from delivery.judging.model import Refusal
from delivery.judging.terms import Speaker
from messages.feedback.model import REFUSALS, Feedback, FeedbackKind, FeedbackResult
from messages.feedback.recording import plan_feedback, receive_feedback
from providers.esp.events import EspEvent, read_events
from providers.models import Provider
from providers.provider_url import parse_provider_url
from tracking.engagement.bot_detection import Actor, Visit, label

# From django-anymail's event types to feedback kinds. Other types do not concern the delivery of a message: automatic
# replies, subscriptions.
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
# An ESP's reasons for rejecting a message itself: these concern the recipient, all others the message.
OF_RECIPIENT = frozenset({"invalid", "bounced", "timed_out", "spam", "unsubscribed"})

# Larger posts are stored and applied by the workers: an ESP waits ten seconds for the response, then posts all again.
MAX_AT_ONCE = 100

_CODE = re.compile(r"(?<![\d.])([245]\d\d)(?=[ \-]|$)")
_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")


def receive_events(provider: Provider, request: HttpRequest) -> list[FeedbackResult]:
    """Verify a post to the provider's feedback URL and record its events. Raises the errors of `read_events`."""
    events = read_events(parse_provider_url(provider.url), request)
    told = [feedback for event in events if (feedback := build_feedback(provider, event))]
    if len(told) <= MAX_AT_ONCE:
        return [receive_feedback(feedback) for feedback in told]
    with transaction.atomic():
        for feedback in told:
            plan_feedback(feedback, timedelta(0))
    return [FeedbackResult.LATER] * len(told)


def build_feedback(provider: Provider, event: EspEvent) -> Feedback | None:
    """Convert an event into feedback about mail that this provider was given; None for events of other types."""
    kind = KINDS.get(event.type)
    if kind is None or not (event.recipient_id or event.message_id or event.remote_id):
        return None
    if event.type == "rejected" and event.reason in OF_RECIPIENT:
        kind = FeedbackKind.BOUNCED
    code, enhanced_code = read_codes(event.reply)
    judgement = judge(
        Refusal(
            speaker=Speaker.REPORT,
            code=code,
            enhanced_code=enhanced_code,
            words=event.reply,
            category=event.category,
            is_delayed=event.type == "deferred",
        )
    )
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
        reason=judgement.reason if kind in REFUSALS else None,
        about=judgement.about if kind in REFUSALS else None,
        should_suppress=event.type == "bounced" and should_suppress(judgement),
        data=esp_event_data(event, kind),
    )


def read_codes(reply: str) -> tuple[int | None, str]:
    """Find the SMTP code and the enhanced code in the reply of the recipient's server."""
    code, enhanced = _CODE.search(reply), _ENHANCED.search(reply)
    return int(code[1]) if code else None, enhanced[1] if enhanced else ""


def esp_event_data(event: EspEvent, kind: FeedbackKind) -> dict[str, str]:
    """The additional data of the feedback's event."""
    told = {"esp_reason": event.reason}
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
