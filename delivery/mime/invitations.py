"""The invitation of a mail: a calendar file that mail programs answer to (RFC 6047).

Programs look for it beside the text and the HTML, as the last alternative; the file itself stays attached as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from delivery.mime.attachments import Attachment, declare_type, decode_text

CALENDAR = "text/calendar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """`subtype` is that of the part, `calendar; method=REQUEST`, without a charset; `text` is the calendar."""

    subtype: str
    text: str
    method: str


def find_invitation(attachments: Sequence[Attachment]) -> Invitation | None:
    """The first calendar file whose content type has a method; None when there is none that can be read as text."""
    for each in attachments:
        if not each.content_type.lower().lstrip().startswith(CALENDAR):
            continue
        declared = declare_type(each)
        text = decode_text(each.content, declared.get("charset") or "utf-8")
        if declared.media_type == CALENDAR and declared.get("method") and text is not None:
            kept = declared.without("charset")
            subtype = "; ".join(["calendar", *kept.chunks])
            return Invitation(subtype=subtype, text=text.removeprefix("\ufeff"), method=declared.get("method"))
    return None
