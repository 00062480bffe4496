"""The ways to make inputs: atheris (libFuzzer), which looks for inputs that reach new code, or hypothesis."""

import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from random import Random
from typing import Any, NoReturn

from hypothesis import HealthCheck, given, seed, settings, strategies

from drills.fuzz.bounds import MAX_INPUT_BYTES
from drills.fuzz.corpus import KEPT, find_collected, list_inputs

# Code of ours, and libraries that read what strangers send. Less is faster to begin with.
INSTRUMENTED = (
    *("common.strict_json", "common.addresses", "delivery", "gateways", "messages.accepting", "messages.api"),
    *("messages.feedback", "providers.esp", "tracking.engagement", "webhooks.posting"),
    *("aiosmtpd", "anymail", "h11", "bs4", "html", "json", "email"),
)
# libFuzzer's own limit of time, should an input hang.
SLACK_SECONDS = 60
Try = Callable[[bytes], None]
# After each round the clock is looked at.
ROUND = 20
CHANGED_AT_ONCE = 8


def choose_engine() -> str:
    """`atheris` where it is installed, which it is for the systems and Pythons that it has wheels for."""
    return "atheris" if find_spec("atheris") else "hypothesis"


def load_targets(engine: str) -> Any:
    """`drills.fuzz.findings`, with its readers instrumented for the engine. Before it nothing of ours is imported."""
    if engine != "atheris":
        return load_findings()
    atheris = import_module("atheris")
    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        return load_findings()


def load_findings() -> Any:
    """Set the service up, and import what reads."""
    import_module("django").setup()
    return import_module("drills.fuzz.findings")


def run_atheris(name: str, try_input: Try, seconds: float) -> NoReturn:
    """Fuzz until `try_input` ends the process: libFuzzer runs no Python after its end. It prints to standard error."""
    atheris = import_module("atheris")
    words = [
        "fuzz",
        f"-max_total_time={round(seconds) + SLACK_SECONDS}",
        f"-max_len={MAX_INPUT_BYTES}",
        "-rss_limit_mb=2048",
        f"-timeout={SLACK_SECONDS}",
        "-verbosity=0",
        f"-artifact_prefix={KEPT / name}/",
        str(find_collected(name)),
        str(KEPT / name),
    ]
    atheris.Setup(words, try_input)
    atheris.Fuzz()
    raise SystemExit(f"libFuzzer has ended before its time over {name}")


def run_hypothesis(name: str, try_input: Try, seconds: float) -> None:
    """Bytes at random, and changed inputs of the corpus, until the time is over. The seed is printed."""
    number = time.time_ns() & 0xFFFFFFFF
    print(f"{name}: seed {number}", file=sys.stderr)
    random = Random(number)
    seeds = [*list_inputs(KEPT / name), *list_inputs(find_collected(name))] or [b""]
    until = time.monotonic() + seconds
    pieces = strategies.lists(strategies.binary(max_size=40), min_size=1, max_size=CHANGED_AT_ONCE)
    while time.monotonic() < until:

        @seed(random.getrandbits(32))
        @settings(max_examples=ROUND, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(strategies.sampled_from(seeds), pieces, strategies.integers(0, (1 << 32) - 1))
        def play(data: bytes, chosen: Sequence[bytes], places: int) -> None:
            try_input(change(data, chosen, Random(places))[:MAX_INPUT_BYTES])

        play()


def change(data: bytes, pieces: Sequence[bytes], places: Random) -> bytes:
    """The input with some pieces put over others, some doubled."""
    for piece in pieces:
        begin = places.randint(0, len(data))
        end = min(len(data), begin + places.choice((0, len(piece), 64)))
        kept = data[begin:end] * places.choice((0, 1, 2))
        data = data[:begin] + piece + kept + data[end:]
    return data
