"""Reads what Django's `EmailMessage.attachments` and `.alternatives` may hold."""

from email.message import Message
from typing import Any

from django.core.mail import EmailMessage
from emailsvc_client.errors import FieldProblem
from emailsvc_client.files import attach, guess_type
from emailsvc_client.objects import Attachment

# For parts without a name; the service wants one for each file.
UNNAMED = {
    "text/calendar": "invite.ics",
    "message/rfc822": "message.eml",
    "text/plain": "text.txt",
    "text/html": "page.html",
}
FILE = "file"


class UnsupportedMessageError(ValueError):
    """The message has something that no field of an email can say. `problem` names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.problem = FieldProblem(field=field, code="unsupported", message=message)


def read_attachment(given: Any) -> Attachment:
    """A MIME part, or `(filename, content, mimetype)` as `attach()` keeps it."""
    if isinstance(given, Message):
        return read_part(given)
    filename, content, mimetype = given
    kind = str(mimetype or (guess_type(filename) if filename else "application/octet-stream"))
    return attach(as_bytes(content), str(filename or name_for(kind)), content_type=kind)


def read_part(part: Message) -> Attachment:
    """A part such as `MIMEImage`. With a Content-ID it is shown inline."""
    kind = part.get_content_type()
    filename = part.get_filename() or name_for(kind)
    content_id = str(part.get("Content-ID", "")).strip().removeprefix("<").removesuffix(">")
    if kind == "message/rfc822":
        return attach(as_bytes(part.get_payload(0)), filename, content_type=kind)
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        raise UnsupportedMessageError("attachments", f"a part of type {kind} cannot be attached")
    parameters = [(name, value) for name, value in part.get_params([])[1:] if name in {"charset", "method"}]
    full = "; ".join([kind, *(f"{name}={value}" for name, value in parameters)])
    return attach(content, filename, content_type=full, content_id=content_id)


def read_alternative(content: Any, mimetype: str) -> Attachment:
    """An alternative that is neither text nor HTML: an invitation; the service makes an alternative of it again.

    Raises UnsupportedMessageError for another type, which mail programs would list as a strange file.
    """
    kind = str(mimetype)
    if not kind.lower().startswith("text/calendar"):
        raise UnsupportedMessageError("alternatives", f"one of type {kind} cannot be sent")
    return attach(as_bytes(content), UNNAMED["text/calendar"], content_type=kind)


def as_bytes(content: Any) -> bytes:
    """Bytes of what Django takes as a content: text, bytes, or a message."""
    if isinstance(content, bytes | bytearray | memoryview):
        return bytes(content)
    if isinstance(content, EmailMessage):
        return bytes(content.message().as_bytes())
    if isinstance(content, Message):
        return content.as_bytes()
    return str(content).encode()


def name_for(kind: str) -> str:
    main = kind.partition("/")[2]
    return UNNAMED.get(kind) or (f"{FILE}.{main}" if main.isalnum() else FILE)
