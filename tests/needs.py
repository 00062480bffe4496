"""External needs of some tests, and a line at the end of the run about skipped tests.

Where `CI` is set a test that wants a program which is not here makes the run fail: .ci/run has to install it.
"""

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

PROGRAM = "needs the program "
# Postfix and its like lie where only root looks.
SYSTEM_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))
# A folder of samples from elsewhere, too large or too foreign to lie here; its layout is the tests'.
SHARED = Path(os.environ["EMAILSVC_SHARED"]).resolve() if os.environ.get("EMAILSVC_SHARED") else None
shared = pytest.mark.skipif(SHARED is None, reason="needs the samples that EMAILSVC_SHARED names")
root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
# For the end of a list of samples: tells of those that are not there.
NOT_SHARED = [] if SHARED else [pytest.param(None, marks=shared, id="shared")]


def find_program(name: str) -> str | None:
    return shutil.which(name, path=SYSTEM_PATH)


def program(name: str) -> pytest.MarkDecorator:
    """The test is skipped where this program is not installed."""
    return pytest.mark.skipif(find_program(name) is None, reason=f"{PROGRAM}{name}")


def count_skips(config: pytest.Config) -> Counter[str]:
    """How many tests were skipped, by reason; nothing in a worker of pytest-xdist."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    reasons = (report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple))
    return Counter(reason.removeprefix("Skipped: ") for reason in reasons)


def list_refused(counts: Counter[str]) -> list[str]:
    return [reason for reason in counts if os.environ.get("CI") and reason.startswith(PROGRAM)]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if exitstatus == pytest.ExitCode.OK and list_refused(count_skips(session.config)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts = count_skips(terminalreporter.config)
    if counts:
        terminalreporter.section("skipped")
    for reason, count in counts.most_common():
        terminalreporter.write_line(f"{count:5}  {reason}")
    for reason in list_refused(counts):
        terminalreporter.write_line(f"In CI no test may be left out that {reason}.", red=True)
