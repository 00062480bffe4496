"""Shared parts of the message commands: look-up, filters as in the API, and progress on a terminal."""

from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import merge
from typing import Any, TypeVar
from uuid import UUID

from django.core.management.base import CommandError
from django.http import QueryDict
from rest_framework.exceptions import ValidationError
from rich.console import Console
from rich.progress import track

from accounts.models import Project
from common.errors import ApiError, InvalidFieldsError
from common.validation import list_field_errors
from messages.api.filters import EmailQuery, narrow
from messages.models import Message
from messages.search.conditions import has_remote_id
from messages.states import OF_MESSAGES

T = TypeVar("T")
# Ids that an error names.
SEVERAL = 5

# The filter options, each with the API's parameter and its help.
FILTERS: Mapping[str, tuple[str, str]] = {
    "--status": ("status", ", ".join(OF_MESSAGES)),
    "--to": ("to", "A recipient's address, in to, cc or bcc."),
    "--from": ("from_", "The sender's address."),
    "--tag": ("tag", "Only emails with this tag."),
    "--template": ("template_id", "Id or alias of a template."),
    "--created-after": ("created_after", "Such as 2030-01-31T12:00:00Z."),
    "--created-before": ("created_before", "Such as 2030-01-31T12:00:00Z."),
    "--search": ("q", "A part of the subject."),
}


def add_filters(parser: ArgumentParser) -> None:
    for option, (parameter, words) in FILTERS.items():
        parser.add_argument(option, dest=f"filter_{parameter}", metavar=parameter.strip("_").upper(), help=words)


def given_filters(options: Mapping[str, Any]) -> dict[str, str]:
    """The given filters, by the API's names."""
    named = {parameter: options[f"filter_{parameter}"] for parameter, _ in FILTERS.values()}
    return {name: value for name, value in named.items() if value is not None}


def read_filters(given: Mapping[str, str]) -> dict[str, Any]:
    """Validate filters as the API validates a query string. Raises CommandError with all errors."""
    data = QueryDict(mutable=True)
    data.update(given)
    serializer = EmailQuery(data=data)
    try:
        serializer.is_valid(raise_exception=True)
    except ValidationError as error:
        raise as_command_error(InvalidFieldsError(list_field_errors(error))) from None
    return dict(serializer.validated_data)


def as_command_error(error: ApiError) -> CommandError:
    """Convert an API error into a CommandError of one line, with the message of each invalid field."""
    if not error.errors:
        return CommandError(error.detail)
    return CommandError("; ".join(f"{each.field}: {each.message}".removeprefix(": ") for each in error.errors))


def walk_projects(projects: Iterable[Project], query: Mapping[str, Any]) -> Iterator[UUID]:
    """As `walk_messages`, of several projects together."""
    return merge(*(walk_messages(project, query) for project in projects), reverse=True)


def walk_messages(project: Project, query: Mapping[str, Any]) -> Iterator[UUID]:
    """Iterate over the ids of matching messages, newest first, page by page. Messages added meanwhile are left out."""
    messages = narrow(project.messages.all(), project, query).order_by("-id").values_list("pk", flat=True)
    if after := query.get("after"):
        messages = messages.filter(pk__lt=after)
    page = list(messages[:500])
    while page:
        yield from page
        page = list(messages.filter(pk__lt=page[-1])[:500])


def find_message(text: str) -> Message:
    """The message with this id or Message-ID, from any project: ours, the client's, or an email service's own id.

    CommandError if there is none, or more than one.
    """
    messages = Message.objects.select_related("project")
    pk = read_id_or_none(text)
    own = messages.filter(pk=pk).first() if pk else None
    found = [own] if own else list(messages.filter(has_remote_id(text)).order_by("-id")[:SEVERAL])
    match found:
        case [message]:
            return message
        case []:
            raise CommandError(f"There is no email with the id or Message-ID {text}.")
    ids = ", ".join(str(message.pk) for message in found)
    raise CommandError(f"Several emails have the id {text}. Give one of their own: {ids}.")


def read_id_or_none(text: str) -> UUID | None:
    """The id in `01890a5d-…`, or in a Message-ID that is made of it."""
    try:
        return UUID(text.strip().removeprefix("<").removesuffix(">").partition("@")[0])
    except ValueError:
        return None


def show_progress(items: Sequence[T], words: str, *, is_silent: bool) -> Iterable[T]:
    """Iterate over `items`, with a progress bar on stderr if that is a terminal."""
    console = Console(stderr=True)
    if is_silent or not console.is_terminal or len(items) < 2:
        return items
    return track(items, words, console=console, transient=True)
