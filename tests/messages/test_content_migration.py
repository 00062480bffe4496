"""The bodies of an installation from before `mail_content` are kept."""

from importlib import import_module

import pytest
from django.db import connection

from messages.models import Content

pytestmark = pytest.mark.django_db
filling = import_module("messages.migrations.0003_fill_content")
dropping = import_module("messages.migrations.0004_drop_bodies")
AS_BEFORE = """
ALTER TABLE mail_message ADD COLUMN html text NOT NULL DEFAULT '', ADD COLUMN text text NOT NULL DEFAULT '',
    ADD COLUMN tracked_places integer[];
UPDATE mail_message m SET html = c.html, text = c.text, tracked_places = c.tracked_places
FROM mail_content c WHERE c.message_id = m.id;
DELETE FROM mail_content;
"""


def read_contents() -> list[tuple[object, ...]]:
    return list(Content.objects.order_by("message_id").values_list("message_id", "html", "text", "tracked_places"))


@pytest.mark.parametrize("step", ["in batches", "the rest"])
def test_every_body_is_copied_once(send, monkeypatch, step):
    for number in range(5):
        send(html=f'<a href="https://x.test/">{number} é</a>', text="" if number else "Own", track_clicks=number > 2)
    before = read_contents()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(AS_BEFORE)
        assert not read_contents()
        monkeypatch.setattr(filling, "BATCH", 2)
        if step == "in batches":
            with connection.schema_editor() as editor:
                filling.copy_bodies(None, editor)
                filling.copy_bodies(None, editor)
        else:
            cursor.execute(dropping.COPY_THE_REST)
            cursor.execute(dropping.COPY_THE_REST)
    assert read_contents() == before
