"""An explanation as the API shows it."""

from typing import Any, ClassVar

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.serializers import AbsentTextField, StrictDateTimeField, TimeField
from messages.available_actions import ACTIONS, Action, list_actions
from messages.explain.attempts import QuotedReply
from messages.explain.model import MessageExplanation
from messages.states import Status


class QuotedReplyOutput(serializers.Serializer[QuotedReply]):
    """What the other side said last."""

    at = StrictDateTimeField()
    by = serializers.CharField(help_text="Who said it, in words.")
    code = serializers.IntegerField(allow_null=True, help_text="SMTP's or HTTP's.")
    enhanced_code = AbsentTextField(help_text="RFC 3463.")
    reply = AbsentTextField(help_text="Its own words.")
    meaning = serializers.SerializerMethodField(help_text="What that means; null where there is nothing to add.")

    def get_meaning(self, last_reply: QuotedReply) -> str | None:
        return last_reply.meaning.words if last_reply.meaning else None


class StateExplanationOutput(serializers.Serializer[Any]):
    """The parts that an email and each recipient have alike. Texts are for people and may change their wording."""

    why = serializers.CharField(source="summary.why", help_text="Why it is in its state.")
    next = AbsentTextField(source="summary.next", help_text="What happens next; null at the end.")
    next_at = TimeField(source="summary.next_at", help_text="When; null where it does not go by the clock.")
    advice = serializers.ListField(
        source="summary.advice", child=serializers.CharField(), help_text="What a person can do about it."
    )
    decisions = serializers.ListField(
        child=serializers.CharField(), help_text="What was decided on its way, and why, in order."
    )
    # What it is about stands before what is told of it.
    first: ClassVar[tuple[str, ...]] = ()

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        return {name: fields.pop(name) for name in self.first} | fields


class RecipientExplanationOutput(StateExplanationOutput):
    """A recipient's own story."""

    first = ("address", "status", "status_reason")

    address = serializers.CharField(source="row.address")
    status = serializers.ChoiceField(source="row.status", choices=Status.choices)
    status_reason = AbsentTextField(source="row.status_reason", help_text="Why, for programs.")
    said = QuotedReplyOutput(source="summary.last_reply", allow_null=True)


class ActionOutput(serializers.Serializer[Action]):
    """A request that is possible now."""

    name = serializers.ChoiceField(choices=[offer.name for offer in ACTIONS])
    words = serializers.CharField(help_text="What it does.")
    method = serializers.ChoiceField(choices=["POST", "PATCH"])
    path = serializers.CharField()
    body = serializers.DictField(child=serializers.CharField(), allow_null=True, help_text="Its JSON; null for none.")


class ExplanationOutput(StateExplanationOutput):
    """An email in plain words: why it is in its state, what happens next and when, and what a person can do.

    With several recipients `why` and `next` are of those which the email's status stands for.
    """

    first = ("id", "status", "test")

    id = serializers.UUIDField(source="message.id")
    status = serializers.ChoiceField(source="message.status", choices=Status.choices)
    test = serializers.BooleanField(source="message.is_test", help_text="Whether a test key sent it: nothing leaves.")
    actions = serializers.SerializerMethodField(help_text="What the API can be asked to do with it now.")
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
