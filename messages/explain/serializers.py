"""The API's form of an explanation."""

from typing import Any, ClassVar

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.serializers import AbsentTextField, StrictDateTimeField, TimeField
from delivery.judging.rules import RULES
from delivery.judging.terms import About
from messages.available_actions import ACTIONS, Action, list_actions
from messages.explain.attempts import QuotedReply
from messages.explain.model import MessageExplanation
from messages.states import Status
from tracking.models import SuppressionReason


class QuotedReplyOutput(serializers.Serializer[QuotedReply]):
    """The last reply of the other side."""

    at = StrictDateTimeField()
    by = serializers.CharField(help_text="The speaker, in words.")
    code = serializers.IntegerField(allow_null=True, help_text="SMTP or HTTP code.")
    enhanced_code = AbsentTextField(help_text="RFC 3463.")
    reply = AbsentTextField(help_text="The text of the reply.")
    meaning = serializers.SerializerMethodField(help_text="The meaning of the reply; null if it is unknown.")
    reason = AbsentTextField(help_text=f"The reason of a refusal: {', '.join(RULES)}; null for other replies.")
    about = AbsentTextField(help_text=f"The subject of a refusal: {', '.join(About)}; null for other replies.")

    def get_meaning(self, last_reply: QuotedReply) -> str | None:
        return last_reply.meaning.words if last_reply.meaning else None


class StateExplanationOutput(serializers.Serializer[Any]):
    """The fields that emails and recipients share. The texts are for people, and their wording may change."""

    why = serializers.CharField(source="summary.why", help_text="The reason for the state.")
    next = AbsentTextField(source="summary.next", help_text="The next step; null in a final state.")
    next_at = TimeField(source="summary.next_at", help_text="The time of the next step; null if it is unknown.")
    advice = serializers.ListField(
        source="summary.advice", child=serializers.CharField(), help_text="Possible steps of a person."
    )
    decisions = serializers.ListField(
        child=serializers.CharField(), help_text="The decisions of the service with their reasons, in order."
    )
    # The fields of the object stand before those of its explanation.
    first: ClassVar[tuple[str, ...]] = ()

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        return {name: fields.pop(name) for name in self.first} | fields


class SuppressionBrief(serializers.Serializer[Any]):
    """The suppression that stops such mail to an address."""

    reason = serializers.ChoiceField(choices=SuppressionReason.choices)
    stream = serializers.CharField(allow_null=True, help_text="The only stream for which it holds; null: all streams.")
    created_at = StrictDateTimeField()


class RecipientExplanationOutput(StateExplanationOutput):
    """The explanation of one recipient."""

    first = ("address", "status", "status_reason")

    address = serializers.CharField(source="row.address")
    status = serializers.ChoiceField(source="row.status", choices=Status.choices)
    status_reason = AbsentTextField(source="row.status_reason", help_text="The reason for the status, for programs.")
    reason = AbsentTextField(help_text=f"The reason of the last refusal: {', '.join(RULES)}; null without one.")
    about = AbsentTextField(help_text=f"The subject of the last refusal: {', '.join(About)}; null without one.")
    suppressed = serializers.BooleanField(
        source="is_suppressed", help_text="Whether the address is on the project's suppression list now."
    )
    said = QuotedReplyOutput(source="summary.last_reply", allow_null=True)
    suppression = SuppressionBrief(allow_null=True, help_text="The strongest present one; null if such mail goes out.")


class ActionOutput(serializers.Serializer[Action]):
    """A request that the email's state allows."""

    name = serializers.ChoiceField(choices=[offer.name for offer in ACTIONS])
    words = serializers.CharField(help_text="The effect, in words.")
    method = serializers.ChoiceField(choices=["POST", "PATCH"])
    path = serializers.CharField()
    body = serializers.DictField(
        child=serializers.CharField(), allow_null=True, help_text="The JSON body; null for a request without one."
    )


class ExplanationOutput(StateExplanationOutput):
    """An email in plain words: the reason for its state, the next step with its time, and possible steps of a person.

    With several recipients, `why` and `next` concern those that have the email's status.
    """

    first = ("id", "status", "test", "stream")

    id = serializers.UUIDField(source="message.id")
    status = serializers.ChoiceField(source="message.status", choices=Status.choices)
    test = serializers.BooleanField(
        source="message.is_test", help_text="Whether a test key sent it; such mail never leaves the service."
    )
    stream = serializers.CharField(source="message.stream", help_text="The name of its stream.")
    actions = serializers.SerializerMethodField(help_text="The requests that the email's state allows.")
    recipients = RecipientExplanationOutput(many=True)

    @extend_schema_field(ActionOutput(many=True))
    def get_actions(self, explanation: MessageExplanation) -> list[dict[str, Any]]:
        message = explanation.message
        own = reverse("email-detail", args=[message.pk])
        return [
            {
                "name": offer.name,
                "words": offer.words,
                "method": offer.method,
                "path": f"{own}/{offer.verb}" if offer.verb else own,
                "body": offer.body,
            }
            for offer in list_actions(message)
        ]


EXPLANATION = ExplanationOutput()
