"""Content as it goes over the wire."""

import re

_LINE_END = re.compile(rb"\r\n|\r|\n")


def stuff_dots(content: bytes) -> bytes:
    """`content` as it goes over the wire, without the final dot (RFC 5321, 4.5.2). It ends with CRLF.

    A lone CR or LF becomes CRLF: sent as it is, it may end the mail early for some servers (SMTP smuggling).
    """
    count = content.count(b"\n")
    if count != content.count(b"\r") or count != content.count(b"\r\n"):
        content = _LINE_END.sub(b"\r\n", content)
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    content = content.replace(b"\r\n.", b"\r\n..")
    return b"." + content if content.startswith(b".") else content
