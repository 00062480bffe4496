"""Routes below /api/v1: the caller's own data, and the management API."""

from accounts.installation.audit import AuditViewSet
from accounts.installation.keys import ManagedKeyViewSet
from accounts.installation.members import ManagedMemberViewSet
from accounts.installation.projects import ManagedProjectViewSet
from accounts.requests.views import RequestViewSet
from accounts.views import MeView
from common.routers import ApiRouter, api_path

router = ApiRouter()
router.register("admin/projects", ManagedProjectViewSet, basename="managed_project")
router.register("admin/projects/<id:pk>/members", ManagedMemberViewSet, basename="managed_member")
router.register("admin/keys", ManagedKeyViewSet, basename="managed_key")
router.register("admin/audit", AuditViewSet, basename="audit_entry")
router.register("requests", RequestViewSet, basename="request_entry")

urlpatterns = [api_path("me", MeView.as_view(), name="me"), *router.urls]
