"""The wording of times, counts and quotations in explanations."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

# Longer replies are cut; the attempt itself shows the whole reply.
MAX_QUOTE = 300


def say_time(at: datetime) -> str:
    """`2026-11-22 20:32:05 UTC`, the form of the whole admin."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def say_span(span: timedelta) -> str:
    """`3 minutes`, in the largest unit of which there are two or more."""
    seconds = round(span.total_seconds())
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * size:
            return say_count(round(seconds / size), unit)
    return say_count(seconds, "second")


def say_count(count: int, noun: str) -> str:
    """`1 attempt`, `2 attempts`."""
    plural = noun[:-1] + "ies" if noun.endswith("y") and not noun.endswith("ay") else noun + "s"
    return f"{count} {noun if count == 1 else plural}"


def say_list(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def quote(code: int | None, enhanced_code: str, text: str) -> str:
    """`550 5.1.1 "No such user"`; empty if all parts are empty."""
    short = text if len(text) <= MAX_QUOTE else f"{text[:MAX_QUOTE]}…"
    parts = [str(code) if code else "", enhanced_code, f'"{short}"' if short else ""]
    return " ".join(part for part in parts if part)


def capitalize(text: str) -> str:
    """`text` with a capital first letter; the rest does not change."""
    return text[:1].upper() + text[1:]


def end_sentence(text: str) -> str:
    """`text` with a capital first letter and a full stop at its end."""
    return capitalize(text) + ("" if not text or text.endswith((".", "!", "?", "…")) else ".")
