"""Whether anything holds mail back at all: what a worker asks before it looks at each claim."""

from dataclasses import dataclass
from time import monotonic

from ledger.sql import fetch_one_as

# A pause holds in every process after this time at the latest.
FRESH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Holding:
    """Whether there are pauses that hold, and projects with a cap."""

    has_pauses: bool
    has_caps: bool


_HOLDING = """
SELECT EXISTS (SELECT FROM mail_pause WHERE ended_at IS NULL AND kind <> 'provider') AS has_pauses,
       EXISTS (SELECT FROM accounts_sendingcap) AS has_caps
"""


class PauseState:
    """Looked up at most once a second in each process."""

    def __init__(self) -> None:
        self._found = Holding(has_pauses=True, has_caps=True)
        self._fresh_until = float("-inf")

    def read(self) -> Holding:
        now = monotonic()
        if now >= self._fresh_until:
            found = fetch_one_as(Holding, _HOLDING)
            assert found is not None
            self._found, self._fresh_until = found, now + FRESH_SECONDS
        return self._found

    def forget(self) -> None:
        """The next read is a fresh one."""
        self._fresh_until = float("-inf")


pause_state = PauseState()
