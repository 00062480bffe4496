"""The Location of a redirect: the link's target in the form that a browser would request."""

import re
from urllib.parse import quote

import idna

# Characters that a header cannot hold (RFC 9110, 5.5). Browsers percent-encode them (WHATWG URL, 4.4).
OUTSIDE = re.compile(r"[^\x21-\x7e]+")
URL = re.compile(r"(https?://(?:[^/?#\\]*@)?)([^/?#\\@:]*)(.*)", re.IGNORECASE | re.DOTALL)


def write_location(url: str) -> str:
    """`https://bücher.example/ü b#ß` → `https://xn--bcher-kva.example/%C3%BC%20b#%C3%9F`; other URLs do not change."""
    if not OUTSIDE.search(url):
        return url
    found = URL.fullmatch(url)
    if found and not found[2].isascii():
        url = f"{found[1]}{encode_host(found[2])}{found[3]}"
    return OUTSIDE.sub(lambda part: quote(part[0]), url)


def encode_host(host: str) -> str:
    """The A-labels of a host. A host that is invalid for IDNA does not change, and the browser decides."""
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        return host
