from common.routers import ApiRouter
from messages.views import EmailViewSet

router = ApiRouter()
router.register("emails", EmailViewSet, basename="email")

urlpatterns = router.urls
