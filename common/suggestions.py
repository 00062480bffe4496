"""Names that a caller may have meant: the nearest one, or the choice where it is small."""

from collections.abc import Collection
from difflib import get_close_matches

# So many names are told; a longer list helps nobody who reads an error.
MAX_CHOICES = 10
# Looking for a similar name costs a quarter of a millisecond: not for whatever a hostile body holds.
MAX_LENGTH = 40
LIKENESS = 0.75


def suggest(name: str, candidates: Collection[str]) -> str:
    """`Did you mean html?`, else `Choose one of a, b, c.` with ten names at most, else nothing."""
    close = get_close_matches(name, candidates, 1, LIKENESS) if len(name) <= MAX_LENGTH else []
    if close:
        return f"Did you mean {close[0]}?"
    return f"Choose one of {', '.join(candidates)}." if 0 < len(candidates) <= MAX_CHOICES else ""


def describe_unknown(sentence: str, name: str, candidates: Collection[str]) -> str:
    """`sentence`, followed by what `suggest` says."""
    return f"{sentence} {suggest(name, candidates)}".rstrip()
