"""Files to attach."""

import base64
import mimetypes
from pathlib import Path

from emailsvc_client.objects import Attachment

UNKNOWN = "application/octet-stream"


def attach(
    content: bytes | str | Path, filename: str = "", *, content_type: str = "", content_id: str = ""
) -> Attachment:
    """An attachment of a file's path, or of bytes with a `filename`.

    With a `content_id` it is an inline image, which the HTML shows by `cid:` and that id. A string is a path. Raises
    ValueError for bytes without a name, and OSError for a file that cannot be read.
    """
    if not isinstance(content, bytes):
        path = Path(content)
        content, filename = path.read_bytes(), filename or path.name
    if not filename:
        raise ValueError("bytes need a filename")
    found = Attachment(
        filename=filename,
        content_type=content_type or guess_type(filename),
        content_b64=base64.b64encode(content).decode("ascii"),
    )
    if content_id:
        found["content_id"] = content_id
    return found


def guess_type(filename: str) -> str:
    """The media type by the name; a compressed file is just a file."""
    kind, encoding = mimetypes.guess_type(filename)
    return kind if kind and not encoding else UNKNOWN
