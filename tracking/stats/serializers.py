"""The API's form of statistics."""

from typing import Any

from rest_framework import serializers

from common.serializers import StrictDateTimeField
from tracking.models import Rollup
from tracking.stats.counting import COUNTERS, INDEX
from tracking.stats.filters import GROUPS
from tracking.stats.histograms import Histogram, find_percentile
from tracking.stats.report import Row, Statistics, StatsRequest, StatsStep

# Groups that take no part in an email before it is sent.
OF_SENT = frozenset({Rollup.Dimension.PROVIDER, Rollup.Dimension.MAILBOX_PROVIDER})
# Counters of events before a provider was selected.
BEFORE_PROVIDERS = frozenset({"emails", "accepted", "suppressed", "cancelled"})
# Counters that the response shows in nested objects.
NESTED = ("opens", "opens_human", "opens_shown", "opened", "clicks", "clicks_human", "clicks_shown", "clicked")


class VisitsOutput(serializers.Serializer[object]):
    """Opens or clicks, by their settled labels."""

    all = serializers.IntegerField(help_text="Visits by people and programs, such as mail filters and proxies.")
    human = serializers.IntegerField(help_text="Visits by people.")
    shown = serializers.IntegerField(
        help_text="Visits by people, and by image proxies that show the email to a person (Gmail, Yahoo, Outlook.com)."
    )
    recipients = serializers.IntegerField(help_text="The number of recipients with visits that count as `shown`.")


class PercentilesOutput(serializers.Serializer[object]):
    """Seconds, exact to 5 %; null without measurements."""

    p50 = serializers.FloatField(allow_null=True)
    p95 = serializers.FloatField(allow_null=True)


class RatesOutput(serializers.Serializer[object]):
    """Shares from 0 to 1; null if the base is 0.

    The base of `delivered` and `bounced` is the number of sent and rejected recipients, of all others the sent ones.
    """

    delivered = serializers.FloatField(allow_null=True)
    bounced = serializers.FloatField(allow_null=True)
    complained = serializers.FloatField(allow_null=True)
    unsubscribed = serializers.FloatField(allow_null=True)
    opened = serializers.FloatField(allow_null=True, help_text="Recipients to whom the email was shown.")
    clicked = serializers.FloatField(allow_null=True, help_text="Recipients who clicked a link themselves.")


class StatsRow(serializers.Serializer[Row]):
    """The figures of the emails that were accepted in one step. Each recipient counts at most once in each figure."""

    at = StrictDateTimeField(allow_null=True, help_text="The begin of the step; null for the whole range.")
    group = serializers.CharField(
        allow_null=True,
        help_text="The tag, template id, provider's name, sender's domain, stream or mailbox provider; null for all.",
    )
    is_other = serializers.BooleanField(
        help_text="Sum of all groups beyond the first 500 per hour, or the first 100 mailbox providers."
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        counters = {
            name: serializers.IntegerField(
                help_text=words + (" Null by provider and by mailbox provider." if name in BEFORE_PROVIDERS else ""),
                allow_null=name in BEFORE_PROVIDERS,
            )
            for name, words in COUNTERS.items()
            if name not in NESTED
        }
        return {
            **super().get_fields(),
            **counters,
            "opens": VisitsOutput(),
            "clicks": VisitsOutput(),
            "rates": RatesOutput(),
            "handoff_seconds": PercentilesOutput(help_text="The time from `queued` to the acceptance by the provider."),
            "delivery_seconds": PercentilesOutput(
                help_text="The time from that acceptance to the confirmed delivery. Direct delivery to the recipient's "
                "server is left out, because it has no such time."
            ),
        }


class StatsOutput(serializers.Serializer[Statistics]):
    """Statistics. Every event counts in the step in which its email was accepted, even if it comes later."""

    begins_at = StrictDateTimeField()
    ends_at = StrictDateTimeField()
    by = serializers.ChoiceField(choices=list(StatsStep))
    grouped_by = serializers.ChoiceField(choices=GROUPS, allow_null=True)
    counted_at = StrictDateTimeField(
        allow_null=True, help_text="The time of the last aggregation; an event is counted after some seconds."
    )
    totals = StatsRow(many=True, help_text="One row for each group over the whole range, the largest first.")
    data = StatsRow(many=True)  # type: ignore[assignment]  # the name is the API's


def show_row(row: Row, *, is_of_sent: bool) -> dict[str, Any]:
    """The JSON of a row, with nested counts and computed rates."""
    count = {name: row.counters.counts[index] for name, index in INDEX.items()}
    hidden = BEFORE_PROVIDERS if is_of_sent else frozenset()
    return {
        "at": StrictDateTimeField().to_representation(row.at) if row.at else None,
        "group": row.group,
        "is_other": row.is_other,
        **{name: None if name in hidden else value for name, value in count.items() if name not in NESTED},
        "opens": show_visits(count, "opens", "opened"),
        "clicks": show_visits(count, "clicks", "clicked"),
        "rates": work_out_rates(count),
        "handoff_seconds": show_percentiles(row.counters.handoff),
        "delivery_seconds": show_percentiles(row.counters.delivery),
    }


def show_visits(count: dict[str, int], name: str, recipients: str) -> dict[str, int]:
    return {
        "all": count[name],
        "human": count[f"{name}_human"],
        "shown": count[f"{name}_shown"],
        "recipients": count[recipients],
    }


def work_out_rates(count: dict[str, int]) -> dict[str, float | None]:
    tried = count["sent"] + count["bounced"] - count["bounced_late"]
    parts = {"delivered": tried, "bounced": tried}
    parts |= dict.fromkeys(("complained", "unsubscribed", "opened", "clicked"), count["sent"])
    return {name: round(count[name] / whole, 6) if whole else None for name, whole in parts.items()}


def show_percentiles(histogram: Histogram) -> dict[str, float | None]:
    return {"p50": find_percentile(histogram, 0.5), "p95": find_percentile(histogram, 0.95)}


def show_statistics(question: StatsRequest, statistics: Statistics) -> dict[str, Any]:
    """The JSON of the response."""
    time = StrictDateTimeField()
    is_all = question.dimension == Rollup.Dimension.ALL
    is_of_sent = question.dimension in OF_SENT
    return {
        "begins_at": time.to_representation(question.begins_at),
        "ends_at": time.to_representation(question.ends_at),
        "by": question.step,
        "grouped_by": None if is_all else question.dimension,
        "counted_at": time.to_representation(statistics.counted_at) if statistics.counted_at else None,
        "totals": [show_row(row, is_of_sent=is_of_sent) for row in statistics.totals],
        "data": [show_row(row, is_of_sent=is_of_sent) for row in statistics.rows],
    }
