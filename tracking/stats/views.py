"""`/api/v1/stats`."""

from typing import ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.scopes import STATS_READ
from accounts.viewsets import ProjectView
from tracking.stats.filters import StatsQuery, read_question
from tracking.stats.report import count_mail
from tracking.stats.serializers import StatsOutput, show_statistics

FIGURES = {
    "group": "welcome",
    "is_other": False,
    "emails": 1180,
    "accepted": 1204,
    "sent": 1190,
    "delivered": 1171,
    "bounced": 9,
    "bounced_late": 2,
    "failed": 3,
    "suppressed": 4,
    "cancelled": 0,
    "complained": 1,
    "unsubscribed": 2,
    "opens": {"all": 1310, "human": 702, "shown": 1104, "recipients": 811},
    "clicks": {"all": 420, "human": 164, "shown": 164, "recipients": 140},
    "rates": {
        "delivered": 0.97828,
        "bounced": 0.007519,
        "complained": 0.00084,
        "unsubscribed": 0.001681,
        "opened": 0.681513,
        "clicked": 0.117647,
    },
    "handoff_seconds": {"p50": 0.176, "p95": 0.904},
    "delivery_seconds": {"p50": 1.42, "p95": 38.5},
}
EXAMPLE = OpenApiExample(
    "A day by tag",
    {
        "begins_at": "2026-11-22T00:00:00Z",
        "ends_at": "2026-11-23T00:00:00Z",
        "by": "day",
        "grouped_by": "tag",
        "counted_at": "2026-11-22T20:32:05.120000Z",
        "totals": [{"at": None, **FIGURES}],
        "data": [{"at": "2026-11-22T00:00:00Z", **FIGURES}],
    },
    response_only=True,
)


class StatsView(ProjectView):
    """The project's figures."""

    scopes: ClassVar = {"get": STATS_READ}

    queries = {"get": StatsQuery}

    @extend_schema(operation_id="get_stats", responses=StatsOutput, examples=[EXAMPLE])
    def get(self, request: Request) -> Response:
        """The figures of the emails accepted in a time range, by hour or day, and by a group.

        Groups are tag, template, provider, domain, stream or mailbox provider.

        Every event counts in the step in which its email was accepted, even if it comes later: a bounce after the
        delivery, a click a week later. Therefore past figures may still grow. Mail of test keys is not counted.
        """
        # The figures are of live mail, which a test key does not see: for it they are those of no project.
        question = read_question([] if self.key.is_test else [self.project.pk], self.query)
        return Response(show_statistics(question, count_mail(question)))
