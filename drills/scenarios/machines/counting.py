"""Counts the operations that the machines have played, each with a check of the promises after it."""

from collections import Counter

steps: Counter[str] = Counter()


def note_step(machine: str) -> None:
    steps[machine] += 1
