"""Names that a caller may have meant: the nearest one, or all choices if they are few."""

from collections.abc import Collection
from difflib import get_close_matches

# The maximum number of listed names; a longer list does not help the reader of an error.
MAX_CHOICES = 10
# A search for a similar name takes a quarter of a millisecond, so a hostile body must not trigger many.
MAX_LENGTH = 40
LIKENESS = 0.75


def suggest(name: str, candidates: Collection[str]) -> str:
    """`Did you mean html?`, otherwise `Choose one of a, b, c.` for up to ten names, otherwise an empty string."""
    close = get_close_matches(name, candidates, 1, LIKENESS) if len(name) <= MAX_LENGTH else []
    if close:
        return f"Did you mean {close[0]}?"
    return f"Choose one of {', '.join(candidates)}." if 0 < len(candidates) <= MAX_CHOICES else ""


def describe_unknown(sentence: str, name: str, candidates: Collection[str]) -> str:
    """`sentence`, followed by the result of `suggest`."""
    return f"{sentence} {suggest(name, candidates)}".rstrip()
