"""Fills our queue from a process of its own: reads JSON lines from stdin, and answers each with a line.

`["fill", KIND, COUNT]` accepts mails of a kind that wait, `["release"]` makes those of the last fill due, `["sign"]`
makes a verified domain with a key, `["await_worker"]` waits for a worker.
"""

import json
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import django

django.setup()

from django.utils import timezone  # noqa: E402

from accounts.models import Project  # noqa: E402
from bench import filling  # noqa: E402
from bench.peers import mails  # noqa: E402
from common.addresses import parse_address  # noqa: E402
from domains.dkim_keys import build_key  # noqa: E402
from domains.domain_status import DomainStatus  # noqa: E402
from domains.models import DkimKey, Domain  # noqa: E402
from messages.accepting.draft import Draft  # noqa: E402
from messages.attachments import File  # noqa: E402

LARGE_BYTES = bytes(range(256)) * (5 * 1024 * 1024 // 256)
waiting: list[UUID] = []


def sign() -> None:
    now = timezone.now()
    domain = Domain.objects.create(
        project=Project.objects.get(name="bench"),
        name=mails.SIGNED_SENDER.partition("@")[2],
        ownership_token="bench",
        status=DomainStatus.VERIFIED,
        verified_at=now,
        next_check_at=now + timedelta(days=1),
    )
    key = build_key(domain, DkimKey.Algorithm.RSA)
    key.activated_at = now
    key.save()


def build_draft(sender: str, number: int, **fields: Any) -> Draft:
    return Draft(from_=parse_address(sender), to=[parse_address(f"user{number}@rcpt.test")], **fields)


def draft_plain(number: int) -> Draft:
    return build_draft(mails.PLAIN_SENDER, number, subject="Order", text=mails.LINE * (mails.SIZE // len(mails.LINE)))


def draft_tracked(number: int) -> Draft:
    html = mails.build_html(number)
    return build_draft(mails.SIGNED_SENDER, number, subject="Order", html=html, track_opens=True, track_clicks=True)


def draft_template(number: int) -> Draft:
    return build_draft(
        mails.SIGNED_SENDER,
        number,
        template="catalogue",
        template_vars={"name": f"Customer {number}", "number": number},
        track_opens=True,
        track_clicks=True,
    )


def draft_large(number: int) -> Draft:
    """A file of 5 MiB, stored once."""
    file = File(filename="large.bin", content_type="application/octet-stream", content=LARGE_BYTES)
    return build_draft(mails.PLAIN_SENDER, number, subject="Order", text="See the file.", attachments=[file])


DRAFTS: Mapping[str, Callable[[int], Draft]] = {
    "plain": draft_plain,
    "tracked": draft_tracked,
    "template": draft_template,
    "large": draft_large,
}


def fill(kind: str, count: int) -> None:
    drafts = [DRAFTS[kind](next(mails.numbers)) for _ in range(count)]
    waiting[:] = filling.accept_waiting(drafts)


COMMANDS: Mapping[str, Callable[..., None]] = {
    "sign": sign,
    "fill": fill,
    "release": lambda: filling.release_these(waiting),
    "await_worker": filling.await_worker,
}


def main() -> None:
    for line in sys.stdin:
        word, *arguments = json.loads(line)
        COMMANDS[word](*arguments)
        print("done", flush=True)


if __name__ == "__main__":
    main()
