"""What the local part of an address at simulator.test says is to become of its mail.

    steps   greylist.2x.then.deliver    451.3x.then.550-5.1.1    timeout.then.sent    full
    later   complaint.after.5s    sent.delivered.after.2s.open.after.4s    550-5.1.1.after.1m

Steps are attempts, one after the other; what happens later belongs to the step before it, or to a delivery. `then` may
be left out. docs/simulator.md lists the words for callers; a test holds the two together.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache

from delivery.envelope import Stage
from delivery.simulator.scenes import (
    DELIVERED,
    KINDS,
    LATER,
    SCENES,
    SYNONYMS,
    TAKING,
    TRIED_AGAIN,
    WORDS,
    Later,
    Scene,
    Script,
    Step,
)

DOMAIN = "simulator.test"
# A custom header of the mail: its waits, and those until what happens later, times this.
TIME_SCALE_HEADER = "X-Simulator-Time-Scale"
MAX_TIMES = 50
MAX_AFTER = timedelta(days=14)


class ScenarioError(ValueError):
    """The local part looks like a scenario and is none. The message says what is wrong, for the caller to read."""


_CODE = r"[245][0-9][0-9](?:-[245]\.[0-9]{1,3}\.[0-9]{1,3})?"
_PART = re.compile(
    rf"(?:then\.)?(?P<word>{_CODE}|[a-z]+)"
    r"(?:\.(?P<times>[0-9]{1,4})x|\.after\.(?P<count>[0-9]{1,6})(?P<unit>ms|s|m|h|d))?(?:\.|$)"
)
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
# A local part with none of these is somebody's name.
_SIGNS = re.compile(rf"(?:^|\.)(?:{_CODE}|then|after|[0-9]+x)(?:\.|$)|^[245][0-9][0-9]-")


@lru_cache(maxsize=4096)
def read_script(address: str) -> Script | None:
    """The script that `address` names; None for other domains and for what looks like a person's name.

    Raises ScenarioError for what looks like a script and cannot be read: it must not pass for delivered.
    """
    local_part, _, domain = address.lower().rpartition("@")
    if domain != DOMAIN:
        return None
    local_part = local_part.partition("+")[0]
    if local_part.partition(".")[0] not in WORDS and not _SIGNS.search(local_part):
        return None
    return tuple(_finish(list(_gather(local_part))))


def _gather(local_part: str) -> Iterator[Step]:
    """The steps as they are written, each with what follows it."""
    step: Step | None = None
    for part in _split(local_part):
        if not _is_later(part):
            if step is not None:
                yield step
            step = _read_step(part)
            continue
        if step is not None and step.scene.outcome not in TAKING:
            # What was put off is delivered next.
            yield step
            step = None
        step = step or Step(scene=DELIVERED)
        step = replace(step, later=(*step.later, _read_later(part)))
    if step is not None:
        yield step


def _split(local_part: str) -> Iterator[re.Match[str]]:
    position = 0
    while position < len(local_part):
        part = _PART.match(local_part, position)
        if part is None:
            raise ScenarioError(f"the simulator cannot read {local_part[position:]}")
        if part["word"] not in WORDS and not part["word"][0].isdigit():
            raise ScenarioError(f"the simulator does not know {part['word']}")
        yield part
        position = part.end()


def _is_later(part: re.Match[str]) -> bool:
    return part["count"] is not None or (part["word"] not in SCENES and not part["word"][0].isdigit())


def _read_step(part: re.Match[str]) -> Step:
    word, times = part["word"], part["times"]
    if times is not None and not 1 <= int(times) <= MAX_TIMES:
        raise ScenarioError(f"{word} can be played 1 to {MAX_TIMES} times")
    scene, usual = SCENES[word] if word in SCENES else (_read_code(word), None)
    return Step(scene=scene, times=int(times) if times else usual)


def _read_code(word: str) -> Scene:
    code, _, enhanced_code = word.partition("-")
    text = f"{enhanced_code} simulated: answered {code}".strip()
    return Scene(code=int(code), text=text, stage=Stage.DOT if code.startswith("2") else Stage.RCPT)


def _read_later(part: re.Match[str]) -> Later:
    word = SYNONYMS.get(part["word"], part["word"])
    if part["times"]:
        raise ScenarioError(f"{word} happens once")
    after = timedelta(**{_UNITS[part["unit"]]: int(part["count"])}) if part["count"] else timedelta(0)
    if after > MAX_AFTER:
        raise ScenarioError(f"nothing happens later than {MAX_AFTER.days} days after")
    if word in LATER:
        return replace(LATER[word], after=after)
    if not word[0].isdigit():
        raise ScenarioError(f"{word} is what an attempt ends with; it cannot happen later")
    code, _, enhanced_code = word.partition("-")
    text = f"simulated: reported {code}"
    return Later(kind=KINDS[int(code[0])], code=int(code), enhanced_code=enhanced_code, text=text, after=after)


def _finish(steps: list[Step]) -> Iterator[Step]:
    """What is followed by another step is played once, and what has an end by a delivery."""
    for number, step in enumerate(steps, start=1):
        is_last = number == len(steps)
        is_final = step.scene.outcome not in TRIED_AGAIN
        if is_final and (step.times is not None or not is_last):
            raise ScenarioError("what was taken or refused for good is not tried again")
        yield replace(step, times=1) if step.times is None and not is_last else step
        if is_last and step.times is not None:
            yield Step(scene=DELIVERED)


def choose_step(script: Script, attempt_number: int) -> Step:
    """The step that this attempt, counted from 1, is played by."""
    left = attempt_number
    for step in script:
        if step.times is None or left <= step.times:
            return step
        left -= step.times
    return script[-1]
