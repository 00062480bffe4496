"""What follows from the guard's judgement: mail is slowed or paused, and people are told."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import transaction

from accounts.models import Project
from accounts.services import write_notice
from ledger.sql import fetch_column
from messages.guard.judging import GUARD, PAUSE_FACTOR, Scope
from messages.pause_models import Pause, PauseKind
from messages.pausing.services import PauseExistsError, end_pause, store_pause

ScopeKey = tuple[UUID, str, str]
_DOMAINS = """
SELECT DISTINCT unnest(domains) FROM mail_guardcount WHERE project_id = %s AND kind = %s AND value = %s LIMIT 5000
"""


def act(scopes: Sequence[Scope]) -> None:
    """Start, keep up to date and end the guard's pauses. `scopes` has each project before its parts."""
    present: dict[ScopeKey, dict[bool, Pause]] = defaultdict(dict)
    for pause in Pause.objects.filter(is_by_guard=True, ended_at=None):
        assert pause.project_id is not None
        present[pause.project_id, pause.kind, pause.value][pause.only_opt_out] = pause
    levels: dict[UUID, float] = {}
    started: dict[UUID, list[Pause]] = defaultdict(list)
    over: set[ScopeKey] = set()
    for scope in scopes:
        excess = scope.worst.excess
        if scope.kind is PauseKind.PROJECT:
            levels[scope.project_id] = excess
        if excess <= 1:
            continue
        key = (scope.project_id, str(scope.kind), scope.value)
        over.add(key)
        for is_pause, limit in ((False, 1.0), (True, PAUSE_FACTOR)):
            if excess <= limit:
                continue
            if found := present[key].get(is_pause):
                keep_up_to_date(found, scope)
            elif scope.kind is PauseKind.PROJECT or levels.get(scope.project_id, 0.0) <= limit:
                # What holds for the whole project needs no pause of its parts.
                started[scope.project_id] += start(scope, is_pause=is_pause)
    for project_id, pauses in started.items():
        tell(project_id, pauses)
    for key, kinds in present.items():
        # A slowing ends when the rate has gone down; a pause is ended by a person.
        if key not in over and (slow := kinds.get(False)):
            end_pause(GUARD, slow)


def start(scope: Scope, *, is_pause: bool) -> list[Pause]:
    """A pause of the scope, or a slowing. Empty if another process was first."""
    pause = Pause(
        project_id=scope.project_id,
        kind=scope.kind,
        value=scope.value,
        label=name_scope(scope),
        reason=scope.worst.describe(),
        made_by=GUARD,
        is_by_guard=True,
        only_opt_out=is_pause,
        per_minute=None if is_pause else scope.per_minute,
        domains=find_domains(scope),
        data=dict(scope.worst.as_data()),
    )
    try:
        return [store_pause(pause)]
    except PauseExistsError:
        return []


def keep_up_to_date(pause: Pause, scope: Scope) -> None:
    pause.reason, pause.data, pause.domains = scope.worst.describe(), dict(scope.worst.as_data()), find_domains(scope)
    pause.save(update_fields=["reason", "data", "domains"])


def find_domains(scope: Scope) -> list[str]:
    if scope.kind is not PauseKind.MAILBOX_PROVIDER:
        return []
    return sorted(fetch_column(_DOMAINS, [scope.project_id, scope.kind, scope.value]))


def name_scope(scope: Scope) -> str:
    if scope.kind is PauseKind.PROJECT:
        return Project.objects.values_list("name", flat=True).get(pk=scope.project_id)
    return scope.value


SUBJECTS: Mapping[str, str] = {
    PauseKind.PROJECT: "the project",
    PauseKind.STREAM: "the stream",
    PauseKind.SENDER_DOMAIN: "the sender domain",
    PauseKind.MAILBOX_PROVIDER: "mail to the mailbox provider",
}


def tell(project_id: UUID, pauses: Sequence[Pause]) -> None:
    """One notice to the project's contact and one to the operator, of all that began in this round."""
    project = Project.objects.get(pk=project_id)
    text = "\n".join(say_effect(pause) for pause in pauses)
    data = {"project_id": str(project_id), "pauses": [str(pause.pk) for pause in pauses]}
    with transaction.atomic():
        write_notice(project, kind="guard", text=f"{text}\nMail that is critical goes on. {ADVICE}", data=data)
        write_notice(None, kind="guard", text=f"Project {project.name}:\n{text}", data=data)


ADVICE = "Clean the list of recipients, then ask the operator of this service to resume your mail."


def say_effect(pause: Pause) -> str:
    what = f"{SUBJECTS[pause.kind]} {pause.label}"
    if pause.per_minute is not None:
        return f"Bulk mail of {what} is slowed to {pause.per_minute} a minute: {pause.reason}."
    return f"Mail of {what} that offers an opt-out is paused until a person resumes it: {pause.reason}."
