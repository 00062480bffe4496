"""Routes below /compat/ses. Every other path there is answered 404 in SES's form."""

from django.urls import re_path

from common.routers import api_path
from gateways.ses.email_views import BulkViewSet, EmailViewSet
from gateways.ses.errors import show_unknown_path
from gateways.ses.suppression_views import SuppressionViewSet

urlpatterns = [
    api_path("v2/email/outbound-emails", EmailViewSet.as_view({"post": "create"}, basename="ses-email")),
    api_path("v2/email/outbound-bulk-emails", BulkViewSet.as_view({"post": "create"}, basename="ses-email")),
    api_path(
        "v2/email/suppression/addresses",
        SuppressionViewSet.as_view({"get": "list", "put": "create"}, basename="ses-suppression"),
    ),
    # A local part may contain a slash.
    api_path(
        "v2/email/suppression/addresses/<path:address>",
        SuppressionViewSet.as_view({"get": "retrieve", "delete": "destroy"}, basename="ses-suppression"),
    ),
    re_path("", show_unknown_path),
]
