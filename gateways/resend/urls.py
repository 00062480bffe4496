"""Routes below /compat/resend. Every other path there is answered 404 in Resend's form."""

from django.urls import re_path

from common.routers import ApiRouter
from gateways.resend.errors import show_unknown_path
from gateways.resend.views import DomainViewSet, EmailViewSet

router = ApiRouter()
router.register("emails", EmailViewSet, basename="resend-email")
router.register("domains", DomainViewSet, basename="resend-domain")

urlpatterns = [*router.urls, re_path("", show_unknown_path)]
