"""Content as it goes over the wire."""

import re

_LINE_END = re.compile(rb"\r\n|\r|\n")
_DOT = re.compile(rb"\n\.")


def stuff_dots(content: bytes) -> bytes:
    """`content` as it goes over the wire, without the final dot (RFC 5321, 4.5.2). It ends with CRLF.

    A lone CR or LF becomes CRLF: sent as it is, it may end the mail early for some servers (SMTP smuggling).
    """
    if not (content.endswith(b"\r\n") and _has_only_pairs(content)):
        content = _LINE_END.sub(b"\r\n", content)
        content += b"" if content.endswith(b"\r\n") else b"\r\n"
    if _DOT.search(content):
        content = content.replace(b"\r\n.", b"\r\n..")
    return b"." + content if content.startswith(b".") else content


def _has_only_pairs(content: bytes) -> bool:
    """Whether each CR stands before an LF: there are as many lines as CRs and as LFs. 5 us for 5 KB, regex 100 us."""
    return len(content.splitlines()) == content.count(b"\n") == content.count(b"\r")
