"""Substitutions: words of the content that each personalization replaces, and sections: texts that these texts name.

Sources: https://www.twilio.com/docs/sendgrid/for-developers/sending-email/personalizations#substitutions and
…/section-tags.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from common.errors import join_path
from gateways.compat.rewriting import reject

# SendGrid's limit, in bytes of UTF-8, for the words and texts of one personalization.
MAX_BYTES = 10_000
# Those of all sections together.
MAX_SECTIONS = 1_000_000
# Each length of word is compared at each place that begins like one of them.
MAX_WORD = 100
# The fields of ours in which words are replaced.
FIELDS = ("subject", "html", "text", "reply_to")


def read_words(field: str, given: object, limit: int) -> dict[str, str]:
    """The words with their texts; null is an empty text. Raises InvalidFieldsError."""
    if not isinstance(given, Mapping):
        reject(field, "Must be an object of strings.")
    words: dict[str, str] = {}
    for word, text in given.items():
        if not 1 <= len(word) <= MAX_WORD:
            reject(field, f"A word must have 1 to {MAX_WORD} characters.", "max_length")
        if not isinstance(text, str | None):
            reject(join_path(field, word), "Must be a string.")
        words[word] = text or ""
    if sum(len(word.encode()) + len(text.encode()) for word, text in words.items()) > limit:
        reject(field, f"Must have at most {limit:,} bytes in all.", "max_length")
    return words


def read_substitutions(given: object) -> dict[str, str]:
    return read_words("substitutions", given, MAX_BYTES)


def read_sections(given: object) -> dict[str, str]:
    return read_words("sections", given, MAX_SECTIONS)


def fill_sections(words: Mapping[str, str], sections: Mapping[str, str], limit: int) -> dict[str, str]:
    """The substitutions with the sections that they name, in which they are replaced themselves."""
    named = {tag: text for tag, text in sections.items() if any(tag in word for word in words.values())}
    filled = {tag: replace_in(text, words, "sections", limit) for tag, text in named.items()}
    return (
        {word: replace_in(text, filled, "sections", limit) for word, text in words.items()} if filled else dict(words)
    )


def replace_words(body: Mapping[str, Any], words: Mapping[str, str], limit: int) -> dict[str, Any]:
    """The body of an email with the words replaced. Raises InvalidFieldsError if a field grows over `limit`."""
    written = dict(body)
    for field in FIELDS:
        value = body.get(field)
        if isinstance(value, str):
            written[field] = replace_in(value, words, field, limit)
        elif isinstance(value, list):
            written[field] = [replace_in(each, words, field, limit) for each in value]
    return written


def replace_in(text: str, words: Mapping[str, str], field: str, limit: int) -> str:
    """The text with each word replaced once, the longest first where several begin at the same place."""
    pieces, length = [], 0
    for piece in cut(text, words):
        length += len(piece)
        if length > limit:
            reject(field, f"Must have at most {limit:,} characters after the substitutions.", "max_length")
        pieces.append(piece)
    return "".join(pieces)


def cut(text: str, words: Mapping[str, str]) -> Iterator[str]:
    """The pieces of the text between the words, and the texts in place of those."""
    lengths = sorted({len(word) for word in words}, reverse=True)
    begins = re.compile(f"[{''.join(re.escape(char) for char in {word[0] for word in words})}]")
    start = 0
    place = begins.search(text)
    while place:
        at = place.start()
        word = next((text[at : at + length] for length in lengths if text[at : at + length] in words), None)
        if word is not None:
            yield text[start:at]
            yield words[word]
            start = at + len(word)
        place = begins.search(text, start if word is not None else at + 1)
    yield text[start:]
