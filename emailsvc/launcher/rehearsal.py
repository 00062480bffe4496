"""What each program works out at its first step, worked out once, before the programs are forked.

A fork shares the result; worked out after the fork, each process has pages of its own for it. No connection is opened.
"""

from collections.abc import Mapping
from functools import cache
from types import GeneratorType, NoneType

import redis.utils
from celery.app.backends import by_name
from django.apps import apps
from django.core.management import get_commands, load_command_class
from django.db import connection

from common.fields import decrypt, encrypt


def rehearse() -> None:
    """Fill the caches of the libraries; the figures are the memory of a process that then need not fill them."""
    # OpenSSL finds its algorithms when the first of them is used: 7 MB.
    decrypt(encrypt("rehearsal"))
    # The relations between all models, for the first query of each process: 3 MB.
    for model in apps.get_models(include_auto_created=True):
        model._meta.get_fields()
        model._meta.fields_map  # noqa: B018 - reading it fills it
    # psycopg's adapters for Django, and the patterns of connection strings: 1.5 MB.
    connection.get_connection_params()
    # Each connection of redis-py reads the package's metadata for the version that it tells the server: 1.8 MB.
    redis.utils.get_lib_version = cache(redis.utils.get_lib_version)
    redis.utils.get_lib_version()
    # Whoever sends a task reads the metadata of all packages, to find where its result would be kept.
    by_name()
    # Whether such values are mappings is found by asking all classes that are: 2 MB.
    for kind in (str, bytes, int, float, bool, NoneType, list, tuple, set, GeneratorType):
        issubclass(kind, Mapping)
    # Management commands find each other, and their parsers compile their patterns: 1 MB.
    get_commands()
    load_command_class("inbox", "run_inbox").create_parser("manage", "run_inbox")
