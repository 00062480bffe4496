"""Routes below /compat/sendgrid. Every other path there is answered 404 in SendGrid's form."""

from django.urls import re_path

from common.routers import api_path
from gateways.sendgrid.errors import show_unknown_path
from gateways.sendgrid.group_views import GroupViewSet as Groups
from gateways.sendgrid.mail_views import MailViewSet as Mail

urlpatterns = [
    api_path("v3/mail/send", Mail.as_view({"post": "create"}, basename="sendgrid-email")),
    api_path("v3/mail/batch", Groups.as_view({"post": "generate"}, basename="sendgrid-batch")),
    api_path("v3/mail/batch/<id:pk>", Groups.as_view({"get": "retrieve"}, basename="sendgrid-batch")),
    api_path("v3/user/scheduled_sends", Groups.as_view({"get": "list", "post": "stop"}, basename="sendgrid-batch")),
    api_path(
        "v3/user/scheduled_sends/<id:pk>",
        Groups.as_view({"get": "list_one", "patch": "change", "delete": "resume"}, basename="sendgrid-batch"),
    ),
    re_path("", show_unknown_path),
]
