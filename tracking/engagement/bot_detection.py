"""Labels opens and clicks with an actor: a person, or a program such as a mail filter or an image proxy.

A visit is labelled twice by the same rules: at once, by what was before it, and after a window, by all visits around
it. The functions here are pure; `surroundings` reads what they need.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from tracking.engagement.networks import KnownNetwork, NetworkKind, networks
from tracking.engagement.user_agents import BARE, BROWSER, MAIL_PROGRAM, PROGRAMS, Actor

# A person needs longer than this after the hand-over to see a mail.
TOO_QUICK = timedelta(seconds=3)
# Mail filters have visited a mail by then. A person may have, too: so a visit needs another sign to be a person's.
FILTER_TIME = timedelta(seconds=60)
# The time in which a network that is `early` has mail filters alone.
EARLY_TIME = timedelta(minutes=10)
# A person does not follow this many different links of one mail within `BURST`, nor `MANY_LINKS` within a minute.
BURST = timedelta(seconds=5)
BURST_LINKS = 4
MANY_LINKS = 10
EARLY_LINKS = 3
# The mails of so many recipients are not visited by people from one network, each early after its hand-over.
NETWORK_RECIPIENTS = 4
# … nor by one client, a few seconds apart.
CLIENT_RECIPIENTS = 5
# The mail was handed over after the visit, or not at all.
BEFORE = timedelta(seconds=-1)
NOTHING = timedelta(0)


@dataclass(frozen=True, slots=True)
class Label:
    """The most likely actor, with a short reason."""

    actor: Actor
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """The facts about a visit.

    `since_handover` is the time since the provider or the recipient's server took the mail: negative before that, None
    if it is not known.
    """

    method: str
    user_agent: str
    ip: str
    purpose: str = ""
    is_click: bool = False
    since_handover: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The visits around a visit, the visit itself included.

    `burst_links` and `minute_links` count the different links of the mail that were followed within 5 s and a minute.
    `network_recipients` counts the recipients whose mail was visited from the same network within a minute, each early
    after its hand-over; `client_recipients` those that one client visited within 5 s. `was_shown`: an image proxy or a
    mail program has shown the mail to the recipient before.
    """

    burst_links: int = 0
    minute_links: int = 0
    network_recipients: int = 0
    client_recipients: int = 0
    was_shown: bool = False


ALONE = Surroundings()
BEFORE_HANDOVER = Label(Actor.SCANNER, "before the hand-over")
Rule = Callable[[Visit, Surroundings], Label | None]


def label(visit: Visit, around: Surroundings = ALONE) -> Label:
    """The most likely actor of a visit: the first rule that says something."""
    found = next(found for rule in RULES if (found := rule(visit, around)))
    if is_within(visit, NOTHING) and found.actor not in {Actor.SCANNER, Actor.PREFETCH}:
        return BEFORE_HANDOVER
    return found


def label_request(visit: Visit, _: Surroundings) -> Label | None:
    if visit.method == "HEAD":
        return Label(Actor.SCANNER, "HEAD request")
    if "prefetch" in visit.purpose.lower() or "preview" in visit.purpose.lower():
        return Label(Actor.PREFETCH, "fetched ahead of a visit")
    return None


def label_program(visit: Visit, _: Surroundings) -> Label | None:
    """Programs that name themselves, or send less than any browser."""
    agent = visit.user_agent.strip()
    if not agent:
        return Label(Actor.SCANNER, "no user agent")
    for pattern, actor, reason in PROGRAMS:
        if pattern.search(agent):
            # An image proxy follows no links for a person.
            return Label(Actor.SCANNER if visit.is_click and actor is not Actor.SCANNER else actor, reason)
    if agent.lower() in BARE:
        if visit.is_click:
            return Label(Actor.SCANNER, "bare user agent")
        return Label(Actor.PREFETCH, "Apple Mail's privacy protection")
    return None


def label_network(visit: Visit, _: Surroundings) -> Label | None:
    """Networks of mail filters, and of mailbox providers that fetch images ahead."""
    known = networks.find(visit.ip)
    if known is None:
        return None
    if known.kind is NetworkKind.SCANNER or (known.kind is NetworkKind.EARLY and is_within(visit, EARLY_TIME)):
        return Label(Actor.SCANNER, known.name)
    if known.kind is NetworkKind.PREFETCH:
        return label_prefetch(visit, known)
    return None


def label_prefetch(visit: Visit, known: KnownNetwork) -> Label:
    return Label(Actor.SCANNER if visit.is_click else Actor.PREFETCH, known.name)


def label_burst(visit: Visit, around: Surroundings) -> Label | None:
    """Filters follow all links at once, as soon as the mail arrives, often with a browser's user agent."""
    early_links = EARLY_LINKS if is_within(visit, FILTER_TIME) else MANY_LINKS
    if around.burst_links >= BURST_LINKS or around.minute_links >= early_links:
        return Label(Actor.SCANNER, "many links at once")
    if around.network_recipients >= NETWORK_RECIPIENTS and is_within(visit, 2 * FILTER_TIME):
        return Label(Actor.SCANNER, "one network, many recipients")
    if around.client_recipients >= CLIENT_RECIPIENTS:
        return Label(Actor.SCANNER, "one client, many recipients")
    return None


def label_mail_program(visit: Visit, _: Surroundings) -> Label | None:
    if not visit.is_click and MAIL_PROGRAM.search(visit.user_agent):
        return Label(Actor.HUMAN, "mail program")
    return None


def label_timing(visit: Visit, around: Surroundings) -> Label | None:
    if is_within(visit, NOTHING):
        return BEFORE_HANDOVER
    if is_within(visit, TOO_QUICK):
        return Label(Actor.SCANNER, "within seconds of the hand-over")
    known = None if visit.is_click else networks.find(visit.ip)
    if known is not None and known.kind is NetworkKind.PROXY:
        return Label(Actor.PROXY, known.name)
    if not is_within(visit, FILTER_TIME):
        return None
    if visit.is_click and around.was_shown:
        return Label(Actor.HUMAN, "after the mail was shown")
    return Label(Actor.UNKNOWN, "within a minute of the hand-over")


def label_browser(visit: Visit, _: Surroundings) -> Label:
    if BROWSER.search(visit.user_agent) or MAIL_PROGRAM.search(visit.user_agent):
        return Label(Actor.HUMAN, "browser or mail program")
    return Label(Actor.UNKNOWN, "unknown user agent")


def is_within(visit: Visit, time: timedelta) -> bool:
    return visit.since_handover is not None and visit.since_handover < time


RULES: Sequence[Rule] = (
    label_request,
    label_program,
    label_network,
    label_burst,
    label_mail_program,
    label_timing,
    label_browser,
)
