"""The roles of the embedded PostgreSQL: its administrator, and the owner of our databases, who is no superuser.

An SQL injection reaches the service's tables then, but neither files nor programs nor the server's settings. The owner
may create extensions that PostgreSQL trusts (pg_trgm), and databases, which tests and benchmarks make.
"""

import psycopg
from psycopg import sql

Connection = psycopg.Connection[tuple[object, ...]]

ADMINISTRATOR, OWNER = "postgres", "emailsvc"
# Stands while the administrator of an older data folder is renamed: nobody can rename the role of its own session.
RENAMER = "emailsvc_renamer"

_IS_SUPERUSER = "SELECT 1 FROM pg_roles WHERE rolname = %s AND rolsuper"
_DATABASES = """
SELECT datname FROM pg_database WHERE datdba = %s::regrole AND NOT datistemplate AND datname <> 'postgres'
"""
# Statements that give away what the administrator owns in a database. Members of extensions stay, and the sequence of a
# column follows its table.
_GIFTS = """
WITH ours AS (SELECT oid FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%%' AND nspname <> 'information_schema')
SELECT format('ALTER TABLE %%s OWNER TO %%I', c.oid::regclass, %(new)s::text) FROM pg_class c
WHERE relowner = %(old)s::regrole AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  AND relnamespace IN (SELECT oid FROM ours) AND NOT EXISTS (
    SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid
    AND (deptype = 'e' OR (relkind = 'S' AND deptype IN ('a', 'i')))
  )
UNION ALL
SELECT format('ALTER ROUTINE %%s OWNER TO %%I', p.oid::regprocedure, %(new)s::text) FROM pg_proc p
WHERE proowner = %(old)s::regrole AND pronamespace IN (SELECT oid FROM ours)
  AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')
"""


def connect(host: str, user: str, database: str = "postgres") -> Connection:
    return psycopg.connect(host=host, user=user, dbname=database, autocommit=True)


def as_administrator(url: str) -> str:
    """The URL for the server's administrator: for benchmarks, never for our programs."""
    return url.replace(f"//{OWNER}@", f"//{ADMINISTRATOR}@", 1)


def rename_administrator(host: str) -> None:
    """Give the superuser of a data folder of an earlier release, which has the owner's name, its own.

    May be interrupted at any point and repeated. Raises psycopg.OperationalError while the server does not answer.
    """
    with connect(host, OWNER) as connection:
        if connection.execute(_IS_SUPERUSER, [OWNER]).fetchone() is None:
            return
        connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(RENAMER)))
        connection.execute(sql.SQL("CREATE ROLE {} SUPERUSER LOGIN").format(sql.Identifier(RENAMER)))
    with connect(host, RENAMER) as connection:
        names = map(sql.Identifier, (OWNER, ADMINISTRATOR))
        connection.execute(sql.SQL("ALTER ROLE {} RENAME TO {}").format(*names))


def prepare_database(host: str, name: str) -> None:
    """Make the owner and the database `name`, and give the owner what the administrator owned in our databases."""
    with connect(host, ADMINISTRATOR) as connection:
        connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(RENAMER)))
        owner = sql.Identifier(OWNER)
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [OWNER]).fetchone() is None:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB").format(owner))
        for row in connection.execute(_DATABASES, [ADMINISTRATOR]).fetchall():
            database = str(row[0])
            give_objects(host, database)
            # Last: it marks the database as done.
            connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(database), owner))
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), owner))


def give_objects(host: str, database: str) -> None:
    with connect(host, ADMINISTRATOR, database) as connection, connection.transaction():
        gifts = connection.execute(_GIFTS, {"old": ADMINISTRATOR, "new": OWNER}).fetchall()
        for (statement,) in gifts:
            connection.execute(str(statement).encode())
