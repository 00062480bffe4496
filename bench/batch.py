"""Batches of 500 from one template, accepted by the API, compared with a bare COPY of the same rows.

One client, then two at once, post by HTTP to the web server as it runs in production, on a PostgreSQL that flushes its
log. The peer writes prepared rows on one connection, with every index and constraint: no service that stores messages
as rows can be faster.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from socket import socket
from statistics import median

import psycopg
from cryptography.fernet import Fernet
from psycopg import sql

from bench.accept import await_web
from bench.delivery import manage
from bench.measure import Options
from common.ids import new_id
from emailsvc.embedded.servers import running_servers
from emailsvc.launcher.ports import listen

SIZE = 500
ROUNDS = 7
BATCHES = 4  # of each side in each round
PARAGRAPH = "<p>A paragraph of an order's confirmation, about as long as they are, with <b>{{ total }}</b> in it.</p>\n"
TEMPLATE = {
    "alias": "order",
    "subject": "Order {{ number }}",
    "html": f"<html><body><h1>Hello {{{{ name }}}}</h1>\n{PARAGRAPH * 20}</body></html>",
    "text": "Hello {{ name }}, your order {{ number }} over {{ total }} is on its way.",
}
Call = Callable[[str, object], object]
Connection = psycopg.Connection[tuple[object, ...]]


def run(options: Options) -> None:
    with ExitStack() as stack:
        data = options.data or Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        held = stack.enter_context(listen(options.port or 0))
        key = stack.enter_context(web_server(data, held))
        clients = [make_client(held.getsockname()[1], key) for _ in range(2)]
        clients[0]("/templates", TEMPLATE)
        clients[0]("/templates/order/publish", {})
        for client in clients:
            post_batches(client, 1)
        pool = stack.enter_context(ThreadPoolExecutor(2))
        sides: dict[str, Callable[[], object]] = {
            "one client": lambda: post_batches(clients[0]),
            "two clients": lambda: list(pool.map(post_batches, clients, [BATCHES // 2] * 2)),
            "bare COPY": stack.enter_context(bare_copy()),
        }
        report(interleave(sides))


def interleave(sides: Mapping[str, Callable[[], object]]) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, side in sides.items():
            figures[name].append(measure(side))
    return figures


def measure(side: Callable[[], object]) -> float:
    """Messages per second."""
    begun_at = time.perf_counter()
    side()
    return SIZE * BATCHES / (time.perf_counter() - begun_at)


def report(figures: Mapping[str, Sequence[float]]) -> None:
    for name, values in figures.items():
        ratios = [own / peer for own, peer in zip(values, figures["bare COPY"], strict=True)]
        print(
            f"  {name:<12} {median(values):>7.0f} /s [{min(values):.0f}-{max(values):.0f}]"
            f"   ×{median(ratios):.2f} [{min(ratios):.2f}-{max(ratios):.2f}]"
        )


def build_batch() -> list[dict[str, object]]:
    return [
        {
            "from_": "Shop <shop@bench.test>",
            "to": f"user{number}@rcpt.test",
            "template_id": "order",
            "template_vars": {"name": f"Customer {number}", "number": number, "total": "12.50 EUR"},
        }
        for number in range(SIZE)
    ]


def post_batches(client: Call, count: int = BATCHES) -> None:
    for _ in range(count):
        client("/emails/batch", build_batch())


def make_client(port: int, key: str) -> Call:
    """A client with one kept-alive connection."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def call(path: str, body: object) -> object:
        connection.request("POST", f"/api/v1{path}", json.dumps(body), headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        if response.status >= 400:
            raise RuntimeError(f"{path}: {answer}")
        return answer

    return call


@contextmanager
def web_server(data: Path, held: socket) -> Iterator[str]:
    """PostgreSQL, Valkey and gunicorn on that socket, as `./run` starts it; yields an API key."""
    os.environ |= {
        "SECRET_KEY": "bench-" * 8,
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "TRUSTED_SENDER_DOMAINS": "*",
        "LOG_LEVEL": "WARNING",
        "DJANGO_SETTINGS_MODULE": "emailsvc.settings",
    }
    with running_servers(data, os.environ) as servers:
        os.environ |= servers.environment
        manage("migrate", "--verbosity", "0")
        subprocess.run([sys.executable, "manage.py", "create_project", "bench"], check=True, capture_output=True)
        created = subprocess.run(
            [
                *(sys.executable, "manage.py", "create_api_key", "--json"),
                *("--project", "bench", "--scopes", "emails:send,templates:read,templates:write"),
            ],
            check=True,
            capture_output=True,
        )
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "emailsvc.wsgi:application",
            "-c",
            "emailsvc/web/gunicorn_config.py",
        ]
        process = subprocess.Popen([*command, "--bind", f"fd://{held.fileno()}"], pass_fds=[held.fileno()])
        try:
            await_web(held.getsockname()[1], process)
            yield json.loads(created.stdout)["key"]
        finally:
            process.terminate()
            process.wait()


# The tables that accepting a batch writes, and the column with the message's id.
TABLES = {
    "mail_message": "id",
    "mail_subject": "message_id",
    "mail_recipient": "message_id",
    "tracking_event": "message_id",
}
# Filled in by the database.
LEFT_OUT = {("tracking_event", "position"), ("tracking_event", "serial")}
UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
Batch = dict[str, bytes]


@contextmanager
def bare_copy() -> Iterator[Callable[[], None]]:
    """Yields a function that writes as many rows as the other sides, one batch per transaction, all prepared before."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        columns = {table: list_columns(connection, table) for table in TABLES}
        batch = {table: read_rows(connection, table, columns[table]) for table in TABLES}
        ready = [renew(batch) for _ in range(ROUNDS * BATCHES)]

        def write() -> None:
            for _ in range(BATCHES):
                write_batch(connection, columns, ready.pop())

        yield write


def list_columns(connection: Connection, table: str) -> sql.Composable:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(sql.Identifier(table)))
        names = [column.name for column in cursor.description or ()]
    return sql.SQL(", ").join([sql.Identifier(name) for name in names if (table, name) not in LEFT_OUT])


def read_rows(connection: Connection, table: str, columns: sql.Composable) -> bytes:
    """The rows of the last batch, as COPY writes them."""
    query = sql.SQL(
        "COPY (SELECT {} FROM {} WHERE {} IN (SELECT id FROM mail_message ORDER BY id DESC LIMIT {})) TO STDOUT"
    ).format(columns, sql.Identifier(table), sql.Identifier(TABLES[table]), SIZE)
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        return b"".join(copy)


def renew(batch: Batch) -> Batch:
    """The same rows with new ids. Common values (project, key, template) stay."""
    counts = Counter(found for rows in batch.values() for found in UUID.findall(rows))
    fresh = {old: str(new_id()).encode() for old in sorted(counts) if counts[old] < SIZE}
    return {table: UUID.sub(lambda found: fresh.get(found[0], found[0]), rows) for table, rows in batch.items()}


def write_batch(connection: Connection, columns: Mapping[str, sql.Composable], batch: Batch) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        for table, rows in batch.items():
            query = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), columns[table])
            with cursor.copy(query) as copy:
                copy.write(rows)
