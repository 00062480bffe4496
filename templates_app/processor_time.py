"""Processor time of templates, and of text made from HTML: so much for each project, minute and process."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from uuid import UUID

from django.conf import settings

from common.errors import ApiError
from ledger.shares import MinuteCounts

spent = MinuteCounts()


class ProcessorTimeError(ApiError):
    """The project's templates and HTML have taken {seconds} s of processor time this minute. Try again in the next."""

    code = "processor_time_used_up"
    status = HTTPStatus.TOO_MANY_REQUESTS


@contextmanager
def processor_time_of(project_id: UUID) -> Iterator[None]:
    """Count the block for the project. Raises ProcessorTimeError at its start if the minute's time is used up."""
    limit = settings.CONTENT_CPU_SECONDS.total_seconds()
    if spent.read(project_id) >= limit:
        raise ProcessorTimeError(seconds=f"{limit:g}", headers={"Retry-After": str(math.ceil(spent.seconds_left()))})
    with spent.count_processor_time(project_id):
        yield
