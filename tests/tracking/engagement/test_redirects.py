"""Targets of click redirects, encoded for a header."""

import pytest

from tracking.engagement.redirects import write_location


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.test/a?x=1&y=2#top",
        "HTTP://Shop.TEST:8080/%7Euser/a;b=c?q='(x)'&[]=|^`{}\"<>#/?!$",
        "https://user:pass@shop.test/",
        "https://shop.test\\path\\to",
        "https://[2001:db8::1]:8443/",
        "https://xn--bcher-kva.example/%C3%BC",
    ],
)
def test_characters_allowed_in_a_header_stay_unchanged(url):
    assert write_location(url) == url


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("https://bücher.example/ü?ö=ä#ß", "https://xn--bcher-kva.example/%C3%BC?%C3%B6=%C3%A4#%C3%9F"),
        ("https://ü:ö@BÜCHER.example:80/x", "https://%C3%BC:%C3%B6@xn--bcher-kva.example:80/x"),
        ("https://日本。test/日本", "https://xn--wgv71a.test/%E6%97%A5%E6%9C%AC"),
        ("https://shop.test/a b\x01\x7f%20", "https://shop.test/a%20b%01%7F%20"),
        ("https://shop.test/😀", "https://shop.test/%F0%9F%98%80"),
        # No name that IDNA knows: browsers decode it, and say so themselves.
        ("https://ü_b.test/", "https://%C3%BC_b.test/"),
    ],
)
def test_what_it_cannot_hold_is_encoded_as_browsers_do(url, location):
    assert write_location(url) == location
