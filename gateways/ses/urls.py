"""Routes below /compat/ses. Every other path there is answered 404 in SES's form."""

from django.urls import re_path

from common.routers import api_path
from gateways.ses.account_views import AccountViewSet
from gateways.ses.email_views import BulkViewSet, EmailViewSet
from gateways.ses.errors import show_unknown_path
from gateways.ses.suppression_views import SuppressionViewSet
from gateways.ses.template_views import TemplateViewSet as Templates

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
    api_path("v2/email/templates", Templates.as_view({"get": "list", "post": "create"}, basename="ses-template")),
    api_path(
        "v2/email/templates/<str:name>",
        Templates.as_view({"get": "retrieve", "put": "update", "delete": "destroy"}, basename="ses-template"),
    ),
    api_path("v2/email/templates/<str:name>/render", Templates.as_view({"post": "render"}, basename="ses-template")),
    api_path("v2/email/account", AccountViewSet.as_view({"get": "retrieve"}, basename="ses-account")),
    re_path("", show_unknown_path),
]
