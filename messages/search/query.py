"""The text of the search box as terms: words with a value, such as `to:jo@example.com`, and free text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_LENGTH = 1_000
MAX_TERMS = 20

START = re.compile(r"\S")
WORD = re.compile(r"(?P<word>[a-z][a-z_-]*):", re.IGNORECASE)
# `=` asks for the whole value, `:` for any part.
PAIR = re.compile(r"(?P<word>meta(?:data)?)\.(?P<key>[^\s:=\"]{1,64})(?P<mark>[:=])", re.IGNORECASE)
BLANKS = re.compile(r"\s*")
VALUE = re.compile(r'"(?P<quoted>[^"]*)"?|(?P<plain>\S+)')


class SearchError(Exception):
    """What is wrong with a search, as a sentence for the person who typed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A part of the search. Free text has no word; `key` is the name of a metadata's value.

    `start` and `end` are its place in the text.
    """

    value: str
    start: int
    end: int
    word: str = ""
    key: str = ""
    is_whole: bool = False


def split_terms(text: str) -> list[Term]:
    """The terms of a search, in order. Raises SearchError for a text that is too long."""
    if len(text) > MAX_LENGTH:
        raise SearchError(f"A search has at most {MAX_LENGTH:,} characters.")
    terms = list(read_terms(text.replace("\0", " ")))
    if len(terms) > MAX_TERMS:
        raise SearchError(f"A search has at most {MAX_TERMS} terms.")
    return terms


def read_terms(text: str) -> Iterator[Term]:
    position = 0
    while begin := START.search(text, position):
        start = begin.start()
        head = PAIR.match(text, start) or WORD.match(text, start)
        # People write `to: jo@example.com` too.
        value_at = skip_blanks(text, head.end()) if head else start
        value = VALUE.match(text, value_at)
        if head and is_word_at(text, value_at, head.end()):
            value = None
        position = value.end() if value else head.end() if head else len(text)
        parts = head.groupdict() if head else {}
        yield Term(
            word=parts.get("word", "").lower().replace("_", "-"),
            key=parts.get("key", ""),
            is_whole=parts.get("mark") == "=",
            value=(value["plain"] or value["quoted"] or "").strip() if value else "",
            start=start,
            end=position,
        )


def skip_blanks(text: str, position: int) -> int:
    blanks = BLANKS.match(text, position)
    return blanks.end() if blanks else position


def is_word_at(text: str, position: int, head_end: int) -> bool:
    """Whether the next word follows at `position`, after blanks: then the one before has no value."""
    return position > head_end and bool(PAIR.match(text, position) or WORD.match(text, position))


def leave_out(text: str, term: Term) -> str:
    """The text of the search without this term."""
    return " ".join(f"{text[: term.start]} {text[term.end :]}".split())
