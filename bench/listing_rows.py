"""A hundred thousand emails to list, and as many of another project. Django is set up on import."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from accounts.models import ApiKey  # noqa: E402
from accounts.scopes import EMAILS_READ, EMAILS_SEND  # noqa: E402
from accounts.services import create_api_key, create_project  # noqa: E402
from bench.copying import multiply  # noqa: E402
from common.addresses import parse_address  # noqa: E402
from ledger.sql import execute, fetch_value  # noqa: E402
from messages import services  # noqa: E402
from messages.accepting.draft import Draft  # noqa: E402
from templates_app.models import Template  # noqa: E402

# Every second row is the neighbour's, or none. Of ours one in 250 was sent by a rare sender, one in 5,000 has a rare
# tag, one in 2,500 a rare subject, one in 500 bounced, every second went to one address.
CHANGES = {
    "mail_message": """
jsonb_build_object(
    'project_id', CASE f.i %% %(shares)s WHEN 0 THEN %(ours)s ELSE %(theirs)s END,
    'status', CASE WHEN f.i %% 1000 = 0 THEN 'bounced' ELSE %(status)s END,
    'from_address', CASE WHEN f.i %% 500 = 0 THEN 'rare@bench.test' ELSE 'Shop@bench.test' END,
    'subject', CASE WHEN f.i %% 5000 = 0 THEN 'Ihre Rechnung ' ELSE 'Your order ' END || f.i,
    'tags', CASE WHEN f.i %% 10000 = 2 THEN ARRAY['rare'] WHEN f.i %% 3 = 0 THEN ARRAY['order'] ELSE '{}' END,
    'template_id', CASE WHEN f.i %% 20 = 0 THEN %(template)s END,
    'created_at', f.at, 'queued_at', f.at, 'sent_at', f.at, 'delivered_at', f.at)
""",
    "mail_subject": """
jsonb_build_object(
    'text', CASE WHEN f.i %% 5000 = 0 THEN 'ihre rechnung ' ELSE 'your order ' END || f.i,
    'sender', CASE WHEN f.i %% 500 = 0 THEN E'\nrare@bench.test\n' ELSE E'\nshop@bench.test\n' END,
    'recipients', CASE WHEN f.i %% 4 < 2 THEN E'\npopular@rcpt.test\n' ELSE E'\nuser' || f.i || E'@rcpt.test\n' END,
    'tags', CASE WHEN f.i %% 10000 = 2 THEN E'\nrare\n' WHEN f.i %% 3 = 0 THEN E'\norder\n' ELSE '' END,
    'pairs', E'\norder=a-' || f.i || E'\n',
    'metadata', jsonb_build_object('order', 'A-' || f.i))
""",
    "mail_recipient": """
jsonb_build_object(
    'project_id', CASE f.i %% %(shares)s WHEN 0 THEN %(ours)s ELSE %(theirs)s END,
    'address', CASE WHEN f.i %% 4 < 2 THEN 'Popular@rcpt.test' ELSE 'user' || f.i || '@rcpt.test' END,
    'status', CASE WHEN f.i %% 1000 = 0 THEN 'bounced' ELSE %(status)s END,
    'next_attempt_at', CASE WHEN f.i %% 1000 > 0 AND %(status)s = 'queued' THEN now() - interval '1 hour' END)
""",
}


class Listing:
    """Requests lists as a caller does, through every layer but the network."""

    def __init__(self, count: int, *, size: int = 2000, shares: int = 2, status: str = "delivered") -> None:
        """`count` of ours, with `size` bytes of HTML; of `shares` rows one is ours, the others are the neighbour's."""
        self.project = create_project(name="listed")
        self.template = Template.objects.create(project=self.project, alias="order", name="Order", text="x")
        key, token = create_api_key(self.project, scopes=[EMAILS_READ, EMAILS_SEND])
        self.client = Client(SERVER_NAME="localhost", headers={"Authorization": f"Bearer {token}"})
        self._values: dict[str, UUID | int | str] = {
            "ours": self.project.pk,
            "theirs": create_project(name="neighbour").pk,
            "template": self.template.pk,
            "shares": shares,
            "status": status,
        }
        self._sample = accept_sample(key, size)
        self._last = 0
        self.extend(count * shares)

    def extend(self, count: int) -> None:
        """Add as many rows of both."""
        first, self._last = self._last + 1, self._last + count
        values = {name: as_literal(value) for name, value in self._values.items()}
        changes = {table: text % values for table, text in CHANGES.items()}
        multiply(self._sample, changes, first=first, last=self._last)

    def ask(self, query: str) -> int:
        """Read one page; returns its number of rows."""
        answer = self.client.get(f"/api/v1/emails?{query}")
        assert answer.status_code == 200, answer.content
        return len(answer.json()["data"])

    def middle(self) -> str:
        """The id of an email in the middle of the list."""
        return self.find_at(self.project.messages.count() // 2)

    def find_at(self, depth: int) -> str:
        """The id of the email behind as many newer ones."""
        return str(self.project.messages.order_by("-id").values_list("pk", flat=True)[depth])

    def explain(self, query: str) -> list[str]:
        """The indexes that finding the page's ids uses, and `Seq Scan` for a table that is read whole."""
        with CaptureQueriesContext(connection) as queries:
            self.ask(query)
        statement = next(each["sql"] for each in queries if "mail_message" in each["sql"] and "LIMIT" in each["sql"])
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {statement}")
            lines = [row[0] for row in cursor.fetchall()]
        return sorted({used for line in lines if (used := name_of_scan(line))})


def accept_sample(key: ApiKey, size: int) -> UUID:
    """A message that never becomes due."""
    draft = Draft(
        from_=parse_address("Shop <shop@bench.test>"),
        to=[parse_address("sample@rcpt.test")],
        subject="Your order",
        html=f"<p>{'x' * size}</p>",
        text="y" * (size // 2),
        tags=["sample"],
    )
    with transaction.atomic():
        pk = services.accept(key, [draft])[0].pk
        execute("UPDATE mail_recipient SET next_attempt_at = NULL WHERE message_id = %s", [pk])
    return pk


def as_literal(value: object) -> str:
    """A constant of ours in an SQL expression."""
    return str(value) if isinstance(value, int) else f"'{value}'"


def make_staff_client() -> Callable[[str], object]:
    """A function that gets a page of the admin as a person who may do everything."""
    client = Client(SERVER_NAME="localhost")
    users = get_user_model().objects
    client.force_login(users.filter(username="bench").first() or users.create_superuser("bench"))

    def get(path: str) -> object:
        answer = client.get(path)
        assert answer.status_code == 200, answer
        return answer.content

    return get


def read_work() -> float:
    """The seconds of processor time that this process and PostgreSQL's process for it have used: other programs do not
    change them.
    """
    stat = Path(f"/proc/{fetch_value('SELECT pg_backend_pid()')}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() + (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def name_of_scan(line: str) -> str:
    """`message_list` for `Index Scan using message_list on …`."""
    for mark in (" using ", "Bitmap Index Scan on "):
        if mark in line:
            return line.partition(mark)[2].split()[0]
    return "Seq Scan" if "Seq Scan" in line else ""


def finish() -> None:
    connection.close()
