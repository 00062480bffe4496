"""The Location of a redirect: a link's target as a browser would have asked for it, had it followed the link itself."""

import re
from urllib.parse import quote

import idna

# What a header cannot hold (RFC 9110, 5.5): browsers send it percent-encoded (WHATWG URL, 4.4).
OUTSIDE = re.compile(r"[^\x21-\x7e]+")
URL = re.compile(r"(https?://(?:[^/?#\\]*@)?)([^/?#\\@:]*)(.*)", re.IGNORECASE | re.DOTALL)


def write_location(url: str) -> str:
    """`https://bücher.example/ü b#ß` → `https://xn--bcher-kva.example/%C3%BC%20b#%C3%9F`; all else as it stands."""
    if not OUTSIDE.search(url):
        return url
    found = URL.fullmatch(url)
    if found and not found[2].isascii():
        url = f"{found[1]}{encode_host(found[2])}{found[3]}"
    return OUTSIDE.sub(lambda part: quote(part[0]), url)


def encode_host(host: str) -> str:
    """The A-labels; what IDNA refuses stays as it is, for browsers to judge."""
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        return host
