"""A project's streams: the kinds of its mail, each with opt-outs of its own."""

import re
from collections.abc import Collection, Mapping
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.models import Project, Stream, StreamType
from common.errors import ConflictError, FieldError, InvalidFieldsError
from common.suggestions import describe_unknown
from ledger.sql import fetch_column

# The stream of mail that names none. Every project has it, it is transactional, and it cannot be deleted.
DEFAULT_STREAM = "default"
# The word for all streams in queries, so that it cannot name one.
ALL_STREAMS = "all"
NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?")
NAME_RULE = (
    "Must have 1 to 63 lower-case letters, digits, hyphens and underscores, and begin and end with a letter or digit; "
    f"neither `{ALL_STREAMS}` nor a UUID."
)


class StreamExistsError(ConflictError):
    """The project has a stream with this name."""

    code = "stream_exists"


def add_default_stream(project: Project) -> Stream:
    """Give a new project the stream that it has from the start."""
    return Stream.objects.create(project=project, name=DEFAULT_STREAM, type=StreamType.TRANSACTIONAL)


def create_stream(project: Project, *, name: str, type_: StreamType) -> Stream:
    """Make a stream. Raises InvalidFieldsError with the code `invalid_stream_name`, or StreamExistsError."""
    if not NAME.fullmatch(name) or name == ALL_STREAMS or is_uuid(name):
        raise InvalidFieldsError([FieldError("name", "invalid_stream_name", NAME_RULE)])
    try:
        with transaction.atomic():
            return Stream.objects.create(project=project, name=name, type=type_)
    except IntegrityError:
        raise StreamExistsError from None


def is_uuid(text: str) -> bool:
    """Whether `text` reads as an id: a URL names a stream by its id or its name."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


class StreamTypes:
    """The types of a project's streams by name, read once, and not at all for the default stream."""

    def __init__(self, project_id: UUID) -> None:
        self._project_id = project_id
        self._types: Mapping[str, StreamType] | None = None

    def find(self, name: str) -> StreamType:
        """The type of a stream. Raises InvalidFieldsError with the code `unknown_stream` and the nearest name."""
        if name == DEFAULT_STREAM:
            return StreamType.TRANSACTIONAL
        if self._types is None:
            rows = Stream.objects.filter(project_id=self._project_id).values_list("name", "type")
            self._types = {row: StreamType(type_) for row, type_ in rows}
        if name not in self._types:
            raise unknown_stream(name, self._types)
        return self._types[name]


def check_stream(project_id: UUID, name: str) -> None:
    """Raise InvalidFieldsError with the code `unknown_stream` if the project has no stream `name`."""
    StreamTypes(project_id).find(name)


def lock_streams(project_id: UUID, names: Collection[str]) -> None:
    """Keep the streams `names` from being deleted until the transaction ends.

    Raises InvalidFieldsError with the code `unknown_stream` if one was deleted meanwhile. The default stream needs no
    lock: it cannot be deleted.
    """
    wanted = set(names) - {DEFAULT_STREAM}
    if not wanted:
        return
    # KEY SHARE: senders do not wait for each other, and a delete waits for them.
    kept = fetch_column(
        "SELECT name FROM accounts_stream WHERE project_id = %s AND name = ANY(%s) FOR KEY SHARE",
        [project_id, sorted(wanted)],
    )
    if missing := sorted(wanted.difference(kept)):
        raise unknown_stream(missing[0], kept)


def unknown_stream(name: str, known: Collection[str]) -> InvalidFieldsError:
    message = describe_unknown("The project has no such stream.", name, sorted({DEFAULT_STREAM, *known}))
    return InvalidFieldsError([FieldError("stream", "unknown_stream", message)])
