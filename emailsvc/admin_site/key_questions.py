"""Questions to security keys in pages of the admin: each has a challenge in the session, which is taken once."""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.utils import timezone

from accounts.models import SecurityKey
from accounts.people.security_keys import MAX_ANSWER, Party, Question, ask_for_key, check_key, find_party

CHALLENGES = "_security_key_challenges"
# Longer than a page about keys is looked at, and than browsers wait for a person.
PATIENCE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question for the page: its options, or the address of the pages where keys work."""

    options: str = ""
    elsewhere: str = ""


def find_party_here(request: HttpRequest) -> Party | None:
    """The party if this page has its name: browsers refuse its keys on pages of another one."""
    party = find_party()
    host, _port = split_domain_port(request.get_host())
    return party if party and party.id == host else None


def ask_known_key(request: HttpRequest, user: User) -> Asked:
    """A question for one of the user's keys, empty if there is none."""
    party = find_party_here(request)
    if party is None:
        has_keys = find_party() is not None and SecurityKey.objects.filter(user=user).exists()
        return Asked(elsewhere=settings.PUBLIC_URL if has_keys else "")
    question = ask_for_key(user, party)
    if question is None:
        return Asked()
    keep_challenge(request, user, "sign_in", question)
    return Asked(options=question.options)


def judge_answer(request: HttpRequest, user: User, answer: str) -> bool:
    """Whether one of the user's keys gave this answer to the last question. Another answer needs another question."""
    party, challenge = find_party_here(request), take_challenge(request, user, "sign_in")
    if party is None or challenge is None or len(answer) > MAX_ANSWER:
        return False
    return check_key(user, answer, challenge=challenge, party=party)


def keep_challenge(request: HttpRequest, user: User, use: str, question: Question) -> None:
    kept: dict[str, Any] = request.session.get(CHALLENGES, {})
    text, now = b64encode(question.challenge).decode(), timezone.now().timestamp()
    request.session[CHALLENGES] = {**kept, use: {"text": text, "user": user.pk, "at": now}}


def take_challenge(request: HttpRequest, user: User, use: str) -> bytes | None:
    """The challenge of the last question to this user for this use. It leaves the stored session before it is used."""
    kept: dict[str, Any] = request.session.get(CHALLENGES, {})
    found = kept.get(use)
    request.session[CHALLENGES] = {name: each for name, each in kept.items() if name != use}
    request.session.save()
    since = (timezone.now() - PATIENCE).timestamp()
    return b64decode(found["text"]) if found and found["user"] == user.pk and found["at"] > since else None
