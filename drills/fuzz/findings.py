"""What a target failed on: each kind of failure once, by the error and the line of ours that it came from."""

import traceback
from dataclasses import dataclass, field

from drills.fuzz.bounds import read_within_bounds
from drills.fuzz.corpus import ROOT, keep_finding
from drills.fuzz.targets import TARGETS


@dataclass(kw_only=True)
class FailureLog:
    """Tries the inputs of one target. `count` is the number of inputs, `kinds` the failures by their kind."""

    name: str
    count: int = 0
    kinds: dict[str, str] = field(default_factory=dict)

    def try_input(self, data: bytes) -> None:
        """Read an input; a new kind of failure is kept as a file and told."""
        self.count += 1
        target = TARGETS[self.name]
        try:
            read_within_bounds(target.read, data)
        except target.documented:
            pass
        except Exception as error:  # noqa: BLE001 - any error that is not documented is what is looked for
            kind = name_kind(error)
            if kind not in self.kinds:
                self.kinds[kind] = str(keep_finding(self.name, data).relative_to(ROOT))
                print(f"{self.name}: {kind}: {error} ({self.kinds[kind]})", flush=True)


def name_kind(error: Exception) -> str:
    """The error's type and the last line of ours that it passed."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith(str(ROOT)) and ".venv" not in frame.filename
    ]
    place = f"{frames[-1].filename.removeprefix(f'{ROOT}/')}:{frames[-1].lineno}" if frames else "elsewhere"
    return f"{type(error).__name__} at {place}"
