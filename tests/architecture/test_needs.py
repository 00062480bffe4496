"""The summary of skipped tests at the end of a run, tested with small runs of pytest."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest
from tests import needs

@needs.program("no-such-program")
@pytest.mark.parametrize("number", range(2))
def test_with_a_program(number): ...

@pytest.mark.skip(reason="needs a full moon")
def test_at_night(): ...

def test_anything(): ...
"""


def run(folder: Path, *options: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    (folder / "test_skips.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-p", "xdist.plugin", "-p", "tests.needs", *options]
    given = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST_")}
    environment = {
        **given,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        **environ,
    }
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("options", [("-n", "0"), ("-n", "1")])
def test_skips_are_counted_by_reason(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = run(tmp_path, *options)
    assert done.returncode == 0, done.stdout
    assert "    2  needs the program no-such-program\n    1  needs a full moon\n" in done.stdout


def test_in_ci_only_a_program_may_not_be_missing(tmp_path: Path) -> None:
    done = run(tmp_path, "-n", "0", CI="true")
    assert done.returncode == 1
    assert "In CI no test may be left out that needs the program no-such-program." in done.stdout
    assert run(tmp_path, "-n", "0", "-k", "not program", CI="true").returncode == 0
