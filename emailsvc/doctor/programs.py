"""Redis, the broker, and the programs of the service: beat, workers, leases, and the clock that they share."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import redis
from django.conf import settings

from delivery.broker_tls import redis_tls
from emailsvc.broker_probe import find_broker_obstacle
from emailsvc.doctor.finding import Finding, failure, fine, warn
from emailsvc.launcher.processes import COMMANDS
from emailsvc.web.health import REDIS_OPTIONS
from gateways.smtp.probe import find_obstacle
from ledger.sql import fetch_value
from ledger.timer import list_nodes, read_worker_age
from messages.queue_stats import read_beat_age, read_queue

ALIVE_SECONDS, TICK_SECONDS, BEAT_SECONDS = 30.0, 30.0, 90.0
CLOCK_SECONDS, WRONG_CLOCK_SECONDS = 1.0, 30.0
DUE_SECONDS = 300.0
FULL_SHARE = 0.9


def examine_redis() -> Iterator[Finding]:
    with redis.Redis.from_url(
        settings.REDIS_URL, **REDIS_OPTIONS, **redis_tls(settings.REDIS_URL), decode_responses=True
    ) as client:
        told = client.info()
        yield fine("redis", f"{told.get('server_name', 'redis')} {told.get('valkey_version', told['redis_version'])}")
        most = told.get("maxmemory", 0)
        if most and told["used_memory"] > FULL_SHARE * most:
            yield warn("redis.memory", f"{told['used_memory']} of {most} bytes are used", "Raise maxmemory.")
        policy = told.get("maxmemory_policy", "noeviction")
        if most and policy.startswith("allkeys"):
            yield warn(
                "redis.memory",
                f"maxmemory-policy {policy} drops wake-ups and limits",
                "Set maxmemory-policy noeviction.",
            )
        yield from _compare_clocks("clock.redis", measure_clock(client.time()) - time.time())


def measure_clock(told: tuple[int, int]) -> float:
    """Redis' clock, which it tells in seconds and microseconds."""
    return told[0] + told[1] / 1e6


def examine_broker() -> Iterator[Finding]:
    kind = "RabbitMQ" if settings.CELERY_BROKER_URL.startswith("amqp") else "Redis"
    if obstacle := find_broker_obstacle():
        yield failure(
            "broker", f"{kind}: {obstacle}", "Start the broker, or correct BROKER_URL; mail waits until then."
        )
    else:
        yield fine("broker", f"{kind} answers")


def examine_programs() -> Iterator[Finding]:
    age = read_beat_age()
    if age is None or age > BEAT_SECONDS:
        detail = "has not run yet" if age is None else f"last ran {age:.0f} s ago"
        yield warn("beat", detail, "Start beat, one only: without it clean-ups and periodic checks wait.")
    else:
        yield fine("beat", f"last ran {age:.0f} s ago")
    age = read_worker_age()
    if age is None or age > TICK_SECONDS:
        detail = "none has been seen" if age is None else f"none has looked for mail for {age:.0f} s"
        yield failure("workers", detail, "Start the workers: no mail goes out.")
    else:
        yield fine("workers", f"looked for mail {age:.1f} s ago")
    alive = {name: age for name, age in list_nodes().items() if age <= ALIVE_SECONDS}
    for program, command in COMMANDS.items():
        if "-n" in command:
            kind = command[command.index("-n") + 1].partition("@")[0]
            names = sorted(name for name in alive if name.partition("@")[0] == kind)
            queues = command[command.index("-Q") + 1]
            if names:
                yield fine(f"workers.{program}", ", ".join(names))
            else:
                yield warn(f"workers.{program}", f"none is seen: nobody serves {queues}", f"Start {program}.")
    if settings.SUBMISSION_ADDRESS:
        obstacle = find_obstacle(settings.SUBMISSION_ADDRESS)
        if obstacle:
            yield warn("submission", obstacle, "Start run_submission, or correct SUBMISSION_ADDRESS.")
        else:
            yield fine("submission", "answers")


def examine_queue() -> Iterator[Finding]:
    """Leases, and due mail that nobody takes."""
    state = read_queue()
    lost = sum(lane.lost for lane in state.lanes)
    leased = sum(lane.leased for lane in state.lanes)
    if lost:
        yield warn(
            "leases", f"{lost} of workers that are gone", "A worker takes them back within seconds; or release_stuck."
        )
    else:
        yield fine("leases", f"{leased} held, none lost")
    waits = {lane.lane: (state.at - lane.oldest_due_at).total_seconds() for lane in state.lanes if lane.oldest_due_at}
    late = [f"{lane}: {seconds:.0f} s" for lane, seconds in waits.items() if seconds > DUE_SECONDS]
    if late:
        yield warn("queue", f"due mail waits ({', '.join(late)})", "See queue_status and the providers below.")
    else:
        yield fine("queue", f"{sum(lane.due for lane in state.lanes)} due")
    yield from _compare_clocks("clock.database", (state.at - datetime.now(UTC)).total_seconds())
    if fetch_value("SELECT current_setting('TimeZone')") != "UTC":
        yield warn("clock.zone", "the session's time zone is not UTC", "ALTER ROLE … SET timezone = 'UTC'.")


def _compare_clocks(check: str, difference: float) -> Iterator[Finding]:
    detail = f"{abs(difference):.1f} s {'ahead of' if difference > 0 else 'behind'} this machine's"
    mend = "Run NTP on both machines."
    if abs(difference) > WRONG_CLOCK_SECONDS:
        yield failure(check, detail, mend)
    elif abs(difference) > CLOCK_SECONDS:
        yield warn(check, detail, mend)
    else:
        yield fine(check, detail)
