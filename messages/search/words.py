"""The words of the search box, each with the condition of its value."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from common.ids import parse_id
from messages.search.conditions import Condition, find_pair, find_text, has_reason, has_remote_id
from messages.search.query import SearchError, Term
from messages.states import OF_MESSAGES, OPEN, Status, StatusReason
from templates_app.models import Template

# What free text is looked for in.
FREE = ("text", "sender", "recipients", "tags", "filenames")
# A Message-ID is the message's id at the sender's domain; people paste it with and without the angle brackets.
ID_BEGIN = re.compile(r"<?\s*(?P<id>[0-9a-f]{8}[0-9a-f-]{0,28})(?:@[^\s<>]*)?\s*>?", re.IGNORECASE)
WHOLE_ID = re.compile(r"<?\s*[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:@[^\s<>]+)?\s*>?", re.IGNORECASE)
ID_DIGITS = 32
# Stands for the statuses of mail that is in the queue or on its way.
OPEN_WORD = "open"
REASONS = [str(reason) for reason in StatusReason if reason]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The projects that the search looks into."""

    project_ids: Collection[UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchWord:
    """A word with its meaning for people."""

    meaning: str
    example: str
    build: Callable[[Term, Scope], Condition]


def in_column(column: str) -> Callable[[Term, Scope], Condition]:
    return lambda term, _: find_text((column,), term.value)


def has_template(term: Term, scope: Scope) -> Condition:
    """By a part of the alias or the name, or by the id."""
    named = Q(alias__icontains=term.value) | Q(name__icontains=term.value)
    if pk := parse_id(term.value):
        named |= Q(pk=pk)
    ids = list(Template.objects.filter(named, project_id__in=scope.project_ids).values_list("pk", flat=True))
    if not ids:
        raise SearchError(f"No template has “{term.value}” in its alias or name.")
    return Condition(q=Q(template_id__in=ids))


def has_status(term: Term, _: Scope) -> Condition:
    chosen = choose(term, [*OF_MESSAGES, OPEN_WORD], "status")
    return Condition(q=Q(status__in=OPEN if chosen == [OPEN_WORD] else chosen))


def has_status_reason(term: Term, scope: Scope) -> Condition:
    return Condition(q=has_reason(choose(term, REASONS, "reason"), scope.project_ids))


def choose(term: Term, choices: Sequence[str], noun: str) -> list[str]:
    """The choice with this name, or those with this part."""
    wanted = term.value.lower().replace(" ", "_").replace("-", "_")
    found = [str(choice) for choice in choices if choice == wanted] or [str(each) for each in choices if wanted in each]
    if not found:
        raise SearchError(f"There is no {noun} “{term.value}”. There are: {', '.join(choices)}.")
    return found


def has_id(term: Term, _: Scope) -> Condition:
    """By the id, its first eight digits or more, or the Message-ID made of it."""
    if not (match := ID_BEGIN.fullmatch(term.value)):
        raise SearchError(
            f"“{term.value}” is not the beginning of an id: that has eight digits of 0–9 and a–f or more."
        )
    digits = match["id"].replace("-", "")
    if len(digits) > ID_DIGITS:
        raise SearchError(f"“{term.value}” is longer than an id.")
    least, greatest = (UUID(digits.ljust(ID_DIGITS, fill)) for fill in "0f")
    return Condition(q=Q(pk__gte=least, pk__lte=greatest))


def has_message_id(term: Term, scope: Scope) -> Condition:
    """By the Message-ID of the mail, or the one that the client had written."""
    return has_id(term, scope) if WHOLE_ID.fullmatch(term.value) else Condition(q=has_remote_id(term.value))


def has_id_elsewhere(term: Term, _: Scope) -> Condition:
    return Condition(q=has_remote_id(term.value))


def has_pair(term: Term, _: Scope) -> Condition:
    if not term.key:
        raise SearchError(f"Write the name of the value too: {term.word}.order={term.value}")
    return find_pair(term.key, term.value, is_whole=term.is_whole)


META = SearchWord(meaning="a value of the metadata; with : any part of it", example="meta.order=7", build=has_pair)
WORDS: Mapping[str, SearchWord] = {
    "to": SearchWord(meaning="a recipient, also in Cc and Bcc", example="to:jo@", build=in_column("recipients")),
    "from": SearchWord(meaning="the sender", example="from:shop", build=in_column("sender")),
    "subject": SearchWord(meaning="the subject", example='subject:"your order"', build=in_column("text")),
    "tag": SearchWord(meaning="a tag", example="tag:receipt", build=in_column("tags")),
    "filename": SearchWord(meaning="an attachment's name", example="filename:invoice", build=in_column("filenames")),
    "template": SearchWord(meaning="a template's alias or name", example="template:welcome", build=has_template),
    "status": SearchWord(
        meaning="the status; open: queued or delivering", example=f"status:{Status.BOUNCED}", build=has_status
    ),
    "reason": SearchWord(
        meaning="the reason for a status", example=f"reason:{StatusReason.UNCERTAIN}", build=has_status_reason
    ),
    "id": SearchWord(meaning="the message's id or its first eight digits", example="id:01a2041b", build=has_id),
    "message-id": SearchWord(meaning="the Message-ID", example="message-id:<…@acme.example>", build=has_message_id),
    "remote-id": SearchWord(
        meaning="the id that an email service gave it", example="remote-id:0b5c9f7e", build=has_id_elsewhere
    ),
    "meta": META,
    "metadata": META,
}


def build_condition_of(term: Term, scope: Scope) -> Condition:
    """The condition of a term. Raises SearchError for an unknown word, a wrong value, and a word without a value."""
    if not term.word and not term.value:
        raise SearchError("There is nothing between the quotes.")
    if not term.word:
        return find_text(FREE, term.value)
    if (word := WORDS.get(term.word)) is None:
        known = ", ".join(f"{name}:" for name in WORDS if WORDS[name] is not META)
        raise SearchError(
            f"“{term.word}:” is not a word of this search. There are {known} and meta.NAME=. "
            "Put text with a colon into quotes."
        )
    if not term.value:
        raise SearchError(f"“{term.word}:” needs a value, such as {word.example}")
    return word.build(term, scope)
