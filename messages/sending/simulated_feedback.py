"""The simulator's later events (bounces, opens, complaints), planned as feedback rows that become due."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from delivery.judging.judge import judge
from delivery.judging.model import Refusal
from delivery.judging.terms import Speaker
from delivery.simulator.scenes import Later
from delivery.simulator.script import ScenarioError, choose_step, read_script
from ledger.sql import fetch
from messages.feedback.model import Feedback, FeedbackKind, name_judgement
from messages.feedback.recording import plan_feedback
from messages.sending.outcomes import AttemptResult
from messages.sending.recording import TIME_SCALE_PATH
from tracking.engagement.user_agents import Actor

SOURCE = "simulator"
# The target of a simulated click in a message without tracked links.
ELSEWHERE = "https://simulator.test/"
# Additional event data of these kinds, in the form of real events.
DATA: Mapping[FeedbackKind, Mapping[str, Any]] = {
    FeedbackKind.OPENED: {"actor": Actor.HUMAN, "actor_reason": "simulated"},
    FeedbackKind.CLICKED: {"actor": Actor.HUMAN, "actor_reason": "simulated", "link": "0"},
    FeedbackKind.COMPLAINED: {"feedback_type": "abuse"},
}
_MESSAGES = """
SELECT m.id, COALESCE(jsonb_path_query_first(m.headers, %s::jsonpath) #>> '{}', '1')::float,
       COALESCE(t.urls[1], %s)
FROM mail_message m LEFT JOIN tracking_trackedlinks t ON t.message_id = m.id WHERE m.id = ANY(%s)
"""


def plan_later(results: Sequence[AttemptResult]) -> None:
    """Plan the later feedback of simulated attempts, in the transaction that recorded them."""
    wanted = {
        result.claim.recipient_id: later
        for result in results
        if result.claim.is_simulated and (later := find_later(result))
    }
    if not wanted:
        return
    claims = [result.claim for result in results if result.claim.recipient_id in wanted]
    rows = fetch(_MESSAGES, [TIME_SCALE_PATH, ELSEWHERE, list({claim.message_id for claim in claims})])
    messages = {message_id: (time_scale, url) for message_id, time_scale, url in rows}
    for claim in claims:
        time_scale, url = messages[claim.message_id]
        for number, one in enumerate(wanted[claim.recipient_id]):
            key = f"{SOURCE}:{claim.recipient_id}:{claim.number}:{number}"
            plan_feedback(build_feedback(key, one, claim.recipient_id, url), one.after * time_scale)


def find_later(result: AttemptResult) -> Sequence[Later]:
    """The later events in the scenario of the attempt's address."""
    try:
        script = read_script(result.claim.address)
    except ScenarioError:
        return ()
    return choose_step(script, result.claim.number).later if script else ()


def build_feedback(key: str, later: Later, recipient_id: UUID, url: str) -> Feedback:
    kind = FeedbackKind(later.kind)
    refusal = Refusal(
        speaker=Speaker.REPORT,
        code=later.code,
        enhanced_code=later.enhanced_code,
        words=later.text,
        is_delayed=kind is FeedbackKind.DELAYED,
    )
    return Feedback(
        key=key,
        kind=kind,
        source=SOURCE,
        recipient_id=recipient_id,
        code=later.code,
        enhanced_code=later.enhanced_code,
        reply=later.text,
        **name_judgement(judge(refusal), kind),
        data={**DATA.get(kind, {}), **({"url": url} if kind is FeedbackKind.CLICKED else {})},
    )
