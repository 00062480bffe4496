"""Rows made without the ORM's constructor."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.db.models import Model

from ledger.rows import new_row
from messages.models import Content, Message, Recipient, Subject

ID = uuid4()


def columns(row: Model) -> dict[str, Any]:
    return {name: value for name, value in vars(row).items() if name != "_state"}


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (Message, {"id": ID, "project_id": ID, "from_address": "a@b.test", "created_at": datetime.now(UTC)}),
        (Content, {"message_id": ID, "text": "Hello"}),
        (Subject, {"message_id": ID, "text": "hello", "metadata": {}}),
        (Recipient, {"id": ID, "message_id": ID, "address": "a@b.test"}),
    ],
)
def test_a_new_row_is_what_the_model_makes(model: type[Model], values: dict[str, Any]) -> None:
    row = new_row(model, **values)
    assert columns(row) == columns(model(**values))
    assert row._state.adding


def test_rows_do_not_share_their_lists() -> None:
    one, other = (new_row(Message, id=ID) for _ in range(2))
    one.tags.append("x")
    assert other.tags == []
    assert new_row(Recipient).pk != new_row(Recipient).pk
