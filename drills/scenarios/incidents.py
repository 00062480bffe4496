"""An incident: a relay refuses mail for a while, and an operator sends that mail again."""

import json
import math
import signal
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from drills.harness.evidence import Accepted
from drills.harness.scene import Scene
from drills.stand_ins.rules import Act, ReplyWith, SinkMail, Stage, as_usual
from emailsvc.launcher.data_folder import ROOT
from messages.management.commands.incident import CATCH_UP_SECONDS
from messages.models import IncidentResend
from messages.states import Status

MAILS = 200
RATE = 50
# The operator's terminal is lost after a quarter of the mail, and Ctrl-C is pressed after half of it.
STOPS = ((0.25, signal.SIGKILL), (0.5, signal.SIGINT))
REPLY = "550 5.7.1 Refused by policy of drill-incident"


def incident(scene: Scene) -> None:
    """Refused mail is sent again at 50 a second by a command that is killed, interrupted and repeated."""
    mails = math.ceil(RATE * 60 * scene.length.minutes) if scene.length.minutes else MAILS
    sink = scene.open_sink(refuse)
    scene.stack.start("worker")
    since = timezone.now()
    scene.fill(mails, name="refused")
    scene.wait_for_quiet(since=time.monotonic())
    sink.rule = as_usual
    begun_at = time.monotonic()
    for share, number in STOPS:
        with start_command(since) as command:
            scene.wait_for_mail(math.ceil(share * mails) - len(sink.taken))
            command.send_signal(number)
    with start_command(since) as command:
        command.wait(timeout=2 * mails / RATE + 30)
    scene.expect(command.returncode == 0, f"the last command ended with {command.returncode}")
    with start_command(since, subprocess.PIPE) as again:
        lines = [json.loads(line) for line in again.stdout or ()]
    scene.expect(not lines, f"a command after the last one found {len(lines)} emails to send")
    scene.wait_for_quiet(since=time.monotonic())
    scene.accepted += list_copies()
    fastest = count_busiest_second([mail.at for mail in sink.taken])
    copies = len({mail.address for mail in sink.taken})
    scene.details |= {
        "sent_again": len(sink.taken),
        "addresses": copies,
        "busiest_second": fastest,
        "all_mail_s": round(time.monotonic() - begun_at, 1),
    }
    scene.expect(len(sink.taken) == copies == mails, f"{len(sink.taken)} copies to {copies} of {mails} recipients")
    most = RATE * (1 + CATCH_UP_SECONDS) + 1
    scene.expect(fastest <= most, f"{fastest} mails went out within a second, {most:.0f} are allowed")
    scene.expect_statuses({Status.BOUNCED: mails, Status.DELIVERED: mails})


def refuse(stage: Stage, _mail: SinkMail) -> Act:
    return ReplyWith(REPLY) if stage is Stage.RCPT else None


def start_command(since: datetime, output: int = subprocess.DEVNULL) -> "subprocess.Popen[str]":
    words = ["incident", "--since", since.isoformat(), "--like", "drill-incident", "--rate", str(RATE), "--json"]
    return subprocess.Popen(
        [sys.executable, "-m", "manage", *words], cwd=ROOT, text=True, stdout=output, stderr=subprocess.DEVNULL
    )


def list_copies() -> list[Accepted]:
    """The emails that the command has had accepted."""
    rows = IncidentResend.objects.filter(copy__isnull=False).values_list("copy_id", "recipient__address")
    return [Accepted(email_id, address) for email_id, address in rows]


def count_busiest_second(times: Sequence[float]) -> int:
    """The most mails within a second."""
    ordered = sorted(times)
    return max(bisect_left(ordered, begin + 1) - number for number, begin in enumerate(ordered))
