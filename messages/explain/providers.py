"""Sentences about providers: the speaker of a reply, and the reasons why due mail is not being sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from messages.explain.context import Background
from messages.explain.wording import end_sentence, say_list, say_span, say_time
from messages.models import Attempt, Recipient
from providers.models import ProviderKind
from providers.routing.health import ProviderState

# A worker ticks about every second. Without a tick for this time, no worker is running.
WORKER_SECONDS = 30.0
# Mail that has been due for this long is waiting for a free place at a usable provider.
LATE = timedelta(seconds=10)

# The speaker of a reply, by the kind of the provider. The table of codes uses the same words.
SPEAKERS: Mapping[ProviderKind | None, str] = {
    ProviderKind.MX: "the recipient's server",
    ProviderKind.INBOX: "the recipient's server",
    ProviderKind.SMTP: 'the relay "{name}"',
    ProviderKind.ESP: 'the email service "{name}"',
    ProviderKind.SIMULATOR: "the simulator",
    None: 'the provider "{name}"',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SendBlock:
    """The reason why due mail is not being sent, the next step, its time if known, and the advice to a person."""

    why: str
    next: str
    next_at: datetime | None = None
    advice: str = ""


def name_speaker(attempt: Attempt, background: Background) -> str:
    """`the relay "main" (smtp.example.com)`. The attempt itself shows the IP address and port."""
    kind = background.find_kind(attempt)
    words = SPEAKERS[kind].format(name=attempt.provider_name or "unknown")
    host = attempt.remote_host.partition("[")[0].partition(":")[0]
    return f"{words} ({host})" if host and kind is not ProviderKind.SIMULATOR else words


def find_block(row: Recipient, background: Background) -> SendBlock | None:
    """The block of a due recipient; None when a worker can claim it at any moment."""
    if not row.is_simulated and (block := find_closed(background)):
        return block
    if background.worker_age is not None and background.worker_age > WORKER_SECONDS:
        return SendBlock(
            why=f"No worker has been running for {say_span(timedelta(seconds=background.worker_age))}: "
            "the mail is kept, and nothing is sent.",
            next="It is sent when a worker runs again.",
            advice="Tell the operator of this service that no worker is running.",
        )
    if row.next_attempt_at is None or row.next_attempt_at > background.now - LATE:
        return None
    if background.worker_age is None:
        return SendBlock(
            why="It is due, but no worker has been seen yet: the mail is kept.",
            next="It is sent when a worker runs.",
            advice="Ask the operator of this service to check whether a worker is running and Redis can be reached.",
        )
    return find_queueing(row, background)


def find_closed(background: Background) -> SendBlock | None:
    """The block when no provider is usable, with the reasons; None when one is."""
    providers = background.provider_status.providers
    if not providers:
        disabled = background.provider_status.disabled
        off = f" ({say_list(disabled)} {'is' if len(disabled) == 1 else 'are'} disabled)" if disabled else ""
        return SendBlock(
            why=f"The project has no enabled provider{off}.",
            next="It is sent as soon as there is an enabled provider.",
            advice="Add or enable a provider.",
        )
    if any(provider.health.status == "ok" for provider in providers):
        return None
    whys = [f'"{provider.name}" {describe_provider_trouble(provider, background.now)}' for provider in providers]
    begin = (
        "The only provider is unavailable now"
        if len(providers) == 1
        else f"All {len(providers)} providers are unavailable now"
    )
    times = [
        provider.health.until
        for provider in providers
        if provider.health.until and provider.health.until > background.now
    ]
    return SendBlock(
        why=f"{begin}: {'; '.join(whys)}.",
        next="It is sent as soon as one of them is available."
        if len(providers) > 1
        else "It is sent as soon as the provider is available.",
        next_at=min(times, default=None),
        advice=" ".join(dict.fromkeys(advise_on(provider) for provider in providers)),
    )


def describe_provider_trouble(provider: ProviderState, now: datetime) -> str:
    """The trouble of a provider, in words behind its name."""
    health = provider.health
    if health.status == "unreadable":
        return "cannot be read: its stored settings are encrypted with a key that is gone, or are damaged"
    last_reply = f': "{health.reason}"' if health.reason else ""
    if health.status == "paused" and health.until:
        return f"rejected this service and is paused until {say_time(health.until)}{last_reply}"
    if health.status == "paused":
        return f"was paused by a person{last_reply}"
    if health.until and health.until > now:
        return f"has failed several times in a row and gets no mail until {say_time(health.until)}{last_reply}"
    return f"has failed several times in a row and is being tested with one message{last_reply}"


def advise_on(provider: ProviderState) -> str:
    if provider.health.status == "unreadable":
        return f'Enter the settings of "{provider.name}" again, or restore the key in ENCRYPTION_KEYS.'
    if provider.health.status == "paused" and provider.health.until:
        return f'Correct the credentials of "{provider.name}", then resume it.'
    if provider.health.status == "paused":
        return f'Resume "{provider.name}" when it may be used again.'
    return f'Check whether "{provider.name}" can be reached; the service retries it by itself.'


def find_queueing(row: Recipient, background: Background) -> SendBlock:
    """The block of mail that waits for a free place at a usable provider."""
    assert row.next_attempt_at is not None
    limits = (
        [words for provider in background.provider_status.providers if (words := describe_limit(provider))]
        if not row.is_simulated
        else []
    )
    because = end_sentence("; ".join(limits)) or "The workers or the providers are busy."
    return SendBlock(
        why=f"It has been due for {say_span(background.now - row.next_attempt_at)} and waits for its turn. {because}",
        next="It is sent when its turn comes.",
    )


def describe_limit(provider: ProviderState) -> str:
    limits = []
    if provider.rate_limit is not None:
        limits.append(f"{provider.rate_limit:g} messages a second")
    if provider.connection_limit is not None:
        limits.append(
            "1 connection" if provider.connection_limit == 1 else f"{provider.connection_limit} connections at once"
        )
    return f'"{provider.name}" is limited to {say_list(limits)}' if limits else ""
