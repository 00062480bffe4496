"""Routes below /compat/mailgun. Every other path there is answered 404 in Mailgun's form."""

from django.urls import re_path

from common.routers import api_path
from gateways.mailgun.errors import show_unknown_path
from gateways.mailgun.message_views import MessageViewSet, MimeViewSet

urlpatterns = [
    api_path("v3/<str:domain>/messages", MessageViewSet.as_view({"post": "create"}, basename="mailgun-email")),
    api_path("v3/<str:domain>/messages.mime", MimeViewSet.as_view({"post": "create"}, basename="mailgun-email")),
    re_path("", show_unknown_path),
]
