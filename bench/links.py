"""Links wrapped and the pixel set for one more recipient, beside BeautifulSoup for each recipient."""

import os
from collections.abc import Callable
from functools import partial

import django
from bs4 import BeautifulSoup
from cryptography.fernet import Fernet

from bench.measure import Options, compare
from tracking.engagement.link_rewriting import cut, segment

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


def wrap(index: int, _: str) -> str:
    return f"https://t.acme.test/c/{'t' * 43}{index}"


def by_beautifulsoup(document: str) -> str:
    soup = BeautifulSoup(document, "html.parser")
    for index, link in enumerate(soup.find_all(["a", "area"], href=True)):
        link["href"] = wrap(index, "")
    if soup.body:
        soup.body.append(BeautifulSoup(PIXEL, "html.parser"))
    return str(soup)


def prepare_whole(document: str) -> Callable[[], object]:
    """One more recipient's copy as composing makes it: the tokens of the links and of the pixel are signed too."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "emailsvc.settings",
        "DATABASE_URL": "postgresql://nobody@localhost/none",
        "REDIS_URL": "redis://localhost",
        "SECRET_KEY": "bench-" * 8,
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    }
    django.setup()
    # Settings have to be complete before.
    from common.ids import new_id
    from messages.sending.personalisation import Wishes, personalise

    wishes = Wishes(track_opens=True, track_clicks=True, enable_unsubscribe=False, host="link.acme.test")
    return lambda: personalise(document, "", wishes, new_id())


def run(_: Options) -> None:
    document = page(40)
    segmented = segment(document)
    print(f"  {len(document) / 1000:.1f} KB, {len(segmented.links)} links")
    compare(
        "BeautifulSoup is given its wrapped URLs ready, and signs none",
        "one more recipient, tokens signed too",
        {
            "one more recipient, tokens signed too": prepare_whole(document),
            "spliced for one more recipient": partial(segmented.splice, wrap, PIXEL),
            "cut, once for each HTML": partial(cut, document),
            "BeautifulSoup for each recipient": partial(by_beautifulsoup, document),
        },
    )
