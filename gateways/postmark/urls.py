"""Routes below /compat/postmark. Every other path there is answered 404 in Postmark's form."""

from django.urls import re_path, register_converter

from common.routers import api_path
from gateways.postmark import email_views as emails
from gateways.postmark.any_case import call_in_any_case
from gateways.postmark.bounce_views import BounceViewSet as Bounces
from gateways.postmark.stream_views import StreamViewSet as Streams
from gateways.postmark.suppression_views import SuppressionViewSet as Suppressions
from gateways.postmark.template_views import TemplateViewSet as Templates


class SerialConverter:
    """A positive integer that a column of 64 bits can hold."""

    regex = r"[0-9]{1,18}"

    def to_python(self, text: str) -> int:
        return int(text)

    def to_url(self, number: int) -> str:
        return str(number)


register_converter(SerialConverter, "serial")

urlpatterns = [
    api_path("email", emails.EmailViewSet.as_view({"post": "create"}, basename="postmark-email")),
    api_path("email/withTemplate", emails.TemplatedEmailViewSet.as_view({"post": "create"}, basename="postmark-email")),
    api_path("email/batch", emails.BatchViewSet.as_view({"post": "create"}, basename="postmark-email")),
    api_path(
        "email/batchWithTemplates", emails.TemplatedBatchViewSet.as_view({"post": "create"}, basename="postmark-email")
    ),
    api_path("messages/outbound", emails.MessageViewSet.as_view({"get": "list"}, basename="postmark-email")),
    api_path(
        "messages/outbound/<id:pk>/details",
        emails.MessageViewSet.as_view({"get": "retrieve"}, basename="postmark-email"),
    ),
    api_path("deliverystats", Bounces.as_view({"get": "statistics"}, basename="postmark-bounce")),
    api_path("bounces", Bounces.as_view({"get": "list"}, basename="postmark-bounce")),
    api_path("bounces/<serial:pk>", Bounces.as_view({"get": "retrieve"}, basename="postmark-bounce")),
    api_path("bounces/<serial:pk>/dump", Bounces.as_view({"get": "dump"}, basename="postmark-bounce")),
    api_path("bounces/<serial:pk>/activate", Bounces.as_view({"put": "activate"}, basename="postmark-bounce")),
    api_path("message-streams", Streams.as_view({"get": "list", "post": "create"}, basename="postmark-stream")),
    api_path("message-streams/<str:name>", Streams.as_view({"get": "retrieve"}, basename="postmark-stream")),
    api_path("message-streams/<str:name>/archive", Streams.as_view({"post": "archive"}, basename="postmark-stream")),
    api_path(
        "message-streams/<str:name>/suppressions",
        Suppressions.as_view({"post": "create"}, basename="postmark-suppression"),
    ),
    api_path(
        "message-streams/<str:name>/suppressions/dump",
        Suppressions.as_view({"get": "dump"}, basename="postmark-suppression"),
    ),
    api_path(
        "message-streams/<str:name>/suppressions/delete",
        Suppressions.as_view({"post": "remove"}, basename="postmark-suppression"),
    ),
    api_path("templates", Templates.as_view({"get": "list", "post": "create"}, basename="postmark-template")),
    api_path("templates/validate", Templates.as_view({"post": "validate"}, basename="postmark-template")),
    api_path(
        "templates/<str:ref>",
        Templates.as_view({"get": "retrieve", "put": "update", "delete": "destroy"}, basename="postmark-template"),
    ),
    re_path("", call_in_any_case),
]
