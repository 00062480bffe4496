"""The actor of opens and clicks: known user agents, networks and behaviours, each with its label."""

from datetime import timedelta

import pytest

from tracking.engagement.bot_detection import Surroundings, Visit, label
from tracking.engagement.user_agents import Actor

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
MAIL = "Mail/3826.200 CFNetwork/3826.400.120 Darwin/24.3.0"
HOME = "203.0.113.7"
CASES = [
    (Visit(method="GET", user_agent=CHROME, ip=HOME), Actor.HUMAN),
    (Visit(method="GET", user_agent=FIREFOX, ip=HOME, is_click=True), Actor.HUMAN),
    (Visit(method="GET", user_agent=IPHONE, ip=HOME), Actor.HUMAN),
    (
        Visit(method="GET", user_agent="Mozilla/5.0 (Windows NT 6.3; rv:140.0) Gecko Thunderbird/140.0", ip=HOME),
        Actor.HUMAN,
    ),
    (Visit(method="GET", user_agent=CHROME, ip=HOME, since_handover=timedelta(minutes=5), is_click=True), Actor.HUMAN),
    (Visit(method="GET", user_agent=CHROME, ip=HOME, since_handover=timedelta(seconds=1)), Actor.SCANNER),
    (Visit(method="GET", user_agent=CHROME, ip=HOME, since_handover=timedelta(seconds=-1)), Actor.SCANNER),
    (Visit(method="GET", user_agent=CHROME, ip=HOME, since_handover=timedelta(seconds=30)), Actor.UNKNOWN),
    (Visit(method="GET", user_agent=MAIL, ip=HOME, since_handover=timedelta(seconds=30)), Actor.HUMAN),
    (
        Visit(method="GET", user_agent=CHROME, ip=HOME, since_handover=timedelta(seconds=1), is_click=True),
        Actor.SCANNER,
    ),
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
    (Visit(method="GET", user_agent="Mozilla/5.0", ip="17.58.100.1"), Actor.PREFETCH),
    (Visit(method="GET", user_agent="Mozilla/5.0", ip=HOME), Actor.PREFETCH),
    (Visit(method="GET", user_agent=CHROME, ip="17.58.100.1"), Actor.PREFETCH),
    (Visit(method="GET", user_agent="Mozilla/5.0", ip=HOME, is_click=True), Actor.SCANNER),
    (
        Visit(method="GET", user_agent="Mozilla/5.0 (via ggpht.com GoogleImageProxy)", ip=HOME, is_click=True),
        Actor.SCANNER,
    ),
    (Visit(method="GET", user_agent="YahooMailProxy; https://help.yahoo.test", ip=HOME), Actor.PROXY),
    (Visit(method="GET", user_agent=CHROME, ip="52.97.1.1", since_handover=timedelta(seconds=30)), Actor.PROXY),
    (Visit(method="GET", user_agent=CHROME, ip="104.47.5.5", is_click=True), Actor.SCANNER),
    (Visit(method="GET", user_agent=CHROME, ip="::ffff:40.93.1.1", is_click=True), Actor.SCANNER),
    (Visit(method="GET", user_agent=CHROME, ip="205.139.111.9", since_handover=timedelta(minutes=5)), Actor.SCANNER),
    (Visit(method="GET", user_agent=CHROME, ip="205.139.111.9", since_handover=timedelta(hours=5)), Actor.HUMAN),
    (Visit(method="GET", user_agent="Mozilla/5.0 (Windows NT 6.1) BingPreview/1.0b", ip=HOME), Actor.SCANNER),
    (Visit(method="GET", user_agent="Microsoft Office Protocol Discovery", ip=HOME, is_click=True), Actor.SCANNER),
    (Visit(method="GET", user_agent="Slack-ImgProxy (+https://slack.test)", ip=HOME), Actor.SCANNER),
    (Visit(method="GET", user_agent=MAIL, ip=HOME), Actor.HUMAN),
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


@pytest.mark.parametrize(
    "around",
    [
        Surroundings(burst_links=4),
        Surroundings(minute_links=10),
        Surroundings(client_recipients=5),
    ],
)
def test_what_no_person_does_is_a_scanners(around: Surroundings) -> None:
    visit = Visit(method="GET", user_agent=CHROME, ip=HOME, is_click=True, since_handover=timedelta(hours=1))
    assert label(visit).actor is Actor.HUMAN
    assert label(visit, around).actor is Actor.SCANNER
    gmail = Visit(method="GET", user_agent="Mozilla/5.0 (via ggpht.com GoogleImageProxy)", ip="66.249.84.1")
    assert label(gmail, around).actor is Actor.PROXY
