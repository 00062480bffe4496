"""Routes below /api/v1."""

from common.routers import ApiRouter
from domains.views import DomainViewSet

router = ApiRouter()
router.register("domains", DomainViewSet, basename="domain")

urlpatterns = router.urls
