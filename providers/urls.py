from common.routers import ApiRouter
from providers.views import ProviderViewSet

router = ApiRouter()
router.register("providers", ProviderViewSet, basename="provider")

urlpatterns = router.urls
