"""What a web process would do at its first request, done before: the first client waits no longer than the others."""

from contextlib import suppress
from datetime import UTC, datetime

import redis
from django.db import DatabaseError
from django.urls import get_resolver
from kombu.exceptions import OperationalError

from emailsvc.celery import app
from messages.accepting import rehearsal

# Errors of an absent server: the first request after its return connects.
AWAY = (DatabaseError, redis.RedisError, OperationalError, OSError)


def fill_caches() -> None:
    """Before the forks, which share the result; it opens no connection."""
    resolver = get_resolver()
    # Loads all views.
    resolver.url_patterns  # noqa: B018 - reading it loads them
    # The routes by name: each process would compile their patterns, for 0.1 s.
    resolver.reverse_dict  # noqa: B018 - reading it fills it
    rehearsal.fill_caches(datetime.now(UTC))


def warm_up() -> None:
    """Connect this thread, and do the steps of an email, without storing one."""
    with suppress(*AWAY):
        rehearsal.rehearse()
    # For wake-ups: Celery reads the metadata of all packages to find where results would be kept, which is nowhere.
    app.backend  # noqa: B018 - reading it finds it
    with suppress(*AWAY), app.producer_or_acquire() as producer:
        producer.channel  # noqa: B018 - reading it connects
