"""A project's streams: the kinds of its mail, each with opt-outs of its own."""

import re
from base64 import b32encode
from collections.abc import Collection, Mapping
from functools import lru_cache
from hashlib import sha256
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.models import Project, Stream, StreamType
from common.errors import ConflictError, FieldError, InvalidFieldsError
from common.ids import parse_id
from common.suggestions import describe_unknown
from ledger.cached_rows import cached_rows
from ledger.unique_values import is_taken

# The stream of mail that names none. Every project has it, it is transactional, and it cannot be deleted.
DEFAULT_STREAM = "default"
# The word for all streams in queries, so that it cannot name one.
ALL_STREAMS = "all"
NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?")
NAME_RULE = (
    "Must have 1 to 63 lower-case letters, digits, hyphens and underscores, and begin and end with a letter or digit; "
    f"neither `{ALL_STREAMS}` nor a UUID."
)


# The number of letters and digits in a word of a Feedback-ID; Gmail allows 5 to 15 in the last one.
WORD = 12


# Each unknown name is compared with all of them.
MAX_STREAMS = 500


class TooManyStreamsError(ConflictError):
    """A project has at most {limit} streams."""

    code = "too_many_streams"


class StreamExistsError(ConflictError):
    """The project has a stream with this name."""

    code = "stream_exists"


def add_default_stream(project: Project) -> Stream:
    """Give a new project the stream that it has from the start."""
    return Stream.objects.create(project=project, name=DEFAULT_STREAM, type=StreamType.TRANSACTIONAL)


def create_stream(project: Project, *, name: str, type_: StreamType) -> Stream:
    """Make a stream.

    Raises InvalidFieldsError with the code `invalid_stream_name`, StreamExistsError or TooManyStreamsError.
    """
    if not is_valid_name(name):
        raise InvalidFieldsError([FieldError("name", "invalid_stream_name", NAME_RULE)])
    if project.streams.count() >= MAX_STREAMS:
        raise TooManyStreamsError(limit=MAX_STREAMS)
    stream = Stream(project=project, name=name, type=type_)
    with transaction.atomic():
        if is_taken(stream, project_id=project.pk, name=name):
            raise StreamExistsError
        stream.save(force_insert=True)
    return stream


def is_valid_name(name: str) -> bool:
    """Whether a stream may have this name, by `NAME_RULE`: a URL names a stream by its id or its name."""
    return NAME.fullmatch(name) is not None and name != ALL_STREAMS and parse_id(name) is None


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
            self._types = self._read()
        if name not in self._types:
            self._types = self._read(is_fresh=True)
        if name not in self._types:
            raise unknown_stream(name, self._types)
        return self._types[name]

    def _read(self, *, is_fresh: bool = False) -> Mapping[str, StreamType]:
        return cached_rows.get(("streams", self._project_id), self._load, is_fresh=is_fresh)

    def _load(self) -> Mapping[str, StreamType]:
        rows = Stream.objects.filter(project_id=self._project_id).values_list("name", "type")
        return {name: StreamType(type_) for name, type_ in rows}


def check_stream(project_id: UUID, name: str) -> None:
    """Raise InvalidFieldsError with the code `unknown_stream` if the project has no stream `name`."""
    StreamTypes(project_id).find(name)


def unknown_stream(name: str, known: Collection[str]) -> InvalidFieldsError:
    message = describe_unknown("The project has no such stream.", name, sorted({DEFAULT_STREAM, *known}))
    return InvalidFieldsError([FieldError("stream", "unknown_stream", message)])


def build_feedback_id(project_id: UUID, stream: str) -> str:
    """The Feedback-ID of a stream's mail: opaque words for the stream, the project and this installation.

    The installation comes last, as Gmail's SenderId: https://support.google.com/a/answer/6254652. Words depend on
    nothing that changes with a key, because Gmail's reports compare days.
    """
    return join_words(project_id, stream, settings.PUBLIC_URL)


@lru_cache(maxsize=4096)
def join_words(project_id: UUID, stream: str, public_url: str) -> str:
    """Kept, since the mail of a stream has the same one."""
    host = urlsplit(public_url).netloc
    return ":".join([make_word(project_id, "stream", stream), make_word(project_id, "project"), make_word(host)])


def make_word(*parts: object) -> str:
    """An opaque word for `parts`, always the same one."""
    digest = sha256("\0".join(["feedback id", *map(str, parts)]).encode()).digest()
    return b32encode(digest).decode().lower()[:WORD]
