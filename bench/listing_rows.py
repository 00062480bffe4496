"""A hundred thousand emails to list, and as many of another project. Django is set up on import."""

from uuid import UUID

import django

django.setup()

from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from accounts.scopes import EMAILS_READ  # noqa: E402
from accounts.services import create_api_key, create_project  # noqa: E402
from templates_app.models import Template  # noqa: E402

# Every second row is the neighbour's. Of ours one in 250 was sent by a rare sender, one in 5,000 has a rare tag, one in
# 2,500 a rare subject, one in 500 bounced, every second went to one address.
MESSAGES = """
INSERT INTO mail_message (id, project_id, is_test, status, status_reason, from_name, from_address, reply_to, subject,
    html, text, headers, tags, metadata, track_opens, track_clicks, enable_unsubscribe, priority, on_uncertain,
    sender_basis, created_at, queued_at, sent_at, delivered_at, template_id)
SELECT (lpad(to_hex(floor(extract(epoch FROM v.at) * 1000)::bigint), 12, '0') || '7' || substr(md5(i::text), 1, 3)
        || '8' || substr(md5(i::text), 4, 15))::uuid,
    CASE i %% 2 WHEN 0 THEN %(ours)s ELSE %(theirs)s END, false,
    CASE WHEN i %% 1000 = 0 THEN 'bounced' ELSE 'delivered' END, '', 'Shop',
    CASE WHEN i %% 500 = 0 THEN 'rare@bench.test' ELSE 'Shop@bench.test' END, '[]',
    CASE WHEN i %% 5000 = 0 THEN 'Ihre Rechnung ' ELSE 'Your order ' END || i,
    '<p>' || repeat('x', 2000) || '</p>', repeat('y', 1000), '[]',
    CASE WHEN i %% 10000 = 2 THEN ARRAY['rare'] WHEN i %% 3 = 0 THEN ARRAY['order'] ELSE '{}' END, '{}',
    false, false, false, 'normal', 'retry', 'trusted', v.at, v.at, v.at, v.at,
    CASE WHEN i %% 20 = 0 THEN %(template)s::uuid END
FROM generate_series(1, %(count)s) i, LATERAL (SELECT now() - interval '30 days' + i * interval '10 ms') v(at)
"""
SUBJECTS = "INSERT INTO mail_subject (message_id, text, metadata) SELECT id, lower(subject), metadata FROM mail_message"
RECIPIENTS = """
INSERT INTO mail_recipient (id, message_id, project_id, kind, position, name, address, domain, status, status_reason,
    last_reply, lane, is_simulated, attempt_count, deferral_count, crash_count, expires_at)
SELECT gen_random_uuid(), id, project_id, 'to', 0, '',
    CASE WHEN n %% 4 < 2 THEN 'Popular@rcpt.test' ELSE 'user' || n || '@rcpt.test' END, 'rcpt.test',
    status, '', '250 ok', 'normal', false, 1, 0, 0, created_at + interval '2 days'
FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM mail_message) m
"""


class Listing:
    """Requests lists as a caller does, through every layer but the network."""

    def __init__(self, count: int) -> None:
        self.project = create_project(name="bench")
        neighbour = create_project(name="neighbour")
        self.template = Template.objects.create(project=self.project, alias="order", name="Order", text="x")
        values: dict[str, UUID | int] = {
            "ours": self.project.pk,
            "theirs": neighbour.pk,
            "template": self.template.pk,
            "count": 2 * count,
        }
        with connection.cursor() as cursor:
            cursor.execute(MESSAGES, values)
            cursor.execute(SUBJECTS)
            cursor.execute(RECIPIENTS.replace("%%", "%"))
            cursor.execute("VACUUM ANALYZE")
        _, token = create_api_key(self.project, scopes=[EMAILS_READ])
        self.client = Client(SERVER_NAME="localhost", headers={"Authorization": f"Bearer {token}"})

    def ask(self, query: str) -> int:
        """Read one page; returns its number of rows."""
        answer = self.client.get(f"/api/v1/emails?{query}")
        assert answer.status_code == 200, answer.content
        return len(answer.json()["data"])

    def middle(self) -> str:
        """The id of an email in the middle of the list."""
        half = self.project.messages.count() // 2
        return str(self.project.messages.order_by("-id").values_list("pk", flat=True)[half])

    def explain(self, query: str) -> list[str]:
        """The indexes that finding the page's ids uses, and `Seq Scan` for a table that is read whole."""
        with CaptureQueriesContext(connection) as queries:
            self.ask(query)
        statement = next(each["sql"] for each in queries if "mail_message" in each["sql"] and "LIMIT" in each["sql"])
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {statement}")
            lines = [row[0] for row in cursor.fetchall()]
        return sorted({used for line in lines if (used := name_of_scan(line))})


def name_of_scan(line: str) -> str:
    """`message_list` for `Index Scan using message_list on …`."""
    for mark in (" using ", "Bitmap Index Scan on "):
        if mark in line:
            return line.partition(mark)[2].split()[0]
    return "Seq Scan" if "Seq Scan" in line else ""


def finish() -> None:
    connection.close()
