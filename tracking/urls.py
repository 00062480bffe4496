"""Routes below /api/v1."""

from common.routers import ApiRouter, api_path
from tracking.feed.views import FeedView, StreamView
from tracking.stats.views import StatsView
from tracking.suppressions.views import SuppressionViewSet

router = ApiRouter()
router.register("suppressions", SuppressionViewSet, basename="suppression")

urlpatterns = [
    *router.urls,
    api_path("events", FeedView.as_view(), "event-list"),
    api_path("stats", StatsView.as_view(), "stats"),
    api_path("events/stream", StreamView.as_view(), "event-stream"),
]
