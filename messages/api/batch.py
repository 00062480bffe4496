"""Batches: many emails in one request, in strict or permissive mode."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

from accounts.idempotency import StoredResponse
from accounts.models import ApiKey
from accounts.permissions import MissingScopeError
from common.errors import ApiError, FieldError, InvalidFieldsError
from messages.accepting.admission import Admission, Admitted
from messages.accepting.draft import Draft
from messages.api.serializers import read_draft
from messages.models import Message
from messages.services import PreparedEmails, upload_and_prepare
from templates_app.processor_time import ProcessorTimeError

MAX_BATCH = 500
# A request body as a draft without its invalid fields, and the errors of those.
Read = Callable[[Mapping[str, Any]], tuple[Draft, list[FieldError]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A rejected email of a batch, with its index."""

    index: int
    error: ApiError

    def show(self) -> dict[str, Any]:
        """The error in the response to a permissive batch."""
        errors = self.error.errors or [FieldError("", self.error.public_code, self.error.detail)]
        return {"index": self.index, "errors": [asdict(error) for error in errors]}

    def located(self) -> list[FieldError]:
        """The errors with the index before each field: `[3].to[0]`."""
        errors = self.error.errors or [FieldError("", self.error.public_code, self.error.detail)]
        return [FieldError(f"[{self.index}].{error.field}".rstrip("."), error.code, error.message) for error in errors]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedBatch:
    """The valid emails of a batch, and the rejected ones."""

    admitted: Sequence[Admitted]
    refused: Sequence[Refused]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedBatch:
    """The valid emails of a batch with their indexes, and the rejected ones."""

    prepared: PreparedEmails
    indexes: Sequence[int]
    refused: Sequence[Refused]

    def respond(self, messages: Sequence[Message]) -> StoredResponse:
        """The response with the ids of the stored emails and the errors of the others."""
        stored = [
            {"index": index, "id": str(message.pk), "status": message.status}
            for index, message in zip(self.indexes, messages, strict=True)
        ]
        body = {"data": stored, "errors": [item.show() for item in self.refused]}
        return StoredResponse(status=HTTPStatus.ACCEPTED, body=body)


def prepare_batch(
    key: ApiKey,
    items: Sequence[Any],
    *,
    is_permissive: bool,
    may_be_empty: bool = False,
    read: Read = read_draft,
    limit: int = MAX_BATCH,
) -> PreparedBatch:
    """Check every email of a batch and upload the files; arguments and errors as of `admit_batch`."""
    batch = admit_batch(key, items, is_permissive=is_permissive, may_be_empty=may_be_empty, read=read, limit=limit)
    out = {item.index for item in batch.refused}
    indexes = [index for index in range(len(items)) if index not in out]
    return PreparedBatch(prepared=upload_and_prepare(key, batch.admitted), indexes=indexes, refused=batch.refused)


def admit_batch(
    key: ApiKey,
    items: Sequence[Any],
    *,
    is_permissive: bool,
    may_be_empty: bool = False,
    read: Read = read_draft,
    limit: int = MAX_BATCH,
) -> AdmittedBatch:
    """Check every email of a batch; `read` converts one of them.

    Strict mode raises InvalidFieldsError with all errors if one email is invalid, permissive mode only if all are, and
    not even then if the batch `may_be_empty`. Raises MissingScopeError if nothing else is wrong with them.
    """
    check_batch_size(items, limit)
    admission = Admission(key)
    admitted: list[Admitted] = []
    refused: list[Refused] = []
    for index, item in enumerate(items):
        try:
            if not isinstance(item, Mapping):
                raise InvalidFieldsError([FieldError("", "invalid", "Must be an object.")])
            admitted.append(admission.admit(*read(item)))
        except ProcessorTimeError:
            # About the project, not about this email: nothing of the batch is taken.
            raise
        except ApiError as error:
            refused.append(Refused(index=index, error=error))
    if refused and not (is_permissive and (admitted or may_be_empty)):
        if all(isinstance(item.error, MissingScopeError) for item in refused):
            # The emails are right; it is the key that may not send them.
            raise refused[0].error
        raise InvalidFieldsError([error for item in refused for error in item.located()])
    return AdmittedBatch(admitted=admitted, refused=refused)


def check_batch_size(items: Sequence[Any], limit: int) -> None:
    """Raise InvalidFieldsError for an empty batch and for one beyond the limit."""
    if not 1 <= len(items) <= limit:
        raise InvalidFieldsError([FieldError("", "batch_size", f"A batch has 1 to {limit} emails.")])
