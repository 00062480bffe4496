"""`/emails/settle`: the uncertain emails of a list, settled alike."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from accounts.models import ApiKey
from accounts.services import store_audit
from common.errors import FieldError, InvalidFieldsError, NotFoundError
from messages.deciding.settling import NotUncertainError, Settlement, settle_many
from messages.models import Message


def settle_listed(key: ApiKey, messages: QuerySet[Message], ids: Sequence[UUID], settlement: Settlement) -> Any:
    """Settle those of `messages` with these ids, in the caller's transaction; the answer is that of a batch.

    Raises InvalidFieldsError, and settles nothing, if none can be settled.
    """
    known = set(messages.filter(pk__in=ids).values_list("pk", flat=True))
    settled = settle_many(known, settlement)
    refused = {
        index: FieldError(f"ids[{index}]", error.public_code, error.detail)
        for index, pk in enumerate(ids)
        if pk not in settled
        for error in [NotUncertainError() if pk in known else NotFoundError()]
    }
    if not settled:
        raise InvalidFieldsError(list(refused.values()))
    for pk in sorted(settled):
        data = {"as": str(settlement)}
        store_audit(actor=key.prefix, action="settle_email", obj=pk, project_id=key.owner_id, data=data)
    statuses = dict(messages.filter(pk__in=settled).values_list("pk", "status"))
    return {
        "data": [
            {"index": index, "id": str(pk), "status": statuses[pk]} for index, pk in enumerate(ids) if pk in settled
        ],
        "errors": [{"index": index, "errors": [asdict(error)]} for index, error in refused.items()],
    }
