"""The programs' log files: kept small while the programs write to them."""

import os
import shutil
from pathlib import Path

LIMIT_BYTES = 20_000_000


def trim_logs(folder: Path, limit: int = LIMIT_BYTES) -> None:
    """Move the content of a log over `limit` bytes to `<log>.1`. The writer appends and continues in the empty file."""
    for log in folder.glob("*.log"):
        if log.stat().st_size > limit:
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)
