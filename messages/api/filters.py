"""GET /emails: what a list is narrowed by, and the queries behind it, newest first."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.functions import Lower, StrIndex
from django.db.models.lookups import GreaterThan

from accounts.models import Project
from common.ids import greatest_id_at, least_id_at
from common.text import fold
from messages.models import Message, Recipient
from messages.selectors import with_rows
from templates_app.services import match_ref

TextField.register_lookup(Lower)


def list_messages(project: Project, query: dict[str, Any]) -> tuple[list[Message], bool]:
    """A page and whether more follows; one row too many is read instead of a COUNT.

    With `before` alone the page is the one just above it, read upwards and shown downwards; more may follow above.
    """
    messages = narrow(project, query)
    limit, offset = query["limit"], query["offset"]
    is_upward = "before" in query and "after" not in query
    ordered = messages.order_by("id" if is_upward else "-id")
    # Ids first, from an index alone; then the rows of the page.
    ids: list[UUID] = list(ordered.values_list("pk", flat=True)[offset : offset + limit + 1])
    page = with_rows(project.messages.filter(pk__in=ids[:limit])).order_by("-id")
    return list(page), len(ids) > limit


def narrow(project: Project, query: dict[str, Any]) -> QuerySet[Message]:
    """The project's messages under every condition that the query names."""
    messages: QuerySet[Message] = project.messages.all()
    for name, condition in CONDITIONS.items():
        if name in query:
            messages = messages.filter(condition(query[name]))
    if "template_id" in query:
        messages = messages.filter(made_from(project, query["template_id"]))
    return messages


def sent_to(address: str) -> Exists:
    """One of the recipients; people's addresses are theirs in any case."""
    return Exists(
        Recipient.objects.alias(lower=Lower("address")).filter(
            message_id=OuterRef("pk"), project_id=OuterRef("project_id"), lower=address.lower()
        )
    )


def made_from(project: Project, ref: str) -> Q:
    """The template that is or was named so; a deleted one gives its alias free."""
    named = project.templates.filter(match_ref(ref)).order_by(F("deleted_at").desc(nulls_first=True))
    return Q(template_id=named.values_list("pk", flat=True).first() or NOBODY)


# pg_trgm looks up three characters at a time.
TRIGRAM = 3
# No row has this id.
NOBODY = UUID(int=0)


def created_after(time: datetime) -> Q:
    # Ids carry the time of creation, and every list is read along them.
    return Q(created_at__gt=time, pk__gte=least_id_at(time))


def created_before(time: datetime) -> Q:
    return Q(created_at__lt=time, pk__lte=greatest_id_at(time))


def has_subject(text: str) -> Q:
    folded = fold(text)
    if len(folded) >= TRIGRAM:
        return Q(searched_subject__text__contains=folded)
    # The index would have to be read whole: the newest rows one by one are the shorter way.
    return Q(GreaterThan(StrIndex("searched_subject__text", Value(folded)), 0))


CONDITIONS: dict[str, Callable[[Any], Q | Exists]] = {
    "after": lambda pk: Q(pk__lt=pk),
    "before": lambda pk: Q(pk__gt=pk),
    "status": lambda status: Q(status=status),
    "to": lambda to: sent_to(to.address),
    "from_": lambda sender: Q(from_address__lower=sender.address.lower()),
    # The index leaves out what has no tags: said here too, or it would not be used.
    "tag": lambda tag: ~Q(tags=[]) & Q(tags__contains=[tag]),
    "created_after": created_after,
    "created_before": created_before,
    "q": has_subject,
}
