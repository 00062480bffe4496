"""The header by which a returned mail proves whose it is."""

from uuid import uuid4

import pytest

from delivery.id_tokens import derive_key
from delivery.mail_id import MESSAGE, PURPOSES, RECIPIENT, MailId, make_mail_id, read_mail_id
from delivery.verp import PURPOSE

NEW = {kind: [derive_key("a secret", purpose)] for kind, purpose in PURPOSES.items()}
OLD = {kind: [derive_key("an older secret", purpose)] for kind, purpose in PURPOSES.items()}


def read(value: str) -> MailId | None:
    return read_mail_id(value, NEW[RECIPIENT] + OLD[RECIPIENT], NEW[MESSAGE] + OLD[MESSAGE])


@pytest.mark.parametrize("keys", [NEW, OLD])
def test_the_header_names_a_recipient_or_a_message(keys: dict[str, list[bytes]]):
    id_ = uuid4()
    assert read(make_mail_id(RECIPIENT, id_, keys[RECIPIENT][0])) == MailId(recipient_id=id_)
    assert read(f" {make_mail_id(MESSAGE, id_, keys[MESSAGE][0]).upper()} ") == MailId(message_id=id_)


def test_forged_values_name_nobody():
    good = make_mail_id(MESSAGE, uuid4(), NEW[MESSAGE][0])
    foreign = make_mail_id(RECIPIENT, uuid4(), derive_key("another secret", PURPOSES[RECIPIENT]))
    return_path = make_mail_id(RECIPIENT, uuid4(), derive_key("a secret", PURPOSE))
    changed = good[:-5] + ("a" if good[-5] != "a" else "b") + good[-4:]
    wrong = [
        "",
        "r.",
        "m.",
        RECIPIENT + good[2:],
        changed,
        good + "a",
        good[:-1],
        foreign,
        return_path,
        "m." + "é" * 42,
    ]
    assert [value for value in wrong if read(value)] == []
