"""Who spoke, and why mail that is due is not on its way: the providers' part of an explanation."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from messages.explain.context import Background
from messages.explain.wording import end_sentence, say_list, say_span, say_time
from messages.models import Attempt, Recipient
from providers.models import Kind
from providers.routing.outlook import Way

# A worker ticks each second or so; beyond this none is there.
WORKER_SECONDS = 30.0
# What has been due for so long and may go is waiting for a place.
LATE = timedelta(seconds=10)

# Who answers, by the kind of the provider, and what the table of codes calls it.
SPEAKERS: Mapping[Kind | None, str] = {
    Kind.MX: "the recipient's server",
    Kind.INBOX: "the recipient's server",
    Kind.SMTP: 'the relay "{name}"',
    Kind.ESP: 'the email service "{name}"',
    Kind.SIMULATOR: "the simulator",
    None: 'the provider "{name}"',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Why nobody takes a mail that is due, what ends that, when if it ends by itself, and what a person can do."""

    why: str
    next: str
    next_at: datetime | None = None
    advice: str = ""


def name_speaker(attempt: Attempt, background: Background) -> str:
    """`the relay "main" (smtp.example.com)`; address and port stand with the attempt."""
    kind = background.find_kind(attempt)
    words = SPEAKERS[kind].format(name=attempt.provider_name or "unknown")
    host = attempt.remote_host.partition("[")[0].partition(":")[0]
    return f"{words} ({host})" if host and kind is not Kind.SIMULATOR else words


def find_block(row: Recipient, background: Background) -> Block | None:
    """What keeps a due recipient from being sent now; None when a worker will take it at any moment."""
    if not row.is_simulated and (block := find_closed(background)):
        return block
    if background.worker_age is not None and background.worker_age > WORKER_SECONDS:
        return Block(
            why=f"No worker has been running for {say_span(timedelta(seconds=background.worker_age))}: "
            "the mail is kept, and nothing is sent.",
            next="It is sent when a worker runs again.",
            advice="Tell who runs this service that no worker is running.",
        )
    if row.next_attempt_at is None or row.next_attempt_at > background.now - LATE:
        return None
    if background.worker_age is None:
        return Block(
            why="It should have been sent, and no worker has been seen yet: the mail is kept.",
            next="It is sent when a worker runs.",
            advice="Tell who runs this service to look whether a worker runs, and whether Redis can be reached.",
        )
    return find_queueing(row, background)


def find_closed(background: Background) -> Block | None:
    """That no provider takes any mail, and why not."""
    ways = background.outlook.ways
    if not ways:
        disabled = background.outlook.disabled
        off = f" ({say_list(disabled)} {'is' if len(disabled) == 1 else 'are'} switched off)" if disabled else ""
        return Block(
            why=f"There is no way out: the project has no provider that is switched on{off}.",
            next="It goes out as soon as there is a provider.",
            advice="Add a provider, or switch one on.",
        )
    if any(way.health.status == "ok" for way in ways):
        return None
    whys = [f'"{way.name}" {describe_trouble(way, background.now)}' for way in ways]
    begin = "Its only provider takes no mail now" if len(ways) == 1 else f"None of {len(ways)} providers takes mail now"
    times = [way.health.until for way in ways if way.health.until and way.health.until > background.now]
    return Block(
        why=f"{begin}: {'; '.join(whys)}.",
        next="It goes out as soon as one of them takes mail." if len(ways) > 1 else "It goes out as soon as it does.",
        next_at=min(times, default=None),
        advice=" ".join(dict.fromkeys(advise_on(way) for way in ways)),
    )


def describe_trouble(way: Way, now: datetime) -> str:
    """What is wrong with a provider, to stand behind its name."""
    health = way.health
    said = f': "{health.reason}"' if health.reason else ""
    if health.status == "paused" and health.until:
        return f"refused us as such and is paused until {say_time(health.until)}{said}"
    if health.status == "paused":
        return f"was paused by a person{said}"
    if health.until and health.until > now:
        return f"has failed several times in a row and is left alone until {say_time(health.until)}{said}"
    return f"has failed several times in a row and is being tried with one mail{said}"


def advise_on(way: Way) -> str:
    if way.health.status == "paused" and way.health.until:
        return f'Correct the credentials of "{way.name}", then resume it.'
    if way.health.status == "paused":
        return f'Resume "{way.name}" when it may be used again.'
    return f'Look at whether "{way.name}" can be reached; it is tried again by itself.'


def find_queueing(row: Recipient, background: Background) -> Block:
    """That it may go, and waits for a place."""
    assert row.next_attempt_at is not None
    limits = (
        [words for way in background.outlook.ways if (words := describe_limit(way))] if not row.is_simulated else []
    )
    because = end_sentence("; ".join(limits)) or "The workers or the providers have much to do."
    return Block(
        why=f"It has been due for {say_span(background.now - row.next_attempt_at)} and waits for its turn. {because}",
        next="It is sent when its turn comes.",
    )


def describe_limit(way: Way) -> str:
    limits = []
    if way.rate_limit is not None:
        limits.append(f"{way.rate_limit:g} messages a second")
    if way.connection_limit is not None:
        limits.append("1 connection" if way.connection_limit == 1 else f"{way.connection_limit} connections at once")
    return f'"{way.name}" is limited to {say_list(limits)}' if limits else ""
