"""Parse the local part of an address at simulator.test into a script for its mail.

    steps   greylist.2x.then.deliver    451.3x.then.550-5.1.1    timeout.then.sent    full
    later   complaint.after.5s    sent.delivered.after.2s.open.after.4s    550-5.1.1.after.1m

Steps are consecutive attempts; later feedback belongs to the step before it, or to a delivery. `then` is optional.
docs/simulator.md lists the keywords; a test compares the two.
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
# A custom header of the mail: a factor for all waits, including those before feedback.
TIME_SCALE_HEADER = "X-Simulator-Time-Scale"
MAX_TIMES = 50
MAX_AFTER = timedelta(days=14)


class ScenarioError(ValueError):
    """The local part looks like a scenario but is invalid. The message is shown to the caller."""


_CODE = r"[245][0-9][0-9](?:-[245]\.[0-9]{1,3}\.[0-9]{1,3})?"
_PART = re.compile(
    rf"(?:then\.)?(?P<word>{_CODE}|[a-z]+)"
    r"(?:\.(?P<times>[0-9]{1,4})x|\.after\.(?P<count>[0-9]{1,6})(?P<unit>ms|s|m|h|d))?(?:\.|$)"
)
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
# A local part without any of these is a person's name.
_SIGNS = re.compile(rf"(?:^|\.)(?:{_CODE}|then|after|[0-9]+x)(?:\.|$)|^[245][0-9][0-9]-")


@lru_cache(maxsize=4096)
def read_script(address: str) -> Script | None:
    """The script of `address`; None for other domains and for local parts that look like a person's name.

    Raises ScenarioError for an invalid script, which must not count as delivered.
    """
    local_part, _, domain = address.lower().rpartition("@")
    if domain != DOMAIN:
        return None
    local_part = local_part.partition("+")[0]
    if local_part.partition(".")[0] not in WORDS and not _SIGNS.search(local_part):
        return None
    return tuple(_finish(list(_gather(local_part))))


def _gather(local_part: str) -> Iterator[Step]:
    """The steps as written, each with its later feedback."""
    step: Step | None = None
    for part in _split(local_part):
        if not _is_later(part):
            if step is not None:
                yield step
            step = _read_step(part)
            continue
        if step is not None and step.scene.outcome not in TAKING:
            # A deferred mail is delivered at the next step.
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
            raise ScenarioError(f"the simulator cannot parse {local_part[position:]}")
        if part["word"] not in WORDS and not part["word"][0].isdigit():
            raise ScenarioError(f"the simulator does not know {part['word']}")
        yield part
        position = part.end()


def _is_later(part: re.Match[str]) -> bool:
    return part["count"] is not None or (part["word"] not in SCENES and not part["word"][0].isdigit())


def _read_step(part: re.Match[str]) -> Step:
    word, times = part["word"], part["times"]
    if times is not None and not 1 <= int(times) <= MAX_TIMES:
        raise ScenarioError(f"{word} can be repeated 1 to {MAX_TIMES} times")
    scene, usual = SCENES[word] if word in SCENES else (_read_code(word), None)
    return Step(scene=scene, times=int(times) if times else usual)


def _read_code(word: str) -> Scene:
    code, _, enhanced_code = word.partition("-")
    text = f"{enhanced_code} simulated: answered {code}".strip()
    return Scene(code=int(code), text=text, stage=Stage.DOT if code.startswith("2") else Stage.RCPT)


def _read_later(part: re.Match[str]) -> Later:
    word = SYNONYMS.get(part["word"], part["word"])
    if part["times"]:
        raise ScenarioError(f"{word} cannot be repeated")
    after = timedelta(**{_UNITS[part["unit"]]: int(part["count"])}) if part["count"] else timedelta(0)
    if after > MAX_AFTER:
        raise ScenarioError(f"feedback can come at most {MAX_AFTER.days} days later")
    if word in LATER:
        return replace(LATER[word], after=after)
    if not word[0].isdigit():
        raise ScenarioError(f"{word} is the reply to an attempt and cannot happen later")
    code, _, enhanced_code = word.partition("-")
    text = f"simulated: reported {code}"
    return Later(kind=KINDS[int(code[0])], code=int(code), enhanced_code=enhanced_code, text=text, after=after)


def _finish(steps: list[Step]) -> Iterator[Step]:
    """Play a step once when another one follows, and end a limited last step with a delivery."""
    for number, step in enumerate(steps, start=1):
        is_last = number == len(steps)
        is_final = step.scene.outcome not in TRIED_AGAIN
        if is_final and (step.times is not None or not is_last):
            raise ScenarioError("no step can follow an accepted or permanently rejected mail")
        yield replace(step, times=1) if step.times is None and not is_last else step
        if is_last and step.times is not None:
            yield Step(scene=DELIVERED)


def choose_step(script: Script, attempt_number: int) -> Step:
    """The step of the attempt `attempt_number` (from 1)."""
    left = attempt_number
    for step in script:
        if step.times is None or left <= step.times:
            return step
        left -= step.times
    return script[-1]
