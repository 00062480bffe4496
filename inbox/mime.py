"""A stored message as people see it: text, HTML, attachments.

Every mail gives something readable; what lies too deep or is too much is offered as a download.
"""

from dataclasses import dataclass, field

from delivery.mime.fields import Field, HeadLimits
from delivery.mime.reader import MailTree, Part, ReadLimits, read_mail

TEXT_LENGTH = 8_000_000  # characters of text and of HTML that are shown
# Nested messages stay whole, as attachments.
LIMITS = ReadLimits(depth=20, parts=10_000, root=HeadLimits(fields=5000), part=HeadLimits(fields=100))
BODY_TYPES = frozenset({"text/plain", "text/html"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MailContent:
    """What a message holds. `warnings` say, for people, what was not taken apart."""

    fields: list[Field]
    text: str
    html: str
    attachments: list[Part]
    warnings: list[str] = field(default_factory=list)


def read_content(raw: bytes) -> MailContent:
    """Take `raw` apart."""
    tree = read_mail(raw, LIMITS)
    parts = list(tree.list_leaves())
    # Where every text has a name, the first is what its reader should see.
    named = [part for part in parts if part.media_type in BODY_TYPES and part.disposition.value != "attachment"]
    bodies = [part for part in parts if is_body(part)] or named[:1]
    text, html = (
        "\n".join(part.decode_text() for part in bodies if part.media_type == kind)
        for kind in ("text/plain", "text/html")
    )
    return MailContent(
        fields=tree.root.fields,
        text=text[:TEXT_LENGTH],
        html=html[:TEXT_LENGTH],
        attachments=[part for part in parts if not is_body(part)],
        warnings=list_warnings(tree, max(len(text), len(html))),
    )


def is_body(part: Part) -> bool:
    """Whether it is part of the text that the reader sees first."""
    return part.media_type in BODY_TYPES and part.disposition.value != "attachment" and not part.filename


def list_warnings(tree: MailTree, length: int) -> list[str]:
    """What is not shown of a mail with a text of that length."""
    warnings = {
        f"Parts nested deeper than {LIMITS.depth} levels are kept together as one attachment.": tree.is_too_deep,
        f"Only the first {LIMITS.parts} parts are shown.": tree.has_more_parts,
        f"Only the first {TEXT_LENGTH} characters are shown.": length > TEXT_LENGTH,
    }
    return [warning for warning, holds in warnings.items() if holds]
