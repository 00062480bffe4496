"""Reads HTML as the service does, and checks what the readers promise about the result."""

from delivery.html.content_ids import find_content_ids
from delivery.html.defuse import DataImages, Links, defuse
from delivery.html.plaintext import text_from_html
from delivery.html.tokenizer import Tag, Tokenizer
from tracking.engagement.link_finding import LinkFinder, list_links
from tracking.engagement.link_rewriting import splice


def read_any_html(data: bytes) -> None:
    """Tags lie in their order inside of the document; texts, previews and content ids are found without an error."""
    document = data.decode("utf-8", "replace")
    position = 0
    for token in Tokenizer(document):
        if isinstance(token, Tag):
            assert position <= token.start < token.end <= len(document), "a tag lies outside of its place"
            position = token.end
            for name in ("href", "style"):
                token.find(name)
    text_from_html(document)
    find_content_ids(document)
    for links in Links:
        defuse(document, links, DataImages({"a": ("image/png", b"a")}))


def read_any_links(data: bytes) -> None:
    """Links stand in the document in their order, and a document whose links are replaced by themselves stays."""
    document = data.decode("utf-8", "replace")
    found = LinkFinder().find(document)
    places = found.places
    assert list(places[1:]) == sorted(places[1:]), "links are out of order"
    assert all(0 <= place <= len(document) for place in places), "a link lies outside of the document"
    assert len(places) == 1 + 2 * len(found.urls), "a link has no place"
    list_links(document, places)
    assert splice(document, places, None) == document, "nothing was replaced, and the document changed"
