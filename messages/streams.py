"""The deletion of a project's stream, which mail on its way prevents."""

from django.db import transaction

from accounts.models import Stream
from accounts.streams import DEFAULT_STREAM
from common.errors import ConflictError
from messages.models import Message
from messages.states import Status

# A message with one of these has a recipient that may get an attempt.
ON_ITS_WAY = (Status.SCHEDULED, Status.QUEUED, Status.DELIVERING)


class DefaultStreamError(ConflictError):
    """The stream default cannot be deleted."""

    code = "default_stream"


class StreamInUseError(ConflictError):
    """Mail of this stream is on its way; it can be deleted when that mail has been sent or cancelled."""

    code = "stream_in_use"


def delete_stream(stream: Stream) -> None:
    """Delete a stream. Its suppressions stay, and hold again for a new stream of the name.

    Raises DefaultStreamError or StreamInUseError.
    """
    with transaction.atomic():
        # Mail that is being accepted holds a lock on the stream; mail accepted later finds no stream.
        Stream.objects.select_for_update().filter(pk=stream.pk).first()
        check_deletable(stream)
        Stream.objects.filter(pk=stream.pk).delete()


def check_deletable(stream: Stream) -> None:
    """Raise DefaultStreamError or StreamInUseError if the stream cannot be deleted now."""
    if stream.name == DEFAULT_STREAM:
        raise DefaultStreamError
    own = Message.objects.filter(project_id=stream.project_id, stream=stream.name, status__in=ON_ITS_WAY)
    if own.exists():
        raise StreamInUseError
