"""Routes below /api/v1. Included before tracking's, whose `suppressions/<path:address>` would match these paths too."""

from common.routers import ApiRouter, api_path
from messages.api.erasures import ErasureViewSet
from messages.api.managed_streams import ManagedStreamViewSet
from messages.api.pauses import PauseViewSet
from messages.api.streams import StreamViewSet
from messages.api.suppression_release import ReleaseView
from messages.api.template_test import TemplateTestView
from messages.api.views import EmailViewSet

router = ApiRouter()
router.register("emails", EmailViewSet, basename="email")
router.register("erasures", ErasureViewSet, basename="erasure")
router.register("streams", StreamViewSet, basename="stream")
router.register("admin/pauses", PauseViewSet, basename="pause")
router.register("admin/projects/<id:pk>/streams", ManagedStreamViewSet, basename="managed_stream")

urlpatterns = [
    *router.urls,
    api_path("templates/<str:ref>/test", TemplateTestView.as_view(), name="template-test"),
    api_path("suppressions/<path:address>/release", ReleaseView.as_view(), name="suppression-release"),
]
