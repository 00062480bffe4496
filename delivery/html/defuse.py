"""A stranger's HTML made ready for a sandboxed frame: for the admin's previews and the inbox.

What keeps it harmless is the frame's own headers (`frame_policy`): a sandbox without scripts, forms and an origin, and
a policy that lets nothing be fetched but inline images. Beside that, the elements that reach out without asking the
policy (`<link rel=preconnect>`, `<meta http-equiv>`) lose their names, and links are dead or open in a tab of their
own. All else stays as the sender wrote it, so that people see what recipients would see. The work is linear in the
length.
"""

import base64
import html
import re
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from urllib.parse import unquote

from delivery.html.tokenizer import VALUE, Tag, tokens

# Browsers see these elements by their names alone, in places too where no tokenizer of HTML alone expects a tag: in a
# style or a CDATA section inside of SVG. So their names go wherever they stand.
# Void elements become `<basefont`, which browsers parse as void, in the head too, and otherwise ignore.
REACHING_VOID = re.compile(r"<(?:link|base|embed)(?=[\s/>])", re.IGNORECASE)
REACHING_TAG = re.compile(r"<(?=/?(?:iframe|frame|frameset|object|applet|portal)[\s/>])", re.IGNORECASE)
# A `<meta>` stays if it is well formed, with a name or a charset and nothing that acts as a header does.
META_TAG = re.compile(
    r"""<meta(?=[\s/>])
    (?P<kept>(?:\s++(?:name|charset|content|property)\s*+=\s*+(?:"[^"<>]*+"|'[^'<>]*+'|[^\s"'<>=/]++))++\s*+/?>)?+""",
    re.IGNORECASE | re.VERBOSE,
)
# `cid:…`, in a value or in a style sheet (RFC 2392).
INLINE_IMAGE = re.compile(r"""(?<=["'(=\s])cid:([^"'\s()<>]{1,998})""", re.IGNORECASE)
# A doctype comes first or the page falls into quirks mode; comments before it are allowed.
PROLOGUE = re.compile(r"[\s\ufeff]*(?>(?:<!--(?>.*?-->)\s*)*)(?:<!doctype[^>]*>)?", re.IGNORECASE | re.DOTALL)
# Attributes that lead somewhere.
LEADING = frozenset({"href", "xlink:href", "action", "formaction", "ping", "target", "background", "manifest"})
LINKS = frozenset({"a", "area"})
MAX_INLINE_BYTES = 8 * 1024 * 1024

# A content id, as the HTML names it → the URL that shows the image, None for what is no inline image.
FindImage = Callable[[str], str | None]

FRAME_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Links(Enum):
    """What a click on a link does: nothing, or it opens a tab that has no hold on the frame."""

    DEAD = "dead"
    NEW_TAB = "new_tab"


def frame_policy(*, images: str = "", sandbox: str = "") -> str:
    """The frame's Content-Security-Policy. `images` is where images may come from beside `data:`; `sandbox` lists what
    the sandbox allows.
    """
    return (
        f"default-src 'none'; img-src {f'data: {images}'.strip()}; style-src 'unsafe-inline'; font-src data:; "
        f"base-uri 'none'; form-action 'none'; frame-ancestors 'self'; {f'sandbox {sandbox}'.strip()}"
    )


class DataImages:
    """Inline images as `data:` URLs, as long as all uses together stay below MAX_INLINE_BYTES.

    `images` are content id → (content type, bytes).
    """

    def __init__(self, images: Mapping[str, tuple[str, bytes]]) -> None:
        self._images = images
        self._room = MAX_INLINE_BYTES

    def __call__(self, content_id: str) -> str | None:
        content_type, content = self._images.get(content_id, ("", b""))
        length = (len(content) + 2) // 3 * 4
        if not content_type or length > self._room:
            return None
        self._room -= length
        return f"data:{content_type};base64,{base64.b64encode(content).decode()}"


def defuse(document: str, links: Links, find_image: FindImage) -> str:
    """The HTML without what reaches out, its links as `links` says, its inline images where `find_image` has them."""
    page = "".join(edit_tags(disarm_elements(document), links, find_image))
    if links is Links.DEAD:
        return page
    start = match.end() if (match := PROLOGUE.match(page)) else 0
    return f'{page[:start]}<base target="_blank">{page[start:]}'


def disarm_elements(document: str) -> str:
    """The document with other names for the elements that fetch, frame or act."""
    page = REACHING_VOID.sub("<basefont", document)
    return REACHING_TAG.sub("<x-", META_TAG.sub(keep_meta, page))


def keep_meta(tag: re.Match[str]) -> str:
    kept = tag["kept"] or ""
    return tag[0] if kept and "referrer" not in html.unescape(kept).lower() else f"<basefont{kept}"


def edit_tags(document: str, links: Links, find_image: FindImage) -> Iterator[str]:
    """The document in pieces, its start tags and style sheets edited."""
    position = 0
    is_style = False
    for token in tokens(document):
        if isinstance(token, str):
            if is_style:
                yield link_images(token, find_image)
                position += len(token)
            continue
        yield document[position : token.start]
        yield document[token.start : token.attributes_start]
        yield edit_attributes(token, links, find_image)
        position = token.attributes_start + len(token.attributes)
        is_style = False
        if token.name == "style" and not token.is_end:
            yield document[position : token.end]
            position, is_style = token.end, True
    yield document[position:]


def edit_attributes(tag: Tag, links: Links, find_image: FindImage) -> str:
    """A tag's attributes as the frame gets them."""
    if tag.is_end or not tag.attributes:
        return tag.attributes
    attributes = link_images(tag.attributes, find_image)
    if links is Links.DEAD:
        return kill_links(tag, attributes)
    return free_links(attributes) if tag.name in LINKS else attributes


def link_images(text: str, find_image: FindImage) -> str:
    """`text` with each `cid:` that names an inline image as that image's URL."""

    def point(match: re.Match[str]) -> str:
        return find_image(unquote(html.unescape(match[1]))) or match[0]

    return INLINE_IMAGE.sub(point, text)


def kill_links(tag: Tag, attributes: str) -> str:
    """`data-` before the name of each attribute that leads somewhere, and a link's target as its tooltip."""

    def rename(match: re.Match[str]) -> str:
        return f"data-{match[0]}" if match["name"].lower() in LEADING else match[0]

    target = tag.get("href") if tag.name in LINKS else None
    tooltip = f' title="{html.escape(target)}" ' if target is not None and tag.get("title") is None else ""
    return tooltip + VALUE.sub(rename, attributes)


def free_links(attributes: str) -> str:
    """Without what would open a link inside the frame, or give the opened page a hold on it."""

    def drop(match: re.Match[str]) -> str:
        value = next((match[kind] for kind in ("double", "single", "bare") if match[kind] is not None), "")
        name = match["name"].lower()
        return "" if name == "rel" or (name == "target" and value.lower() != "_blank") else match[0]

    return VALUE.sub(drop, attributes)
