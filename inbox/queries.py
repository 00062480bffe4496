"""The query parameters of the inbox's JSON: validated, typed, and rejected by name."""

import re
from dataclasses import dataclass
from uuid import UUID

from django.http import QueryDict

from common.errors import FieldError, InvalidFieldsError
from common.text import find_control_character
from inbox.models import Mail
from inbox.services import Filter, list_mail

LIMIT_DEFAULT, LIMIT_MOST = 50, 500
WAIT_MOST = 30.0
WORDS_MOST = 200  # characters of `q`
NUMBER = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,3})?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The list's parameters, validated. `wait` is in seconds."""

    wanted: Filter
    after: UUID | None
    limit: int
    wait: float

    def look(self) -> list[Mail]:
        """One extra row shows whether there are more."""
        return list(list_mail(self.wanted, self.after)[: self.limit + 1])


def parse_query(given: QueryDict) -> Query:
    refuse_unknown(given, {"to", "q", "limit", "after", "wait"})
    return Query(
        wanted=parse_filter(given),
        after=parse_after(given.get("after", "")),
        limit=int(parse_number(given, "limit", (1, LIMIT_MOST), LIMIT_DEFAULT)),
        wait=parse_number(given, "wait", (0, WAIT_MOST), 0),
    )


def refuse_unknown(given: QueryDict, known: set[str]) -> None:
    """A misspelt filter must not list, or delete, everything."""
    if unknown := sorted(set(given) - known):
        raise refuse_parameter(unknown[0][:100], "unknown_parameter", f"Known are {', '.join(sorted(known))}.")


def parse_filter(given: QueryDict) -> Filter:
    to, words = given.get("to", "").strip(), given.get("q", "").strip()
    if len(words) > WORDS_MOST:
        raise refuse_parameter("q", "too_long", f"At most {WORDS_MOST} characters.")
    for name, text in (("to", to), ("q", words)):
        if found := find_control_character(text):
            raise refuse_parameter(name, "control_character", f"Must not contain {found}.")
    return Filter(to=to, q=words)


def parse_number(given: QueryDict, name: str, bounds: tuple[float, float], default: float) -> float:
    text = given.get(name, "")
    if not text:
        return default
    least, most = bounds
    if not NUMBER.match(text) or not least <= float(text) <= most:
        raise refuse_parameter(name, "invalid_number", f"Must be a number from {least:g} to {most:g}.")
    return float(text)


def parse_after(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise refuse_parameter("after", "invalid_id", "Must be the id of a message.") from None


def refuse_parameter(name: str, code: str, message: str) -> InvalidFieldsError:
    return InvalidFieldsError([FieldError(name, code, message)])
