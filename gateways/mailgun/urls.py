"""Routes below /compat/mailgun. Every other path there is answered 404 in Mailgun's form."""

from django.urls import URLPattern, re_path

from common.routers import api_path
from gateways.mailgun.errors import show_unknown_path
from gateways.mailgun.list_forms import KINDS
from gateways.mailgun.list_views import ListViewSet
from gateways.mailgun.message_views import MessageViewSet, MimeViewSet


def list_paths(name: str) -> list[URLPattern]:
    """The routes of one of Mailgun's lists. A local part may contain a slash."""
    basename, kind = f"mailgun-{name.removesuffix('s')}", KINDS[name]
    return [
        api_path(
            f"v3/<str:domain>/{name}",
            ListViewSet.as_view({"get": "list", "post": "create"}, basename=basename, kind=kind),
        ),
        api_path(
            f"v3/<str:domain>/{name}/<path:address>",
            ListViewSet.as_view({"get": "retrieve", "delete": "destroy"}, basename=basename, kind=kind),
        ),
    ]


urlpatterns = [
    api_path("v3/<str:domain>/messages", MessageViewSet.as_view({"post": "create"}, basename="mailgun-email")),
    api_path("v3/<str:domain>/messages.mime", MimeViewSet.as_view({"post": "create"}, basename="mailgun-email")),
    *(path for name in KINDS for path in list_paths(name)),
    re_path("", show_unknown_path),
]
