"""Labels opens and clicks with an actor: a person, or a machine such as a scanner or proxy.

The log keeps every open and click, each with the most likely actor and the reason for it. Statistics show both people
and all actors. The tables contain public knowledge about these systems.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address, ip_network

# A person needs longer than this after the delivery to read and click; gateways follow links at once.
TOO_QUICK = timedelta(seconds=3)
# A person does not follow this many different links of one message within the window.
MANY_LINKS = 4
MANY_LINKS_WINDOW = timedelta(seconds=5)


class Actor(StrEnum):
    """The kind of visitor."""

    HUMAN = "human"
    SCANNER = "scanner"
    PROXY = "proxy"
    PREFETCH = "prefetch"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Label:
    """The most likely actor, with a short reason."""

    actor: Actor
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """The known facts about a request.

    `since_delivery` is None without a delivery; `recent_links` counts other links that were followed just before.
    """

    method: str
    user_agent: str
    ip: str
    purpose: str = ""
    since_delivery: timedelta | None = None
    recent_links: int = 0
    is_click: bool = False


# The first match decides, since a scanner may add a browser's name to its own.
USER_AGENTS: Sequence[tuple[re.Pattern[str], Actor, str]] = [
    (re.compile(pattern, re.IGNORECASE), actor, reason)
    for pattern, actor, reason in (
        (r"googleimageproxy|ggpht\.com", Actor.PROXY, "Gmail's image proxy"),
        (r"yahoomailproxy|yahoocachesystem", Actor.PROXY, "Yahoo's image proxy"),
        (r"outlook-?ios-?android-?proxy|microsoft\s?office\s?proxy", Actor.PROXY, "Outlook's proxy"),
        (r"duckduckgo-?email|protonmail-?proxy|fastmail-?proxy|hey-?email", Actor.PROXY, "a mail service's proxy"),
        (r"barracuda|proofpoint|mimecast|ironport|fireeye|trendmicro|sophos", Actor.SCANNER, "mail gateway"),
        (r"safelinks|microsoft-?defender|atp-?safe|zscaler|forcepoint|symantec", Actor.SCANNER, "mail gateway"),
        (r"slackbot|twitterbot|facebookexternalhit|linkedinbot|whatsapp|telegrambot|discordbot|skypeuripreview",
         Actor.SCANNER, "link preview"),
        (r"\bbot\b|bot/|crawler|spider|scanner|urlscan|virustotal|headlesschrome|phantomjs", Actor.SCANNER, "bot"),
        (r"^(curl|wget|python|go-http-client|java|okhttp|libwww|ruby|php|axios|node|apache-httpclient|httpx|aiohttp)",
         Actor.SCANNER, "HTTP library"),
    )
]  # fmt: skip

# Networks of proxies only, as (network, reason). Apple publishes 17.0.0.0/8 as its own.
PROXY_NETWORKS = [
    (ip_network(network), reason)
    for network, reason in (
        ("17.0.0.0/8", "Apple Mail's privacy proxy"),
        ("66.102.0.0/20", "Google's network"),
        ("66.249.64.0/19", "Google's network"),
        ("74.125.0.0/16", "Google's network"),
        ("2001:4860::/32", "Google's network"),
    )
]

BROWSER = re.compile(r"mozilla/\d.+(applewebkit|gecko|trident)|opera|thunderbird|outlook|applemail", re.IGNORECASE)


def label(visit: Visit) -> Label:
    """The most likely actor of a visit."""
    if visit.method == "HEAD":
        return Label(Actor.SCANNER, "HEAD request")
    if "prefetch" in visit.purpose.lower() or "preview" in visit.purpose.lower():
        return Label(Actor.PREFETCH, "fetched ahead of a visit")
    for pattern, actor, reason in USER_AGENTS:
        if pattern.search(visit.user_agent):
            return Label(actor, reason)
    return label_network(visit) or label_timing(visit) or label_browser(visit)


def label_network(visit: Visit) -> Label | None:
    try:
        address = ip_address(visit.ip)
    except ValueError:
        return None
    for network, reason in PROXY_NETWORKS:
        if address.version == network.version and address in network:
            return Label(Actor.PROXY, reason)
    return None


def label_timing(visit: Visit) -> Label | None:
    """Detect gateways, which fetch all links as soon as the mail arrives, often with a browser's user agent."""
    if visit.recent_links + 1 >= MANY_LINKS:
        return Label(Actor.SCANNER, "many links at once")
    if visit.is_click and visit.since_delivery is not None and visit.since_delivery < TOO_QUICK:
        return Label(Actor.SCANNER, "within seconds of delivery")
    return None


def label_browser(visit: Visit) -> Label:
    if not visit.user_agent:
        return Label(Actor.SCANNER, "no user agent")
    if visit.user_agent.strip().lower() in {"mozilla/5.0", "mozilla/4.0"}:
        return Label(Actor.PROXY, "bare user agent")
    if BROWSER.search(visit.user_agent):
        return Label(Actor.HUMAN, "browser or mail program")
    return Label(Actor.UNKNOWN, "unknown user agent")
