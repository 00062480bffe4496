"""A message's bodies in the sandboxed frames that show them."""

import html
from collections.abc import Mapping

from django.http import HttpResponse

from delivery.html.defuse import FRAME_HEADERS, DataImages, Links, defuse, frame_policy

POLICY = frame_policy()
WITH_IMAGES = frame_policy(images="https: http:")
STYLE = """<style>
:where(a[data-href]) { color: #1a55c4; cursor: help; text-decoration: underline; }
pre { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; margin: 0; overflow-wrap: anywhere;
  white-space: pre-wrap; }
body { background: #fff; color: #1d1b19; font-family: system-ui, sans-serif; margin: 16px; }
</style>"""


def frame_response(body: str, policy: str = POLICY) -> HttpResponse:
    """`body`, an HTML fragment or document, as the content of a sandboxed frame."""
    return HttpResponse(
        f'<!doctype html><meta charset="utf-8">{STYLE}{body}',
        headers={**FRAME_HEADERS, "Content-Security-Policy": policy, "X-Frame-Options": "SAMEORIGIN"},
    )


def show_text(text: str) -> HttpResponse:
    """Plain text in a frame."""
    return frame_response(f"<pre dir=auto>{html.escape(text)}</pre>")


def show_html(
    document: str, images: Mapping[str, tuple[str, bytes]], *, has_remote_images: bool = False
) -> HttpResponse:
    """A message's HTML in a frame, links dead. `images` are its inline ones: content id → (content type, bytes)."""
    policy = WITH_IMAGES if has_remote_images else POLICY
    return frame_response(defuse(document, Links.DEAD, DataImages(images)), policy)
