"""The programs that `./run` keeps alive, in the order in which they start."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from emailsvc.embedded.programs import Program
from emailsvc.launcher.data_folder import ROOT
from emailsvc.launcher.forking import fork_program

SUBMISSION, SUBMISSION_TLS, METRICS = "submission", "submission-tls", "metrics"
# The sockets of a program that has others than one of its own name.
INHERITED = {SUBMISSION: (SUBMISSION, SUBMISSION_TLS), "web": ("web", METRICS)}
CERTIFICATE_NAME = "submission.pem"
# Seconds for each stage of the shutdown; with the servers' own time less than the promised ten.
STOP_STAGES = (("beat", "worker", "worker-bulk", "worker-webhooks", "web", "reports", "submission"), ("inbox",))
# Those of a stage end together, so each may take as long as the slowest: a busy machine slows the quick ones too.
STAGE_SECONDS = (5.5, 1.5)
STOP_SECONDS = {name: seconds for names, seconds in zip(STOP_STAGES, STAGE_SECONDS, strict=True) for name in names}
PREPARATION_SECONDS = 2.0

CELERY = ("celery", "-A", "emailsvc.celery:app", "--quiet")
# Neither gossip, mingle nor heartbeat: workers need nothing from each other, nobody reads their events, which cost a
# wake-up every two seconds, and mingling delays each start by a second.
WORKER = (*CELERY, "worker", "--without-gossip", "--without-mingle", "--without-heartbeat")
WEB = ("gunicorn", "emailsvc.wsgi:application", "-c", "emailsvc/web/gunicorn_config.py")
COMMANDS = {
    "web": WEB,
    "worker": (*WORKER, "-Q", "critical,normal", "-c", "2", "-n", "fast@%h"),
    "worker-bulk": (*WORKER, "-Q", "bulk,periodic", "-c", "1", "-n", "bulk@%h"),
    "worker-webhooks": (*WORKER, "-Q", "webhooks", "-c", "1", "-n", "webhooks@%h"),
    "beat": (*CELERY, "beat"),
}


@dataclass(frozen=True, kw_only=True)
class ProcessOptions:
    """Settings for our programs; `sockets` are the listening descriptors that servers inherit, by program (see
    `INHERITED`).

    We own the sockets, so they outlive a server that dies: clients wait a moment instead of being refused, and no other
    program can listen there meanwhile.
    """

    data: Path
    environment: Mapping[str, str]
    sockets: Mapping[str, int]


def build_processes(process_options: ProcessOptions) -> list[Program]:
    """The programs in the order of their start; they need a prepared database, and stop in the order of
    `STOP_STAGES`.
    """
    inbox = ("manage", "run_inbox", "--fd", str(process_options.sockets["inbox"]))
    places = [process_options.sockets[name] for name in INHERITED["web"] if name in process_options.sockets]
    web = (*COMMANDS["web"], *(word for place in places for word in ("--bind", f"fd://{place}")))
    reports = ("manage", "run_report_listener", "--fd", str(process_options.sockets["reports"]))
    commands = {"inbox": inbox, **COMMANDS, "web": web, "reports": reports, SUBMISSION: _submission(process_options)}
    return [_program(process_options, name, command) for name, command in commands.items()]


def _submission(process_options: ProcessOptions) -> tuple[str, ...]:
    plain, secure = (str(process_options.sockets[name]) for name in INHERITED[SUBMISSION])
    certificate = str(process_options.data / CERTIFICATE_NAME)
    sockets = ("--fd", plain, "--tls-fd", secure)
    return ("manage", "run_submission", *sockets, "--certificate", certificate, "--self-signed")


def build_preparation(process_options: ProcessOptions) -> Program:
    """The program that must finish before the others start; it needs the servers, and ends by itself."""
    return _program(process_options, "prepare", ("manage", "prepare", "--secrets", str(process_options.data)))


def _program(process_options: ProcessOptions, name: str, command: tuple[str, ...]) -> Program:
    names = INHERITED.get(name, (name,))
    sockets = [process_options.sockets[each] for each in names if each in process_options.sockets]
    return Program(
        name=name,
        arguments=command,
        log=process_options.data / "logs" / f"{name}.log",
        environment=process_options.environment,
        folder=ROOT,
        inherited=tuple(sockets),
        stop_seconds=STOP_SECONDS.get(name, PREPARATION_SECONDS),
        begin=fork_program,
    )
