"""Routes below /compat/resend. Every other path there is answered 404 in Resend's form."""

from django.urls import re_path

from common.routers import ApiRouter
from gateways.resend.domain_views import DomainViewSet
from gateways.resend.email_views import EmailViewSet
from gateways.resend.errors import show_unknown_path
from gateways.resend.suppression_views import SuppressionViewSet

router = ApiRouter()
router.register("emails", EmailViewSet, basename="resend-email")
router.register("domains", DomainViewSet, basename="resend-domain")
router.register("suppressions", SuppressionViewSet, basename="resend-suppression")

urlpatterns = [*router.urls, re_path("", show_unknown_path)]
