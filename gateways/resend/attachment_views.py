"""Resend's API of a sent email's files, and their downloads.

Source: https://resend.com/docs/api-reference/emails/list-email-attachments.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.core import signing
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import scopes
from accounts.models import Project
from accounts.viewsets import locate
from common.errors import NotFoundError
from common.times import format_time
from gateways.resend.errors import show_not_found
from gateways.resend.paging import TwoWayPagination, TwoWayQuery
from gateways.resend.viewsets import ResendViewSet
from messages.api.views import download
from messages.attachments import read_content
from messages.models import Attachment
from messages.selectors import find_attachment

DOWNLOAD = "resend-attachment"
SALT = "gateways.resend.attachment"
# As long as Resend's URLs.
LIFE = timedelta(hours=1)


class AttachmentViewSet(ResendViewSet):
    """`/compat/resend/emails/{id}/attachments`."""

    scopes: ClassVar = {"list": scopes.EMAILS_READ, "retrieve": scopes.EMAILS_READ}
    pagination_class = TwoWayPagination
    queries: ClassVar = {"list": TwoWayQuery}

    def get_queryset(self) -> QuerySet[Attachment]:
        emails = self.keep_world(self.project.messages.filter(pk=self.kwargs["email"]))
        return Attachment.objects.filter(message__in=emails).select_related("content").defer("content__data")

    def list(self, request: Request, email: UUID) -> Response:
        """The files of an email."""
        if not self.keep_world(self.project.messages.filter(pk=email)).exists():
            raise NotFoundError
        page = self.paginate_queryset(self.get_queryset()) or []
        return self.show_page([show_attachment(self.project, file) for file in page])

    def retrieve(self, request: Request, email: UUID, pk: UUID) -> Response:
        """One file."""
        return Response({"object": "attachment", **show_attachment(self.project, self.get_object())})


def show_attachment(project: Project, file: Attachment) -> dict[str, Any]:
    """A file with a URL that needs no key: who has it can download the file for an hour."""
    ids = [str(project.pk), str(file.message_id), str(file.pk)]
    return {
        "id": str(file.pk),
        "filename": file.filename,
        "size": file.byte_count,
        "content_type": file.content_type,
        "content_disposition": "inline" if file.cid else "attachment",
        "content_id": file.cid or None,
        "download_url": locate(DOWNLOAD, signing.dumps(ids, salt=SALT)),
        "expires_at": format_time(datetime.now(UTC) + LIFE),
    }


@require_safe
def show_download(_request: HttpRequest, token: str) -> HttpResponse:
    """The bytes of a file; 404 for a token that is not ours or has expired, and for a file that was removed."""
    try:
        project_id, email, pk = signing.loads(token, salt=SALT, max_age=LIFE)
        project = Project.objects.get(pk=project_id)
        found = find_attachment(project.messages.all(), UUID(email), UUID(pk))
    except (signing.BadSignature, Project.DoesNotExist, NotFoundError):
        return show_not_found()
    if found.content is None:
        return show_not_found()
    return download(read_content(found.content), found.content_type, found.filename)
