"""The text of the search box, read as terms."""

import pytest

from messages.search.conditions import has_trigram
from messages.search.query import MAX_TERMS, SearchError, leave_out, split_terms


def read(text: str) -> list[tuple[str, str]]:
    return [(f"{term.word}.{term.key}".strip("."), term.value) for term in split_terms(text)]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("  bob  smith ", [("", "bob"), ("", "smith")]),
        ("to:bob@x.test", [("to", "bob@x.test")]),
        ("TO: Bob status:failed", [("to", "Bob"), ("status", "failed")]),
        ('subject:"your order" "two words"', [("subject", "your order"), ("", "two words")]),
        ('subject: "your order', [("subject", "your order")]),
        ("meta.order=7 metadata.Order:7", [("meta.order", "7"), ("metadata.Order", "7")]),
        ("message_id:<1@x> remote-id:<2@y>", [("message-id", "<1@x>"), ("remote-id", "<2@y>")]),
        ("to: from:shop", [("to", ""), ("from", "shop")]),
        ("to:", [("to", "")]),
        ('"re: hello" 10:30 a=b', [("", "re: hello"), ("", "10:30"), ("", "a=b")]),
        ("a\0b", [("", "a"), ("", "b")]),
        ('""', [("", "")]),
    ],
)
def test_words_have_values_and_other_text_is_free(text: str, terms: list[tuple[str, str]]) -> None:
    assert read(text) == terms


def test_a_term_can_be_left_out() -> None:
    text = 'to:bob  subject: "your order" tag:x'
    assert [leave_out(text, term) for term in split_terms(text)] == [
        'subject: "your order" tag:x',
        "to:bob tag:x",
        'to:bob subject: "your order"',
    ]


@pytest.mark.parametrize("text", ["x" * 1001, "a " * (MAX_TERMS + 1)])
def test_a_search_that_is_too_long_is_refused_in_words(text: str) -> None:
    with pytest.raises(SearchError, match="A search has at most"):
        split_terms(text)


@pytest.mark.parametrize(
    ("pattern", "is_known"),
    [("abc", True), ("ab", False), ("\nab", True), ("\na", True), ("a-", False), ("a b c", True), ("---", False)],
)
def test_the_index_knows_three_characters_together_or_a_words_begin(pattern: str, is_known: bool) -> None:
    assert has_trigram(pattern) is is_known
