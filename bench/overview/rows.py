"""A million messages of some projects with their figures, and pages about them. Django is set up on import."""

from collections.abc import Mapping
from datetime import timedelta

import django

django.setup()

from django.db import connection  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from accounts.models import Project  # noqa: E402
from accounts.scopes import EMAILS_SEND  # noqa: E402
from accounts.services import create_api_key, create_project  # noqa: E402
from bench.copying import multiply  # noqa: E402
from bench.listing_rows import accept_sample, as_literal, make_staff_client, read_work  # noqa: E402
from emailsvc.admin_site.overview.figures import GROUPS, PERIODS  # noqa: E402
from ledger.sql import execute  # noqa: E402
from tracking.models import Rollup, StatsCursor  # noqa: E402
from tracking.stats.aggregation import complete_days  # noqa: E402
from tracking.stats.counting import NAMES  # noqa: E402

PROJECTS = 5
# A tenth is due or waits for its next attempt, one in a thousand bounced; one in 5,000 is uncertain.
STATUS = """CASE WHEN f.i % 10 = 0 THEN 'queued' WHEN f.i % 1000 = 1 THEN 'bounced'
    WHEN f.i % 5000 = 2 THEN 'delivering' ELSE 'delivered' END"""
OF_PROJECT = "({projects})[f.i / 10 % {count} + 1]"
CHANGES = {
    "mail_message": """
jsonb_build_object('project_id', {project}, 'status', {status}, 'created_at', f.at, 'queued_at', f.at)
""",
    "mail_recipient": """
jsonb_build_object('project_id', {project}, 'status', {status}, 'address', 'user' || f.i || '@rcpt.test',
    'status_reason', CASE WHEN f.i % 5000 = 2 THEN 'uncertain' ELSE '' END,
    'next_attempt_at', CASE WHEN f.i % 10 = 0 THEN now() + (f.i % 100 - 50) * interval '1 minute' END)
""",
}
# Each project's hours of ninety days, as the aggregation writes them.
ROLLUPS = f"""
INSERT INTO {Rollup._meta.db_table} (project_id, dimension, starts_at, value, {", ".join(NAMES)}, handoff, delivery)
SELECT p.id, v.dimension, date_trunc('hour', now(), 'UTC') - h * interval '1 hour',
    CASE v.dimension WHEN 'template' THEN md5(n)::uuid::text ELSE v.prefix || n END,
    {", ".join("10 + h % 50" for _ in NAMES)},
    (SELECT jsonb_object_agg(40 + s, 1 + (h + s) % 7) FROM generate_series(1, 30) s), '{{}}'
FROM accounts_project p, generate_series(0, 2159) h,
    (VALUES ('all', '', 1), ('stream', 'stream', 3), ('provider', 'provider', 3), ('domain', 'domain', 3),
            ('template', 'template', 10), ('tag', 'tag', 20), ('mailbox_provider', 'mailbox', 40)
    ) AS v(dimension, prefix, count), LATERAL (SELECT CASE v.dimension WHEN 'all' THEN '' ELSE i::text END AS n
                                               FROM generate_series(1, v.count) i) x
"""
CURSORS = f"""
INSERT INTO {StatsCursor._meta.db_table} (project_id, position, serial, counted_at)
SELECT id, 0, 0, now() FROM accounts_project ON CONFLICT DO NOTHING
"""
# They have few rows, whatever the amount of mail.
SMALL = 1_000


class OverviewPages:
    """The filled database, and the admin's pages as a person who may do everything gets them."""

    def __init__(self, count: int) -> None:
        self.project = Project.objects.filter(name="project 0").first() or self.fill(count)
        # What is filled has hours alone, as an installation has that comes from an older release.
        execute(CURSORS)
        while complete_days(timedelta(minutes=1)):
            execute("VACUUM ANALYZE")
        self.get = make_staff_client()

    def fill(self, count: int) -> Project:
        """Make the projects with their mail and figures, and return the first. A data folder that is kept has them."""
        projects = [create_project(name=f"project {number}") for number in range(PROJECTS)]
        key, _ = create_api_key(projects[0], scopes=[EMAILS_SEND])
        ids = ", ".join(as_literal(project.pk) for project in projects)
        project = OF_PROJECT.format(projects=f"ARRAY[{ids}]::uuid[]", count=PROJECTS)
        changes = {table: text.format(project=project, status=STATUS) for table, text in CHANGES.items()}
        multiply(accept_sample(key, 100), changes, first=1, last=count)
        with connection.cursor() as cursor:
            cursor.execute(ROLLUPS)
            cursor.execute("VACUUM ANALYZE")
        return projects[0]

    def list_pages(self) -> Mapping[str, str]:
        """The paths of all choices by name."""
        one = f"project={self.project.pk}&"
        return {
            f"{whose}, {PERIODS[period].title} by the {step}, {GROUPS[group].lower()}": (
                f"/admin/?{query}period={period}&by={step}&group={group}"
            )
            for whose, query in (("all", ""), ("one", one))
            for period in PERIODS
            for step in PERIODS[period].steps
            for group in GROUPS
        }

    def read_work(self) -> float:
        return read_work()

    def explain(self, path: str) -> set[str]:
        """The tables with more than a thousand rows that a statement of the page reads whole."""
        with CaptureQueriesContext(connection) as queries:
            self.get(path)
        found: set[str] = set()
        with connection.cursor() as cursor:
            for query in queries:
                if query["sql"].startswith(("SELECT", "WITH")):
                    cursor.execute(f"EXPLAIN {query['sql']}")
                    found |= {line.partition(" on ")[2].split()[0] for (line,) in cursor if "Seq Scan" in line}
            large = "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND reltuples > %s"
            cursor.execute(large, [list(found), SMALL])
            return {name for (name,) in cursor}


def finish() -> None:
    connection.close()
