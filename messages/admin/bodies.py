"""A message's bodies and attachments in the admin: frames without scripts and remote content, and downloads."""

import re
from uuid import UUID

from django.http import Http404, HttpResponse
from django.utils.http import content_disposition_header

from delivery.mime.fields import HeadLimits, split_fields
from messages.admin.html_preview import POLICY, show_html, show_text
from messages.attachments import read_content
from messages.models import Message, Recipient
from messages.selectors import BodyPurgedError, check_content
from messages.sending.composing import compose_raw

IMAGE = re.compile(r"image/[a-z0-9.+-]{1,60}\Z")
# The most characters that a frame shows; the download is complete.
MAX_SHOWN = 400_000
MAX_HEADERS = 500
REMOVED = "The content was removed: the time for which the project keeps it is over, or it was erased."


def frame_html(message: Message, *, has_images: bool = False) -> HttpResponse:
    """The HTML part. `has_images`: a person has asked for its remote images, which tells their servers."""
    if not message.content.html:
        raise Http404
    return show_html(message.content.html, read_images(message), has_remote_images=has_images)


def read_images(message: Message) -> dict[str, tuple[str, bytes]]:
    """The inline images as (content type, bytes), by content id."""
    files = message.attachments.exclude(cid="").select_related("content")
    return {
        file.cid: (file.content_type.lower(), read_content(file.content))
        for file in files
        if file.content is not None and IMAGE.match(file.content_type.lower())
    }


def frame_text(message: Message) -> HttpResponse:
    """The text part."""
    if message.content.bodies_purged_at is not None:
        return show_text(REMOVED)
    return show_text(cut_preview(message.content.text))


def frame_source(message: Message) -> HttpResponse:
    """The source of the message for its first recipient."""
    if is_removed(message):
        return show_text(REMOVED)
    return show_text(cut_preview(compose_first(message).decode(errors="replace").replace("\r\n", "\n")))


def frame_headers(message: Message) -> HttpResponse:
    """The header fields, unfolded and with decoded words."""
    if is_removed(message):
        return show_text(REMOVED)
    source = compose_first(message)
    fields, _ = split_fields(source, (0, len(source)), HeadLimits(fields=MAX_HEADERS))
    return show_text("\n".join(f"{field.name}: {field.decode()}" for field in fields))


FRAMES = {"html": frame_html, "text": frame_text, "source": frame_source, "headers": frame_headers}


def download_raw(message: Message) -> HttpResponse:
    """The source of the message for its first recipient, as a file."""
    if is_removed(message):
        raise Http404
    return file_response(compose_first(message), "message/rfc822", f"{message.pk}.eml")


def download_attachment(message: Message, attachment_id: UUID) -> HttpResponse:
    """An attachment as a download, which browsers never show."""
    file = message.attachments.select_related("content").filter(pk=attachment_id).first()
    if file is None or file.content is None:
        raise Http404
    return file_response(read_content(file.content), file.content_type, file.filename)


def file_response(content: bytes, content_type: str, filename: str) -> HttpResponse:
    """A download with headers that prevent scripts if a browser shows it nevertheless."""
    disposition = content_disposition_header(as_attachment=True, filename=filename) or "attachment"
    return HttpResponse(
        content,
        content_type=content_type,
        headers={
            "Content-Disposition": disposition,
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
    )


def is_removed(message: Message) -> bool:
    """Whether the message cannot be composed any more."""
    try:
        check_content(message)
    except BodyPurgedError:
        return True
    return False


def compose_first(message: Message) -> bytes:
    recipient = first_recipient(message)
    if recipient is None:
        raise Http404
    return compose_raw(message.pk, recipient)


def first_recipient(message: Message) -> Recipient | None:
    return message.recipients.order_by("position").first()


def cut_preview(text: str) -> str:
    rest = len(text) - MAX_SHOWN
    return text if rest <= 0 else f"{text[:MAX_SHOWN]}\n… {rest:,} characters more: download the message."
