"""HTML parsed at acceptance and spliced for each further recipient, compared with BeautifulSoup for each recipient."""

import os
from collections.abc import Callable, Sequence
from functools import partial

import django
from bs4 import BeautifulSoup
from cryptography.fernet import Fernet

from bench.measure import Options, compare
from tracking.engagement.link_finding import LinkFinder, Outline
from tracking.engagement.link_rewriting import splice

PIXEL = '<img src="https://t.acme.test/o/' + "t" * 43 + '" width="1" height="1" alt="">'
CELL = "padding:8px 12px;font-family:Helvetica,Arial,sans-serif;font-size:14px;line-height:20px;color:#333333"
ROW = (
    f'<tr class="item"><td style="{CELL}"><a href="https://shop.acme.test/item/{{n}}?utm_source=mail&amp;utm_id=now" '
    f'style="color:#0a58ca;text-decoration:none" target="_blank">Item {{n}} of our spring sale</a> and some words</td>'
    f'<td style="{CELL}" align="right"><b>{{n}} &euro;</b></td></tr>\n'
)
HEAD = "<!doctype html>\n<html><head><style>body{margin:0}</style></head><body><table>\n"


def page(link_count: int) -> str:
    """HTML of 20 KB for 40 links."""
    return HEAD + "".join(ROW.format(n=n) for n in range(link_count)) + "</table></body></html>\n"


def wrap(index: int) -> str:
    return f"https://t.acme.test/c/{'t' * 43}{index}"


def by_beautifulsoup(document: str) -> str:
    soup = BeautifulSoup(document, "html.parser")
    for index, link in enumerate(soup.find_all(["a", "area"], href=True)):
        link["href"] = wrap(index)
    if soup.body:
        soup.body.append(BeautifulSoup(PIXEL, "html.parser"))
    return str(soup)


def prepare_whole(document: str, places: Sequence[int]) -> Callable[[], object]:
    """One more recipient's copy, as composing makes it: the tokens of links and pixel are signed too."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "emailsvc.settings",
        "DATABASE_URL": "postgresql://nobody@localhost/none",
        "REDIS_URL": "redis://localhost",
        "SECRET_KEY": "bench-" * 8,
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    }
    django.setup()
    # The settings must be complete before.
    from common.ids import new_id
    from messages.sending.personalisation import TrackingOptions, personalise

    tracking_options = TrackingOptions(
        track_opens=True, track_clicks=True, enable_unsubscribe=False, host="link.acme.test", places=places
    )
    return lambda: personalise(document, "", tracking_options, new_id())


def run(_: Options) -> None:
    document = page(40)
    found = LinkFinder().find(document)
    print(f"  {len(document) / 1000:.1f} KB, {len(found.urls)} links")
    compare(
        "BeautifulSoup gets its wrapped URLs ready-made, and signs none",
        "one more recipient, tokens signed too",
        {
            "one more recipient, tokens signed too": prepare_whole(document, found.places),
            "delivery: spliced for one more recipient": partial(splice, document, found.places, wrap, PIXEL),
            "accept: HTML read for the first time": lambda: LinkFinder().judge(document, len(document)),
            "accept: the same, with the tokenizer alone": partial(Outline, document),
            "accept: HTML that was parsed before": lambda: LinkFinder().find(document),
            "BeautifulSoup for each recipient": partial(by_beautifulsoup, document),
        },
    )
