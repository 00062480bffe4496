"""The actor of opens and clicks: at least twenty known user agents and behaviours, each with its label."""

from datetime import timedelta

import pytest

from tracking.engagement.bot_detection import Actor, Visit, label

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
HOME = "203.0.113.7"
CASES = [
    (Visit(method="GET", user_agent=CHROME, ip=HOME), Actor.HUMAN),
    (Visit(method="GET", user_agent=FIREFOX, ip=HOME, is_click=True), Actor.HUMAN),
    (Visit(method="GET", user_agent=IPHONE, ip=HOME), Actor.HUMAN),
    (
        Visit(method="GET", user_agent="Mozilla/5.0 (Windows NT 6.3; rv:140.0) Gecko Thunderbird/140.0", ip=HOME),
        Actor.HUMAN,
    ),
    (Visit(method="GET", user_agent=CHROME, ip=HOME, since_delivery=timedelta(minutes=5), is_click=True), Actor.HUMAN),
    (Visit(method="GET", user_agent=CHROME, ip=HOME, since_delivery=timedelta(seconds=1)), Actor.HUMAN),
    (Visit(method="GET", user_agent=CHROME, ip=HOME, recent_links=1, is_click=True), Actor.HUMAN),
    (
        Visit(method="GET", user_agent=CHROME, ip=HOME, since_delivery=timedelta(seconds=1), is_click=True),
        Actor.SCANNER,
    ),
    (Visit(method="GET", user_agent=CHROME, ip=HOME, recent_links=3, is_click=True), Actor.SCANNER),
    (Visit(method="HEAD", user_agent=CHROME, ip=HOME, is_click=True), Actor.SCANNER),
    (Visit(method="GET", user_agent="", ip=HOME), Actor.SCANNER),
    (Visit(method="GET", user_agent="curl/8.5.0", ip=HOME), Actor.SCANNER),
    (Visit(method="GET", user_agent="python-requests/2.32", ip=HOME), Actor.SCANNER),
    (Visit(method="GET", user_agent="Go-http-client/2.0", ip=HOME), Actor.SCANNER),
    (Visit(method="GET", user_agent="Mozilla/5.0 (compatible; bingbot/2.0)", ip=HOME), Actor.SCANNER),
    (Visit(method="GET", user_agent="Slackbot-LinkExpanding 1.0", ip=HOME), Actor.SCANNER),
    (Visit(method="GET", user_agent="Mozilla/5.0 Chrome/100 HeadlessChrome/100", ip=HOME), Actor.SCANNER),
    (Visit(method="GET", user_agent="Barracuda Sentinel (EE)", ip=HOME), Actor.SCANNER),
    (Visit(method="GET", user_agent="Proofpoint URL Defense", ip=HOME), Actor.SCANNER),
    (Visit(method="GET", user_agent="WhatsApp/2.24", ip=HOME), Actor.SCANNER),
    (Visit(method="GET", user_agent="Mozilla/5.0 (via ggpht.com GoogleImageProxy)", ip="66.249.84.1"), Actor.PROXY),
    (Visit(method="GET", user_agent="YahooMailProxy; https://help.yahoo.test", ip=HOME), Actor.PROXY),
    (Visit(method="GET", user_agent="Mozilla/5.0", ip="17.58.100.1"), Actor.PROXY),
    (Visit(method="GET", user_agent="Mozilla/5.0", ip=HOME), Actor.PROXY),
    (Visit(method="GET", user_agent=CHROME, ip="17.58.100.1"), Actor.PROXY),
    (Visit(method="GET", user_agent=CHROME, ip=HOME, purpose="prefetch;prerender"), Actor.PREFETCH),
    (Visit(method="GET", user_agent=CHROME, ip=HOME, purpose="preview"), Actor.PREFETCH),
    (Visit(method="GET", user_agent="SomeMailApp/3.1", ip=HOME), Actor.UNKNOWN),
    (Visit(method="GET", user_agent=CHROME, ip=""), Actor.HUMAN),
]


@pytest.mark.parametrize(("visit", "actor"), CASES)
def test_each_visitor_gets_the_label_it_deserves(visit: Visit, actor: Actor) -> None:
    found = label(visit)
    assert found.actor is actor
    assert found.reason
