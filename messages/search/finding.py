"""Finds the messages of a search, newest first, along indexes, whether few or nearly all match.

Text that most messages have is found among the newest ones at once; text that few have is found by the trigram index.
PostgreSQL cannot know which it is: its statistics tell nothing of several conditions together, and a wrong guess reads
a million rows. So the newest messages are looked at first, and the index only if they do not fill the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from messages.models import Message, Subject
from messages.search.conditions import Condition, has_remote_id
from messages.search.query import SearchError, Term, split_terms
from messages.search.words import WHOLE_ID, Scope, build_condition_of, has_id

# The messages nearest to the page's begin that are looked at one by one; then the most matches of the index, by step.
NEAR = 3_000
MATCHES = (2_000, 30_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search that was read: its terms, what is wrong with it, and its conditions, all of which must hold."""

    text: str
    terms: Sequence[Term]
    problems: Sequence[str]
    conditions: Sequence[Condition]
    # Messages that have these are found beside those of the conditions.
    others: Sequence[Q] = ()

    @property
    def q(self) -> Q:
        """Everything as one condition, for a small set of messages."""
        q = Q()
        for condition in self.conditions:
            q &= condition.q
        for other in self.others:
            q |= other
        return q


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The page: the most ids, and the id where it begins, newer or older than it."""

    limit: int
    anchor: UUID | None = None
    is_upwards: bool = False

    @property
    def order(self) -> str:
        return "" if self.is_upwards else "-"

    def narrow(self, anchor: UUID | None, name: str = "pk") -> Q:
        return Q(**{f"{name}__{'gt' if self.is_upwards else 'lt'}": anchor}) if anchor else Q()


def read_search(text: str, scope: Scope) -> Search:
    """Read the text of the search box. A search with problems has no conditions."""
    try:
        terms = split_terms(text)
    except SearchError as error:
        return Search(text=text, terms=(), problems=[str(error)], conditions=())
    conditions, problems = [], []
    for term in terms:
        try:
            conditions.append(build_condition_of(term, scope))
        except SearchError as error:
            problems.append(str(error))
    return Search(
        text=text,
        terms=terms,
        problems=problems,
        conditions=() if problems else conditions,
        others=() if problems else list_others(terms, scope),
    )


def list_others(terms: Sequence[Term], scope: Scope) -> list[Q]:
    """What else a search for a single text may mean: people paste ids of all kinds."""
    if len(terms) != 1 or terms[0].word or not terms[0].value:
        return []
    [term] = terms
    return [has_remote_id(term.value), *([has_id(term, scope).q] if WHOLE_ID.fullmatch(term.value) else [])]


def find_ids(messages: QuerySet[Message], search: Search, page: Range) -> list[UUID]:
    """The ids of the page, in its order. `messages` are those that may be seen, with the filters of the list."""
    found = set(find_by_conditions(messages, search, page))
    # Each has its own query, because OR would use no index.
    for other in search.others:
        found |= set(messages.filter(other, page.narrow(page.anchor)).values_list("pk", flat=True)[: page.limit])
    return sorted(found, reverse=not page.is_upwards)[: page.limit]


def find_by_conditions(messages: QuerySet[Message], search: Search, page: Range) -> list[UUID]:
    plain = [condition.q for condition in search.conditions if condition.text is None]
    texts = [condition for condition in search.conditions if condition.text is not None]
    rows = messages.filter(*plain, page.narrow(page.anchor)).order_by(f"{page.order}pk")
    if not any(condition.is_indexed for condition in texts):
        return list(rows.filter(*(each.q for each in texts)).values_list("pk", flat=True)[: page.limit])
    near = rows.filter(pk__in=rows.values("pk")[:NEAR]).filter(*(each.q for each in texts))
    found = list(near.values_list("pk", flat=True)[: page.limit])
    if len(found) < page.limit and (bound := rows.values_list("pk", flat=True)[NEAR - 1 : NEAR].first()):
        found += find_by_index(rows, [each.text for each in texts if each.text], replace(page, anchor=bound))
    return found[: page.limit]


def find_by_index(rows: QuerySet[Message], texts: Sequence[Q], page: Range) -> list[UUID]:
    """The first ids of `rows` beyond the page's anchor with the texts, by the index of these."""
    found: list[UUID] = []
    with transaction.atomic(), connection.cursor() as cursor:
        # Even where most rows match, the index is what finds the newest of them.
        cursor.execute("SET LOCAL enable_seqscan = off")
        for most in MATCHES:
            matches = Subject.objects.filter(*texts, page.narrow(page.anchor, "message_id"))
            # By the text of the ids, which no index has: else PostgreSQL may read row by row in that order.
            placed = matches.annotate(place=Cast("message_id", TextField())).order_by(f"{page.order}place")
            ids = list(placed.values_list("message_id", flat=True)[:most])
            found += rows.filter(pk__in=ids).values_list("pk", flat=True)[: page.limit - len(found)]
            if len(found) >= page.limit or len(ids) < most:
                break
            page = replace(page, anchor=ids[-1])
    return found
