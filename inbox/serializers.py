"""The format of mail in the inbox's JSON."""

from common.times import format_time
from delivery.mime.reader import Part
from inbox.mime import read_content
from inbox.models import Mail


def show_row(mail: Mail) -> dict[str, object]:
    return {
        "id": str(mail.pk),
        "mail_from": mail.mail_from,
        "rcpt_to": mail.rcpt_to,
        "from": mail.header_from,
        "to": mail.header_to,
        "subject": mail.subject,
        "size": mail.size,
        "received_at": format_time(mail.received_at),
    }


def show_attachment(index: int, part: Part) -> dict[str, object]:
    return {
        "index": index,
        "filename": part.filename,
        "content_type": part.media_type,
        "size": len(part.decode()),
        "content_id": part.content_id,
    }


def show_mail(mail: Mail) -> dict[str, object]:
    """One mail, taken apart."""
    content = read_content(bytes(mail.raw))
    return show_row(mail) | {
        "headers": [[field.name, field.decode()] for field in content.fields],
        "text": content.text,
        "html": content.html,
        "attachments": [show_attachment(index, part) for index, part in enumerate(content.attachments)],
        "warnings": content.warnings,
    }
