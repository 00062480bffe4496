"""A mail's HTML made ready for the sandboxed frame that shows it.

What keeps it harmless is its own URL's headers: a sandbox without scripts, forms and an origin, and a policy that lets
nothing be fetched but this mail's inline images. Beside that, the elements that reach out without asking the policy
(`<link rel=preconnect>`, `<meta http-equiv>`) lose their names; all else stays as the sender wrote it, so that people
see what recipients would see.
"""

import html
import re
from urllib.parse import unquote

from inbox.mime import MailContent

# A tag's name ends at white space, a slash or the closing bracket.
# Void elements become `<basefont>`, which browsers parse as void, in the head too, and otherwise ignore.
REACHING_VOID = re.compile(r"<(?:link|base|embed)(?=[\s/>])", re.IGNORECASE)
REACHING_TAG = re.compile(r"<(?=/?(?:iframe|frame|frameset|object|applet)[\s/>])", re.IGNORECASE)
META_TAG = re.compile(r"<meta(?=[\s/>])([^<>]*>)?", re.IGNORECASE)
# These would open a link inside the frame, or give the opened page a hold on it.
LINK_ATTRIBUTES = [
    re.compile(rf"""(<(?:a|area)\s(?:[^<>]*?\s)?){name}(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>]+)""", re.IGNORECASE)
    for name in (r"""target\s*=\s*(?!["']?_blank\b)""", r"rel\s*=\s*")
]
INLINE_IMAGE = re.compile(r"""(?<=["'(=\s])cid:([^"'\s()<>]{1,998})""", re.IGNORECASE)
# A doctype comes first or the page falls into quirks mode; comments before it are allowed.
PROLOGUE = re.compile(r"[\s\ufeff]*(?>(?:<!--(?>.*?-->)\s*)*)(?:<!doctype[^>]*>)?", re.IGNORECASE | re.DOTALL)
SANDBOX = "allow-popups allow-popups-to-escape-sandbox"


def prepare_html(content: MailContent, attachments_url: str) -> str:
    """The HTML to serve: inline images point to `<attachments_url>/<index>`, links open in a tab of their own."""
    page = REACHING_VOID.sub("<basefont", content.html)
    page = META_TAG.sub(keep_meta, page)
    page = REACHING_TAG.sub("<x-", page)
    for attribute in LINK_ATTRIBUTES:
        page = attribute.sub(r"\1", page)
    page = link_images(page, content, attachments_url)
    start = match.end() if (match := PROLOGUE.match(page)) else 0
    return f'{page[:start]}<base target="_blank">{page[start:]}'


def keep_meta(tag: re.Match[str]) -> str:
    """A `<meta>` with a name or a charset stays; one that acts like a header does not."""
    rest = tag[1] or ""
    return tag[0] if rest and "http-equiv" not in rest.lower() else f"<basefont{rest}"


def link_images(page: str, content: MailContent, attachments_url: str) -> str:
    """Every `cid:` that names a part becomes that part's URL (RFC 2392)."""
    urls = {
        part.content_id.lower(): f"{attachments_url}/{index}"
        for index, part in enumerate(content.attachments)
        if part.content_id
    }

    def point(match: re.Match[str]) -> str:
        return urls.get(unquote(html.unescape(match[1])).lower(), match[0])

    return INLINE_IMAGE.sub(point, page) if urls else page


def build_policy(attachments_url: str) -> str:
    """The Content-Security-Policy of a mail's HTML."""
    return (
        f"default-src 'none'; img-src data: {attachments_url}/; style-src 'unsafe-inline'; font-src data:; "
        f"base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox {SANDBOX}"
    )
