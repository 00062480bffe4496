"""How mail looks in the inbox's JSON."""

from common.times import format_time
from inbox.mime import Part, read_content
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


def show_attachment(index: int, part: Part, raw: bytes) -> dict[str, object]:
    return {
        "index": index,
        "filename": part.filename,
        "content_type": part.content_type.value,
        "size": len(part.decode(raw)),
        "content_id": part.content_id,
    }


def show_mail(mail: Mail) -> dict[str, object]:
    """One mail, taken apart."""
    raw = bytes(mail.raw)
    content = read_content(raw)
    return show_row(mail) | {
        "headers": [[field.name, field.decode()] for field in content.fields],
        "text": content.text,
        "html": content.html,
        "attachments": [show_attachment(index, part, raw) for index, part in enumerate(content.attachments)],
        "warnings": content.warnings,
    }
