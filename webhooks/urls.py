"""Routes below /api/v1."""

from common.routers import ApiRouter
from webhooks.views import WebhookViewSet

router = ApiRouter()
router.register("webhooks", WebhookViewSet, basename="webhook")

urlpatterns = router.urls
