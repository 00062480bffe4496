"""A message's bodies made ready for the sandboxed frames that show them.

What keeps them harmless is the frame's own headers: a sandbox without scripts, forms and an origin, and a policy that
lets nothing be fetched. Beside that, what reaches out without asking the policy (`<link rel=preconnect>`, `<meta>`) is
taken out, and links lose their targets: who looks at a stranger's mail should not follow it by a slip of the hand.
"""

import base64
import html
from collections.abc import Collection, Iterator, Mapping
from urllib.parse import unquote

from django.http import HttpResponse

from delivery.html.tokenizer import VALUE, Tag, tokens

POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox"
)
# Elements that fetch, frame or act; their tags are left out, what stands between them stays.
REACHING = frozenset({"base", "embed", "frame", "frameset", "iframe", "link", "meta", "object", "applet", "portal"})
# Attributes that lead somewhere.
LEADING = frozenset({"href", "xlink:href", "action", "formaction", "ping", "target", "background", "manifest"})
MAX_INLINE_BYTES = 8 * 1024 * 1024
STYLE = """<style>
:where(a[data-href]) { color: #1a55c4; cursor: help; text-decoration: underline; }
pre { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; margin: 0; overflow-wrap: anywhere;
  white-space: pre-wrap; }
body { background: #fff; color: #1d1b19; font-family: system-ui, sans-serif; margin: 16px; }
</style>"""


def frame_response(body: str) -> HttpResponse:
    """`body`, an HTML fragment or document, as the content of a sandboxed frame."""
    return HttpResponse(
        f'<!doctype html><meta charset="utf-8">{STYLE}{body}',
        headers={
            "Content-Security-Policy": POLICY,
            "X-Frame-Options": "SAMEORIGIN",
            "X-Content-Type-Options": "nosniff",
            "X-DNS-Prefetch-Control": "off",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        },
    )


def show_text(text: str) -> HttpResponse:
    """Plain text in a frame."""
    return frame_response(f"<pre dir=auto>{html.escape(text)}</pre>")


def show_html(document: str, images: Mapping[str, tuple[str, bytes]]) -> HttpResponse:
    """A message's HTML in a frame. `images` are its inline ones: content id → (content type, bytes)."""
    return frame_response(defuse(document, images))


def defuse(document: str, images: Mapping[str, tuple[str, bytes]]) -> str:
    """The HTML without what reaches out, its links dead, its inline images as data; in one pass."""
    pieces: list[str] = []
    position = 0
    budget = MAX_INLINE_BYTES
    for tag in tokens(document):
        if isinstance(tag, str):
            continue
        pieces.append(document[position : tag.start])
        position = tag.end
        if tag.name in REACHING:
            continue
        shown, used = defuse_tag(tag, document, images, budget)
        budget -= used
        pieces.append(shown)
    pieces.append(document[position:])
    return "".join(pieces)


def defuse_tag(tag: Tag, document: str, images: Mapping[str, tuple[str, bytes]], budget: int) -> tuple[str, int]:
    """The tag as shown, and how many bytes of images are in it."""
    text = document[tag.start : tag.end]
    if tag.is_end or not tag.attributes:
        return text, 0
    used = 0
    if tag.name == "img" and (source := tag.find("src")) and (found := find_image(source.text, images)):
        data = f"data:{found[0]};base64,{base64.b64encode(found[1]).decode()}"
        if len(data) <= budget:
            used = len(data)
            cut = slice(source.start - tag.start, source.end - tag.start)
            quoted = data if source.is_quoted else f'"{data}"'
            return text[: cut.start] + quoted + text[cut.stop :], used
    return rename(tag, text), used


def find_image(source: str, images: Mapping[str, tuple[str, bytes]]) -> tuple[str, bytes] | None:
    """The inline image that `cid:…` names (RFC 2392)."""
    scheme, _, content_id = source.strip().partition(":")
    return images.get(unquote(content_id)) if scheme.lower() == "cid" else None


def rename(tag: Tag, text: str) -> str:
    """The tag with `data-` before each attribute that leads somewhere, and a link's target as its tooltip."""
    offset = tag.attributes_start - tag.start
    places = list(find_leading(tag.attributes))
    for place in reversed(places):
        text = f"{text[: offset + place]}data-{text[offset + place :]}"
    target = tag.get("href") if tag.name in {"a", "area"} else None
    if target is not None and tag.get("title") is None:
        text = f'{text[:offset]} title="{html.escape(target)}" {text[offset:]}'
    return text


def find_leading(attributes: str, names: Collection[str] = LEADING) -> Iterator[int]:
    """Where in a tag's attributes those begin that lead somewhere."""
    return (match.start("name") for match in VALUE.finditer(attributes) if match["name"].lower() in names)
