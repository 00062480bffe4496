"""The conditions of a search, each along an index."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from common.text import fold
from messages.models import Attempt, Content, Recipient

# pg_trgm looks up three characters at a time; of fewer it knows only those at the beginning of a word.
TRIGRAM = 3
ASCII_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition on messages. `text` is the same on the rows of `Subject`, for conditions on the searched text.

    `is_indexed`: the trigram index knows characters of that text.
    """

    q: Q
    text: Q | None = None
    is_indexed: bool = False


# A look-up and its pattern, of a column of `Subject`.
Pattern = tuple[str, str, str]
OF_MESSAGE, OF_SUBJECT = "searched_subject__", ""


def find_text(columns: Sequence[str], text: str) -> Condition:
    """Matches messages with this text in one of the searched columns: any part, or a beginning if it is short."""
    folded = fold(text)
    if len(folded) >= TRIGRAM:
        return match_any([(column, "contains", folded) for column in columns])
    # The subject is stored as it is; of the other columns each part is a line.
    return match_any(
        [
            (column, "startswith", folded) if column == "text" else (column, "contains", f"\n{folded}")
            for column in columns
        ]
    )


def find_pair(key: str, value: str, *, is_whole: bool) -> Condition:
    """Matches messages whose metadata has this value under the key: the whole of it, or any part."""
    begin, folded = f"\n{fold(key)}=", fold(value)
    if is_whole or len(folded) < TRIGRAM:
        return match_any([("pairs", "contains", f"{begin}{folded}{chr(10) * is_whole}")])
    # The index looks up the part alone; the second pattern decides.
    pattern = f"{re.escape(begin)}[^\n]*{re.escape(folded)}"
    part, whole = match_any([("pairs", "contains", folded)]), match_any([("pairs", "regex", pattern)])
    assert part.text is not None
    assert whole.text is not None
    return Condition(q=part.q & whole.q, text=part.text & whole.text, is_indexed=part.is_indexed)


def match_any(patterns: Sequence[Pattern]) -> Condition:
    """Matches rows that one of the patterns fits."""
    is_indexed = all(has_trigram(pattern, is_begin=lookup == "startswith") for _, lookup, pattern in patterns)
    return Condition(q=join(patterns, OF_MESSAGE), text=join(patterns, OF_SUBJECT), is_indexed=is_indexed)


def join(patterns: Sequence[Pattern], prefix: str) -> Q:
    q = Q()
    for column, lookup, pattern in patterns:
        q |= Q(**{f"{prefix}{column}__{lookup}": pattern})
    return q


def has_trigram(pattern: str, *, is_begin: bool = False) -> bool:
    """Whether pg_trgm can look up `pattern` as a part of a text, in a database of any locale.

    A word inside of the pattern has blanks around it, two before and one after. At an end of the pattern it may go on,
    unless the text begins there.
    """
    return any(
        2 * (is_begin or word.start() > 0) + len(word[0]) + (word.end() < len(pattern)) >= TRIGRAM
        for word in ASCII_WORD.finditer(pattern)
    )


def has_remote_id(text: str) -> Q:
    """Matches messages to which a provider, or the client as its Message-ID, gave this id; brackets do not matter."""
    bare = strip_brackets(text)
    # The index omits attempts without an id. PostgreSQL uses it only if the query repeats that condition.
    attempts = Attempt.objects.filter(~Q(remote_id=""), remote_id__in=[bare, f"<{bare}>"])
    originals = Content.objects.filter(~Q(original_message_id=""), original_message_id=bare)
    # Two look-ups of ids, each along its index: an OR of two conditions would read every message of the project.
    return Q(pk__in=attempts.values("recipient__message_id").union(originals.values("message_id"), all=True))


def strip_brackets(text: str) -> str:
    return text.strip().removeprefix("<").removesuffix(">")


def has_reason(reasons: Collection[str], project_ids: Collection[UUID]) -> Q:
    """Matches messages of these projects with a recipient whose state has one of the reasons."""
    # The index omits recipients without a reason. PostgreSQL uses it only if the query repeats that condition.
    rows = Recipient.objects.filter(~Q(status_reason=""), project_id__in=project_ids, status_reason__in=reasons)
    return Q(pk__in=rows.values("message_id"))
