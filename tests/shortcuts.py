"""Cheap or cached replacements for work that every test would repeat with the same result."""

import os
import ssl
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import TransactionTestCase, override_settings
from whitenoise.middleware import WhiteNoiseMiddleware

from accounts.metering import wrong_keys
from accounts.models import Project
from accounts.services import create_project
from common.client_ip import IpAddress
from common.ids import new_id
from delivery.dkim import signing
from ledger.cached_rows import cached_rows
from ledger.telemetry.gathering import gatherer
from tests.lock_order import RANKS
from webhooks import publishing

RSA_KEYS = 6
FILLED_BY_DJANGO = {"django_migrations", "django_content_type", "auth_permission"}


class OneRoundHasher(PBKDF2PasswordHasher):
    """Django's default with one round in place of a million: each can check what the other has made."""

    iterations = 1


@contextmanager
def cheap_passwords() -> Iterator[None]:
    """A million rounds are a third of a second for each user. tests/accounts/test_passwords.py sees the product's."""
    with override_settings(PASSWORD_HASHERS=[f"{OneRoundHasher.__module__}.{OneRoundHasher.__qualname__}"]):
        yield


@contextmanager
def static_files_listed_once() -> Iterator[None]:
    """Every test client loads the middleware anew; WhiteNoise then looks at hundreds of files, always the same."""
    listed: dict[tuple[object, ...], dict[str, object]] = {}
    look = WhiteNoiseMiddleware.add_files_from_finders

    def look_once(self: WhiteNoiseMiddleware) -> None:
        told = (self.static_prefix, self.max_age, self.static_root)
        if told not in listed:
            look(self)
            listed[told] = self.files
        self.files = listed[told]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", look_once)
        yield


@contextmanager
def wrong_keys_counted_for_each_test() -> Iterator[None]:
    """All tests call from this machine, and send more wrong keys in a minute than one address may."""
    name = wrong_keys.name_source

    def name_in_test(address: IpAddress | None) -> str:
        return f"{name(address)} {os.environ.get('PYTEST_CURRENT_TEST', '')}"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wrong_keys, "name_source", name_in_test)
        yield


class ReadyProjects:
    """Projects as `create_project` makes them: in each process the first of a name by it, the others by its INSERTs.

    To build its statements and to look for another of that name costs four times as much as the rows, for 3,600 tests.
    tests/accounts/test_account_commands.py sees the service.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[str, int | None], tuple[Project, list[tuple[str, Sequence[Any]]]]] = {}

    def make(self, name: str) -> Project:
        # The statements depend on it.
        key = name, settings.NEW_PROJECT_MESSAGES_PER_DAY
        if key not in self._made:
            return self._record(key)
        first, inserts = self._made[key]
        project, ids = copy(first), defaultdict[UUID, UUID](new_id)
        with connection.cursor() as cursor:
            for sql, values in inserts:
                cursor.execute(sql, [ids[value] if isinstance(value, UUID) else value for value in values])
                if Project._meta.db_table in sql.partition("(")[0]:
                    for column, value in zip(cursor.description, cursor.fetchone(), strict=True):
                        setattr(project, column.name, value)
        project.pk = ids[first.pk]
        return project

    def _record(self, key: tuple[str, int | None]) -> Project:
        inserts: list[tuple[str, Sequence[Any]]] = []

        def note(execute: Callable[..., Any], sql: str, values: Any, many: bool, context: Any) -> Any:
            if sql.startswith("INSERT"):
                inserts.append((sql, values))
            return execute(sql, values, many, context)

        with connection.execute_wrapper(note):
            project = create_project(name=key[0])
        # The test may change its own.
        self._made[key] = copy(project), inserts
        return project


ready_projects = ReadyProjects()


def named_authorities() -> list[str | None]:
    return [os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")]


@contextmanager
def public_authorities_left_out() -> Iterator[None]:
    """Reading the machine's hundreds of certificates costs each new HTTP client 30 ms; no test asks a public server.

    A test that has SSL_CERT_FILE or SSL_CERT_DIR name others gets those.
    """
    load, at_first = ssl.SSLContext.load_default_certs, named_authorities()

    def load_named(self: ssl.SSLContext, purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH) -> None:
        if named_authorities() != at_first:
            load(self, purpose)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl.SSLContext, "load_default_certs", load_named)
        yield


@contextmanager
def few_rsa_keys() -> Iterator[None]:
    """The search for primes costs each sending domain up to a second: a few keys are made and handed round.

    One test sees different keys as long as it makes no more than those. tests/delivery/dkim sees new ones.
    """
    make = signing.MAKERS[signing.RSA]
    made: list[signing.PrivateKey] = []
    turn = count()

    def hand_round() -> signing.PrivateKey:
        if len(made) < RSA_KEYS:
            made.append(make())
            return made[-1]
        return made[next(turn) % RSA_KEYS]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(signing.MAKERS, signing.RSA, hand_round)
        yield


@contextmanager
def one_process_alone() -> Iterator[None]:
    """What a test changed holds at once, and no thread writes what tests count: there are no other processes.

    tests/ledger/test_cached_rows.py and those beside it have the cache; a test that looks calls `gatherer.write`.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cached_rows, "is_enabled", False)
        patch.setattr(gatherer, "has_thread", False)
        patch.setattr(publishing, "FRESH_SECONDS", 0.0)
        yield


@contextmanager
def only_filled_tables_emptied() -> Iterator[None]:
    """Django truncates all tables after a test that commits, and makes all permissions anew: 0.15 s of processor time.

    Most tests put some rows into a dozen of the tables. What Django itself puts in after migrations stays.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: empty_filled_tables())
        yield


def empty_filled_tables() -> None:
    """Delete all rows in one transaction: foreign keys are checked at its end, so only the order of locks matters."""
    tables = [name for name in connection.introspection.django_table_names() if name not in FILLED_BY_DJANGO]
    ask = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in tables)
    with connection.cursor() as cursor:
        cursor.execute(ask)
        filled = sorted((name for (name,) in cursor.fetchall()), key=lambda name: RANKS.get(name, 0))
        if filled:
            cursor.execute("".join(f"DELETE FROM {name};" for name in filled))
    ContentType.objects.clear_cache()


ALL = (
    cheap_passwords,
    static_files_listed_once,
    public_authorities_left_out,
    few_rsa_keys,
    only_filled_tables_emptied,
    one_process_alone,
    wrong_keys_counted_for_each_test,
)


@contextmanager
def shortcuts() -> Iterator[None]:
    """All of them."""
    with ExitStack() as stack:
        for each in ALL:
            stack.enter_context(each())
        yield
