"""Routes below /compat/resend. Every other path there is answered 404 in Resend's form."""

from django.urls import re_path

from common.routers import ApiRouter, api_path
from gateways.resend.attachment_views import DOWNLOAD, AttachmentViewSet, show_download
from gateways.resend.domain_views import DomainViewSet
from gateways.resend.email_views import EmailViewSet
from gateways.resend.errors import show_unknown_path
from gateways.resend.suppression_batch_views import SuppressionBatchViewSet
from gateways.resend.suppression_views import SuppressionViewSet
from gateways.resend.template_views import TemplateViewSet
from gateways.resend.webhook_views import WebhookViewSet

ATTACHMENT = "resend-file"

router = ApiRouter()
router.register("emails", EmailViewSet, basename="resend-email")
router.register("domains", DomainViewSet, basename="resend-domain")
router.register("suppressions", SuppressionViewSet, basename="resend-suppression")
router.register("templates", TemplateViewSet, basename="resend-template")
router.register("webhooks", WebhookViewSet, basename="resend-webhook")

# Before the path of one suppression, which may have slashes.
urlpatterns = [
    api_path("suppressions/batch/add", SuppressionBatchViewSet.as_view({"post": "add"}, basename="resend-suppression")),
    api_path(
        "suppressions/batch/remove", SuppressionBatchViewSet.as_view({"post": "remove"}, basename="resend-suppression")
    ),
    *router.urls,
    api_path("emails/<id:email>/attachments", AttachmentViewSet.as_view({"get": "list"}, basename=ATTACHMENT)),
    api_path(
        "emails/<id:email>/attachments/<id:pk>", AttachmentViewSet.as_view({"get": "retrieve"}, basename=ATTACHMENT)
    ),
    api_path("attachments/<str:token>", show_download, DOWNLOAD),
    re_path("", show_unknown_path),
]
