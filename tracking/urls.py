"""Routes below /api/v1."""

from common.routers import ApiRouter, api_path
from tracking.feed_views import FeedView, StreamView
from tracking.stats_views import StatsView
from tracking.views import SuppressionViewSet

router = ApiRouter()
router.register("suppressions", SuppressionViewSet, basename="suppression")

urlpatterns = [
    *router.urls,
    api_path("events", FeedView.as_view(), "event-list"),
    api_path("stats", StatsView.as_view(), "stats"),
    api_path("events/stream", StreamView.as_view(), "event-stream"),
]
