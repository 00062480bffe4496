"""Batches: many emails in one request, in strict or permissive mode."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from accounts.models import ApiKey
from common.errors import ApiError, FieldError, InvalidFieldsError
from messages.accepting.admission import Admission, Admitted
from messages.api.serializers import read_draft
from messages.services import PreparedEmails, upload_and_prepare

MAX_BATCH = 500


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


def prepare_batch(key: ApiKey, items: Sequence[Any], *, is_permissive: bool) -> tuple[PreparedEmails, list[Refused]]:
    """Check every email of a batch; returns the valid emails and the rejected ones.

    Strict mode raises InvalidFieldsError with all errors if one email is invalid, permissive mode only if all are.
    """
    if not 1 <= len(items) <= MAX_BATCH:
        raise InvalidFieldsError([FieldError("", "batch_size", f"A batch has 1 to {MAX_BATCH} emails.")])
    admission = Admission(key)
    admitted: list[Admitted] = []
    refused: list[Refused] = []
    for index, item in enumerate(items):
        try:
            if not isinstance(item, Mapping):
                raise InvalidFieldsError([FieldError("", "invalid", "Must be an object.")])
            admitted.append(admission.admit(*read_draft(item)))
        except ApiError as error:
            refused.append(Refused(index=index, error=error))
    if refused and not (is_permissive and admitted):
        raise InvalidFieldsError([error for item in refused for error in item.located()])
    return upload_and_prepare(key, admitted), refused
