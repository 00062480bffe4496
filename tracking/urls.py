"""Routes below /api/v1."""

from common.routers import ApiRouter
from tracking.views import SuppressionViewSet

router = ApiRouter()
router.register("suppressions", SuppressionViewSet, basename="suppression")

urlpatterns = router.urls
