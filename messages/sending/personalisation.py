"""The personal parts of a recipient's message: tracked links, the pixel, the unsubscribe URL."""

import html
from collections.abc import Sequence
from uuid import UUID

from delivery.records import record
from templates_app.unsubscribe_placeholder import fill_placeholders
from tracking.engagement.link_rewriting import splice
from tracking.engagement.tokens import TokenPurpose
from tracking.engagement.tracking_urls import build_click_urls, build_url

# A block of one pixel: an inline image would add a line of text. Stated twice, because some mail programs drop
# `!important`, and the sender's own rules for images would win without it.
PIXEL = (
    '<img width="1" height="1" alt="" border="0" style="display:block;width:1px;height:1px;margin:0;padding:0;border:0;'
    "display:block!important;width:1px!important;height:1px!important;min-width:0!important;max-width:1px!important;"
    "min-height:0!important;max-height:1px!important;margin:0!important;padding:0!important;border:0!important;"
    'float:none!important" src="%s">'
)


@record(frozen=True, slots=True, kw_only=True)
class TrackingOptions:
    """The tracking that the caller opted in to, and the host for its URLs (None: the service's own host).

    `places` are the offsets of the pixel and the links in the HTML, as found at accept.
    """

    track_opens: bool
    track_clicks: bool
    enable_unsubscribe: bool
    host: str | None = None
    # The `mailto:` URL of List-Unsubscribe beside the one for one click.
    mailto: str | None = None
    places: Sequence[int] = ()


@record(frozen=True, slots=True, kw_only=True)
class RecipientContent:
    """One recipient's bodies and headers; None for a body that is the same for all recipients."""

    html: str | None = None
    text: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


def personalise(document: str, text: str, tracking_options: TrackingOptions, recipient_id: UUID) -> RecipientContent:
    """Build this recipient's HTML, text and List-Unsubscribe headers (RFC 2369, RFC 8058)."""
    own_html = own_text = None
    headers: tuple[tuple[str, str], ...] = ()
    if tracking_options.places and (tracking_options.track_opens or tracking_options.track_clicks):
        own_html = add_tracking(document, tracking_options, recipient_id)
    if tracking_options.enable_unsubscribe:
        url = build_url(tracking_options.host, TokenPurpose.UNSUBSCRIBE, recipient_id)
        # The one reserved variable: accept leaves it in the content, and it is filled here.
        own_html = fill_placeholders(own_html if own_html is not None else document, html.escape(url)) or None
        own_text = fill_placeholders(text, url) or None
        urls = ", ".join(f"<{one}>" for one in (url, tracking_options.mailto) if one)
        headers = (("List-Unsubscribe", urls), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    return RecipientContent(html=own_html, text=own_text, headers=headers)


def add_tracking(document: str, tracking_options: TrackingOptions, recipient_id: UUID) -> str:
    """Put this recipient's links and pixel into the HTML; everything else stays byte for byte."""
    pixel, wrap = "", None
    if tracking_options.track_clicks:
        # `places` has one number for the pixel, and two for each link.
        count = len(tracking_options.places) // 2
        wrap = build_click_urls(tracking_options.host, recipient_id, count).__getitem__
    if tracking_options.track_opens:
        url = html.escape(build_url(tracking_options.host, TokenPurpose.OPEN, recipient_id))
        pixel = PIXEL % url
    return splice(document, tracking_options.places, wrap, pixel)
