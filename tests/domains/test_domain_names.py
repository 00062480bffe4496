import pytest

from delivery.dkim.signing import DOMAIN
from domains.domain_names import MAX_LENGTH, DomainNameError, canonical_name


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("good.test", "good.test"),
        ("GOOD.Test", "good.test"),
        ("good.test.", "good.test"),
        (" good.test\n", "good.test"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("good。test", "good.test"),
        ("ｇｏｏｄ.test", "good.test"),
        ("straße.example", "xn--strae-oqa.example"),
        ("a-b.c1.example", "a-b.c1.example"),
        ("x" * 63 + ".example", "x" * 63 + ".example"),
    ],
)
def test_a_name_is_kept_as_a_labels_in_lower_case_without_a_final_dot(written, name):
    assert canonical_name(written) == name
    assert DOMAIN.fullmatch(name)  # what a signer takes


@pytest.mark.parametrize("written", ["gооd.test", "góod.test", "goоd.test", "ɡood.test"])
def test_a_look_alike_is_another_name(written):
    assert canonical_name(written) != "good.test"
    assert canonical_name(written).startswith("xn--")


@pytest.mark.parametrize(
    "written",
    [
        "",
        ".",
        "test",
        "localhost",
        ".good.test",
        "good..test",
        "good.test..",
        "-good.test",
        "good-.test",
        "_dmarc.good.test",
        "*.good.test",
        "good test.test",
        "good.test/",
        "https://good.test",
        "a@good.test",
        "good.test:25",
        "127.0.0.1",
        "[::1]",
        "2130706433.1",
        "good.t",
        "co.uk",
        "Com.AU.",
        "or.jp",
        "good.te\x00st",
        "good.test\r\nBcc: x",
        "go\u202eod.test",
        "xn--.test",
        "xn--a\u0308.test",
        "xn--zz--.test",
        "\ud800.test",
        "x" * 64 + ".test",
        "x." * 100 + "x" * 60 + ".test",
        "💩" * 300 + ".test",
    ],
)
def test_an_invalid_domain_name_is_rejected(written):
    with pytest.raises(DomainNameError):
        canonical_name(written)


def test_room_is_left_for_the_names_below():
    longest = ".".join(["x" * 50] * 4)[: MAX_LENGTH - 5] + ".test"
    assert canonical_name(longest) == longest
    with pytest.raises(DomainNameError):
        canonical_name("yy" * 10 + "." + longest)


def test_names_below_and_beside_a_public_suffix_are_taken():
    assert canonical_name("Shop.co.uk") == "shop.co.uk"
    assert canonical_name("co.example") == "co.example"
    # A wildcard of the list and its exception.
    assert canonical_name("city.kawasaki.jp") == "city.kawasaki.jp"
    for name in ("co.uk", "com.mm", "k12.ma.us", "公司.cn", "shop.kawasaki.jp"):
        with pytest.raises(DomainNameError, match=r"is a public suffix"):
            canonical_name(name)
