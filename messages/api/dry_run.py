"""The answer of `POST /emails?dry_run=true`, and its query."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from accounts.acting_for import Caller
from common.serializers import QueryBooleanField, QuerySerializer
from domains.alignment import AlignmentState
from messages.accepting.admission import Admitted
from messages.accepting.dry_run import try_out
from messages.states import Status


class SendQuery(QuerySerializer):
    """Whether to send."""

    dry_run = QueryBooleanField(
        required=False,
        help_text="`true`: the answer is 200 and tells what would be sent to whom. Nothing is stored or sent.",
    )


def count_unless_dry(request: Request) -> int:
    """The number of emails that a request is to send. What its query says is checked later."""
    is_dry = request.META.get("QUERY_STRING") and request.query_params.get("dry_run") == "true"
    return 0 if is_dry else 1


class DecisionForecast(serializers.Serializer[object]):
    """What would become of a recipient."""

    address = serializers.CharField()
    decision = serializers.ChoiceField(
        choices=[Status.QUEUED.value, Status.SCHEDULED.value, Status.SUPPRESSED.value],
        help_text="The status that the recipient would get.",
    )
    reason = serializers.CharField(
        allow_null=True,
        help_text="Of a suppressed one: `bounce`, `complaint`, `unsubscribe` or `manual`. Of any other one, why it "
        "would wait: `approval`, `paused`, or `no_provider` if none can take it now. Null if it would not.",
    )
    stream = serializers.CharField()
    provider = serializers.CharField(
        allow_null=True,
        help_text="The provider that would most likely take it now. Null for a suppressed recipient, and if there is "
        "none.",
    )


class AlignmentForecast(serializers.Serializer[object]):
    """Whether what SPF and DKIM authenticate is aligned with the domain of From, by the last check of its records."""

    spf = serializers.ChoiceField(choices=AlignmentState.choices)
    dkim = serializers.ChoiceField(choices=AlignmentState.choices)
    dmarc = serializers.ChoiceField(choices=AlignmentState.choices, help_text="`aligned` if one of the others is.")


class LinkForecast(serializers.Serializer[object]):
    """A link in the HTML."""

    url = serializers.CharField()
    tracked = serializers.BooleanField(help_text="Whether the mail has a tracked URL in its place.")


class DryRunOutput(serializers.Serializer[object]):
    """What would be sent to whom."""

    mime = serializers.CharField(
        allow_null=True,
        help_text="The message as the first recipient who is not suppressed would get it. Null without the scope "
        "`emails:read`. Bytes that are not UTF-8 are replaced by U+FFFD.",
    )
    size = serializers.IntegerField(help_text="The bytes of the message.")
    recipients = DecisionForecast(many=True)
    alignment = AlignmentForecast()
    links = LinkForecast(many=True, help_text="The first 1,000 links of the HTML, in order.")


def show_dry_run(key: Caller, admitted: Admitted, *, may_read: bool) -> dict[str, Any]:
    """The answer for an admitted draft. Errors as of `try_out`."""
    result = try_out(key, admitted)
    return {
        "mime": result.content.decode(errors="replace") if may_read else None,
        "size": len(result.content),
        "recipients": [
            {
                "address": one.address,
                "decision": one.decision.value,
                "reason": one.reason or None,
                "stream": one.stream,
                "provider": one.provider,
            }
            for one in result.decisions
        ],
        "alignment": {
            "spf": result.alignment.spf.value,
            "dkim": result.alignment.dkim.value,
            "dmarc": result.alignment.dmarc.value,
        },
        "links": [{"url": link.url, "tracked": link.is_tracked} for link in result.links],
    }
