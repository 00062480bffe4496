"""The mails of the comparison: plain, tracked with HTML of its own each, and tracked from one template."""

import json
from collections.abc import Iterator
from itertools import count

from bench.links import page
from bench.peers.http_load import build_request

SIZE, LARGE_SIZE = 5_000, 20_000
LINKS, LARGE_LINKS = 9, 40
BATCH = 100
# Mail from this domain is signed with its key (RSA-2048); mail from the other one is not signed.
SIGNED_SENDER, PLAIN_SENDER = "shop@signed.test", "shop@bench.test"
LINE = "A line of an order's confirmation, as plain as they come, in sixty-six or so.\n"
TEMPLATES = {"order": LINKS, "catalogue": LARGE_LINKS}


def build_html(number: int, links: int = LINKS) -> str:
    """HTML of about 0.5 KB for each link, with addresses and words of its own."""
    return (
        page(links).replace("utm_id=now", f"utm_id={number}").replace("<table>", f"<h1>Order {number}</h1><table>", 1)
    )


def build_template(alias: str) -> dict[str, object]:
    """A template for `POST /templates`: two variables, the same links for all."""
    html = page(TEMPLATES[alias]).replace("<table>", "<h1>Hello {{ name }}, order {{ number }}</h1><table>", 1)
    return {"alias": alias, "subject": "Order {{ number }}", "html": html, "text": "Hello {{ name }}: {{ number }}."}


def build_plain(number: int) -> dict[str, object]:
    return {
        "from_": PLAIN_SENDER,
        "to": f"user{number}@rcpt.test",
        "subject": f"Order {number}",
        "text": LINE * (SIZE // len(LINE)),
    }


def build_tracked(number: int) -> dict[str, object]:
    return {
        "from_": SIGNED_SENDER,
        "to": f"user{number}@rcpt.test",
        "subject": f"Order {number}",
        "html": build_html(number),
        "track_opens": True,
        "track_clicks": True,
    }


def build_templated(number: int) -> dict[str, object]:
    return {
        "from_": SIGNED_SENDER,
        "to": f"user{number}@rcpt.test",
        "template_id": "order",
        "template_vars": {"name": f"Customer {number}", "number": number},
        "track_opens": True,
        "track_clicks": True,
    }


BUILDERS = {"plain": build_plain, "tracked": build_tracked, "template": build_templated}
numbers = count(1)


def single_posts(kind: str, token: str) -> Iterator[bytes]:
    """Requests without an end, no two alike."""
    while True:
        yield build_request("/api/v1/emails", json.dumps(BUILDERS[kind](next(numbers))).encode(), token)


def batch_posts(kind: str, token: str) -> Iterator[bytes]:
    while True:
        emails = [BUILDERS[kind](next(numbers)) for _ in range(BATCH)]
        yield build_request("/api/v1/emails/batch", json.dumps(emails).encode(), token)


def prepare(requests: Iterator[bytes], count: int) -> Iterator[bytes]:
    """As many requests built ahead, so that building them takes no time of the measurement; the rest as they come."""
    ready = [next(requests) for _ in range(count)]
    yield from ready
    yield from requests
