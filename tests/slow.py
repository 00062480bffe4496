"""Tests that take long say why: `@pytest.mark.slow("starts the whole service")`; pytest loads this (`-p`).

The end of a run lists the tests that took longer than `SECONDS` and do not say it. It lists them and fails nothing: a
busy machine makes any test slow. Fixtures do not count, since the first test to come pays for what others share.
"""

import pytest

SECONDS = 5.0
unexplained: dict[str, float] = {}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow(reason): takes longer than five seconds, and why it must.")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker in item.iter_markers("slow"):
            if not (marker.args and isinstance(marker.args[0], str) and marker.args[0].strip()):
                raise pytest.UsageError(f"{item.nodeid} is marked slow without a reason")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    # The names of markers are among a report's keywords, also in one that comes from a worker of pytest-xdist.
    if report.when == "call" and report.duration > SECONDS and "slow" not in report.keywords:
        unexplained[report.nodeid] = report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not unexplained:
        return
    terminalreporter.section(f"over {SECONDS:g} seconds without a reason (mark.slow)")
    for name, seconds in sorted(unexplained.items(), key=lambda each: -each[1]):
        terminalreporter.write_line(f"{seconds:6.1f} s  {name}")
