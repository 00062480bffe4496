"""A mail's HTML in the sandboxed frame that shows it: its images are the mail's attachments, its links open in tabs."""

from delivery.html.defuse import Links, defuse, frame_policy
from inbox.mime import MailContent

SANDBOX = "allow-popups allow-popups-to-escape-sandbox"


def prepare_html(content: MailContent, attachments_url: str) -> str:
    """The HTML to serve: inline images point to `<attachments_url>/<index>`, links open in a tab of their own."""
    urls = {
        part.content_id.lower(): f"{attachments_url}/{index}"
        for index, part in enumerate(content.attachments)
        if part.content_id
    }
    return defuse(content.html, Links.NEW_TAB, lambda content_id: urls.get(content_id.lower()))


def build_policy(attachments_url: str) -> str:
    """The Content-Security-Policy of a mail's HTML."""
    return frame_policy(images=f"{attachments_url}/", sandbox=SANDBOX)
