"""References to parts of the mail are found where programs find them, and nowhere else."""

import pytest

from delivery.html.content_ids import find_content_ids


@pytest.mark.parametrize(
    "document",
    [
        "<img src='cid:pic'>",
        "<IMG SRC=CID:pic>",
        '<img src=" Cid:pic ">',
        '<img src="&#99;id:pic">',
        "<img srcset='https://a.test/1.png 1x, cid:pic 2x'>",
        "<td background=cid:pic>",
        "<p style=\"background: url( 'CID:pic' )\">",
        "<p style='background:url(cid:pic)'>",
        "<style>p{background:URL(cid:pic)}</style>",
        "<svg><use xlink:href='cid:pic#home'/></svg>",
        "<!--[if mso]><v:fill type='tile' src='cid:pic'/><![endif]-->",
        "<!--[if !mso]><!--><img src=cid:pic><!--<![endif]-->",
        "<img src='cid:%70ic'>",
    ],
)
def test_a_reference_is_found(document: str) -> None:
    assert "pic" in find_content_ids(f"<p>{document}</p>")


@pytest.mark.parametrize(
    "document",
    [
        "cid:pic",
        "<p title='cid:pic' alt='cid:pic'>",
        "<img src='cid:pic2'>",
        "<img src='https://a.test/cid:pic'>",
        "<!-- <img src='cid:pic'> -->",
        "<textarea><img src='cid:pic'></textarea>",
        "<script>x = 'cid:pic'</script>",
        "<img src='acid:pic'>",
    ],
)
def test_what_only_looks_like_one_is_not(document: str) -> None:
    assert "pic" not in find_content_ids(document)


@pytest.mark.parametrize(
    "document",
    [
        "<p style='url(" + " " * 1_000_000 + "'>",
        "<style>" + "url( " * 300_000,
        "<!--[if a]>" * 100_000,
        "<!--[if a]>" * 1_000 + "-->" * 1_000,
        "<p style='" + "@import " * 100_000 + "'>",
    ],
    ids=["spaces", "urls", "open comments", "comments", "imports"],
)
def test_hostile_html_is_read_once(document: str) -> None:
    assert find_content_ids(document) == frozenset()


def test_an_id_is_decoded() -> None:
    assert {"a@b", "c d"} <= find_content_ids("<img src='cid:a%40b'><p style='background:url(cid:c%20d)'>")
