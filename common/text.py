"""Character classes: characters not allowed in a single line of text, and characters that compare as equal."""

import re
import unicodedata

# Cc (with TAB, CR, LF, NUL, VT, FF, DEL and NEL), the separators LS and PS, and halves of surrogate pairs.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Characters that reorder the text around them (UAX #9, 2), so that a name can pass for another.
BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def fold(text: str) -> str:
    """`text` normalised for searches: case and composition of characters are ignored.

    The database cannot do this: its case conversion depends on its locale.
    """
    return unicodedata.normalize("NFKC", text).casefold()


def find_control_character(text: str) -> str | None:
    """The first control character of `text`, written `U+000A`; None if there is none."""
    return describe_match(CONTROL.search(text))


def remove_bidi_controls(text: str) -> str:
    """`text` without the characters that change the direction of writing."""
    return BIDI.sub("", text)


def find_bidi_control(text: str) -> str | None:
    """The first character of `text` that changes the direction of writing, written `U+202E`; None if there is none."""
    return describe_match(BIDI.search(text))


def describe_match(match: re.Match[str] | None) -> str | None:
    return f"U+{ord(match[0]):04X}" if match else None
