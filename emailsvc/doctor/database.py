"""PostgreSQL: version, settings, rights, bloat, long transactions, replication, and what it logs."""

from collections.abc import Iterator

from emailsvc.doctor.finding import Finding, failure, fine, warn
from emailsvc.migration_files import list_waiting
from ledger.sql import fetch, fetch_value
from messages.search.index import MEND, find_search_obstacle

LEAST_VERSION = 150000
# Settings under which a power cut or a crash loses mail that was accepted.
DURABLE = {
    "fsync": ("on",),
    "full_page_writes": ("on",),
    "synchronous_commit": ("on", "local", "remote_write", "remote_apply"),
}
BUSY_SHARE = 0.8
DEAD_ROWS, DEAD_SHARE = 100_000, 0.5
LONG_SECONDS = 300
LAG_BYTES = 64 * 1024 * 1024
OLD_TRANSACTIONS = 1_000_000_000

_RIGHTS = """
SELECT rolsuper, has_schema_privilege(current_schema(), 'CREATE'),
       has_database_privilege(current_database(), 'TEMPORARY')
FROM pg_roles WHERE rolname = current_user
"""
_BLOATED = """
SELECT relname, n_dead_tup, n_live_tup FROM pg_stat_user_tables
WHERE n_dead_tup > %s AND n_dead_tup > %s * n_live_tup ORDER BY n_dead_tup DESC LIMIT 10
"""
_LONG = """
SELECT pid, state, EXTRACT(epoch FROM now() - xact_start)::int FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
  AND now() - xact_start > make_interval(secs => %s) ORDER BY xact_start LIMIT 10
"""
_STANDBYS = """
SELECT COALESCE(NULLIF(application_name, ''), 'standby'), state,
       COALESCE(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), 0)::bigint FROM pg_stat_replication
"""
_SLOTS = "SELECT slot_name FROM pg_replication_slots WHERE NOT active"
# What PostgreSQL writes of statements into its log; Django puts the values into their text.
_LOGGED = """
SELECT name, setting FROM pg_settings WHERE
    (name = 'log_statement' AND setting IN ('mod', 'all'))
    OR (name IN ('log_min_duration_statement', 'log_min_duration_sample') AND setting::int >= 0)
    OR (name = 'log_min_error_statement' AND setting NOT IN ('log', 'fatal', 'panic'))
    OR (name = 'log_error_verbosity' AND setting <> 'terse')
"""


def examine_database() -> Iterator[Finding]:
    version = fetch_value("SELECT current_setting('server_version_num')::int")
    name = f"PostgreSQL {version // 10000}.{version % 10000}"
    if version < LEAST_VERSION:
        yield failure("database", f"{name} is too old", "Upgrade PostgreSQL to 15 or newer.")
    else:
        yield fine("database", name)
    if fetch_value("SELECT pg_is_in_recovery()"):
        yield failure("database.role", "a standby, which takes no writes", "Let DATABASE_URL name the primary server.")
    yield from _examine_settings()
    yield from _examine_rights()
    if waiting := list_waiting():
        yield failure("database.migrations", f"{len(waiting)} not applied", "Run `manage.py prepare`.")
    else:
        yield fine("database.migrations", "applied")


def _examine_settings() -> Iterator[Finding]:
    present = dict(fetch("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(DURABLE)]))
    risky = [f"{name} = {value}" for name, value in sorted(present.items()) if value not in DURABLE[name]]
    if risky:
        yield failure(
            "database.settings",
            f"{', '.join(risky)}: a crash loses mail that was accepted",
            "Set fsync, full_page_writes and synchronous_commit to on.",
        )
    else:
        yield fine("database.settings", "accepted mail survives a crash")
    used, most = fetch("SELECT count(*), current_setting('max_connections')::int FROM pg_stat_activity")[0]
    detail = f"{used} of {most} connections are open"
    if used > BUSY_SHARE * most:
        yield warn(
            "database.connections", detail, "Raise max_connections, or put PgBouncer in front (docs: Operations)."
        )
    else:
        yield fine("database.connections", detail)
    if logged := [f"{name} = {value}" for name, value in fetch(_LOGGED)]:
        yield warn(
            "database.log",
            f"its log may show values of mail: {', '.join(sorted(logged))}",
            "ALTER DATABASE … SET log_min_error_statement = 'panic', log_error_verbosity = 'terse', as a superuser.",
        )
    else:
        yield fine("database.log", "shows no values")


def _examine_rights() -> Iterator[Finding]:
    is_super, can_create, can_make_temporary = fetch(_RIGHTS)[0]
    if not (can_create and can_make_temporary):
        yield failure(
            "database.rights",
            "the role may not make tables, which upgrades and the partitions of months need",
            "GRANT CREATE ON SCHEMA public, and TEMPORARY ON DATABASE, to the role of DATABASE_URL.",
        )
    elif is_super:
        yield warn("database.rights", "the role is a superuser", "Use a role of its own that owns the database.")
    else:
        yield fine("database.rights", "the role has what it needs")
    if obstacle := find_search_obstacle():
        yield warn("database.pg_trgm", obstacle, f"{MEND[0].upper()}{MEND[1:]}.")
    else:
        yield fine("database.pg_trgm", "installed, with its index")


def examine_tables() -> Iterator[Finding]:
    """Bloat, long transactions, replication."""
    bloated = fetch(_BLOATED, [DEAD_ROWS, DEAD_SHARE])
    for table, dead, live in bloated:
        yield warn(
            "database.bloat", f"{table}: {dead} dead rows beside {live}", f"VACUUM {table}; look for long transactions."
        )
    if not bloated:
        yield fine("database.bloat", "none")
    long = fetch(_LONG, [LONG_SECONDS])
    for pid, state, seconds in long:
        yield warn(
            "database.transactions",
            f"process {pid} ({state}) has a transaction open for {seconds} s: it delays the event feed and vacuum",
            f"End it: SELECT pg_terminate_backend({pid}).",
        )
    if not long:
        yield fine("database.transactions", f"none is older than {LONG_SECONDS} s")
    age = fetch_value("SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()")
    if age > OLD_TRANSACTIONS:
        yield warn("database.wraparound", f"the oldest row is {age} transactions old", "VACUUM FREEZE the database.")
    if not fetch_value("SELECT pg_is_in_recovery()"):
        yield from _examine_replication()


def _examine_replication() -> Iterator[Finding]:
    standbys = fetch(_STANDBYS)
    late = [f"{name} ({state}, {lag} bytes behind)" for name, state, lag in standbys if lag > LAG_BYTES]
    slots = [name for (name,) in fetch(_SLOTS)]
    if late:
        yield warn("database.replication", ", ".join(late), "Look at the standby and at the network to it.")
    if slots:
        detail = f"nobody reads {', '.join(slots)}: the disk fills with what is kept for them"
        yield warn("database.replication", detail, "Start the standby, or drop the slot: pg_drop_replication_slot.")
    if not (late or slots):
        yield fine("database.replication", f"{len(standbys)} standbys" if standbys else "not used")
