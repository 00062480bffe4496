"""Runs one client's script in its environment, and reads the steps that it tells, a line of JSON each."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from tests.vendors.catalogue import VendorClient
from tests.vendors.commands import NODE
from tests.vendors.stand import Stand

HERE = Path(__file__).parent
SECONDS = 120.0
PASSED, PARTIAL, UNSUPPORTED, FAILED = "passed", "partial", "unsupported", "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call of a client: in the table's column `kind`, of `call` as the page of the documentation spells it."""

    kind: str
    call: str
    result: str
    detail: str = ""


def run_script(client: VendorClient, folder: Any, stand: Stand) -> Sequence[Step]:
    """The steps in their order. A script that breaks off is one more step, which has failed."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        # Node's clients tell of each error otherwise.
        "NODE_ENV": "production",
        "EMAILSVC": json.dumps({**stand.told, "page": client.page, "client": client.name}),
    }
    command = build_command(client, folder)
    with TemporaryFile("w+") as said, TemporaryFile("w+") as problems:
        try:
            code = subprocess.run(
                command, cwd=folder, env=environment, stdout=said, stderr=problems, timeout=SECONDS, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            code = None
        steps = [Step(**json.loads(line)) for line in read(said).splitlines() if line.startswith('{"kind"')]
        if code != 0:
            detail = f"it has not ended after {SECONDS:.0f} s" if code is None else read(problems)[-2000:]
            steps.append(Step(kind="script", call="", result=FAILED, detail=detail))
    return steps


def read(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


def build_command(client: VendorClient, folder: Any) -> list[str]:
    if not client.is_node:
        return [str(folder / "bin" / "python"), str(HERE / client.script)]
    # Node looks for packages from where a program lies.
    shutil.copytree(HERE / "node", folder / "scripts", dirs_exist_ok=True)
    return [*NODE, str(folder / "scripts" / Path(client.script).name)]
