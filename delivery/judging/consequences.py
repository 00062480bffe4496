"""The consequences of a judgement beyond the one mail."""

from typing import Protocol

from delivery.judging.terms import About, Speaker


class Judged(Protocol):
    """Something that carries a judgement: a `Judgement`, a `Reply`."""

    @property
    def speaker(self) -> Speaker: ...

    @property
    def about(self) -> About | None: ...

    @property
    def is_for_good(self) -> bool: ...


def should_suppress(judged: Judged) -> bool:
    """Whether the address gets no more mail: the refusal is about the recipient, for good. Nothing else suppresses."""
    return judged.about is About.RECIPIENT and judged.is_for_good


def should_pause(judged: Judged) -> bool:
    """Whether the provider rests until somebody has mended it: it refuses us. What a stranger says pauses nobody."""
    is_ours = judged.speaker in {Speaker.RELAY, Speaker.ESP}
    return is_ours and judged.about in {About.PROVIDER, About.IDENTITY} and judged.is_for_good
