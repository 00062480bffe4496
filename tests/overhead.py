"""What pytest and its plugins do for each of ten thousand tests in vain, left out; pytest loads this (`-p`).

A worker of pytest-xdist tells the main process six things of a test: that it begins and ends, and the report of each
of its three phases. A quiet run shows none of them but the test's own report, and what was slow or went wrong.
pytest-django gives each test fixtures that do something only where the test has their marker.
"""

from collections.abc import Callable
from typing import Any

import pytest

# `--durations` lists nothing that is shorter.
SHORT_SECONDS = 0.005
# A fixture of pytest-django, and what a test has that needs it.
MARKERS = {
    "_django_db_marker": "django_db",
    "_django_isolate_apps": "django_isolate_apps",
    "_django_set_urlconf": "urls",
    "_template_string_if_invalid_marker": "ignore_template_errors",
}
# Our own fixture for each test empties the outbox; the application for several sites is not installed; no class of
# unittest is a test here.
NEVER = {"_dj_autoclear_mailbox", "_django_clear_site_cache", "_django_setup_unittest"}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and item.cls is None:
            item.fixturenames = [name for name in item.fixturenames if is_needed(item, name)]


def is_needed(item: pytest.Function, fixture: str) -> bool:
    if fixture == "_live_server_helper":
        return "live_server" in item.fixturenames
    if marker := MARKERS.get(fixture):
        return item.get_closest_marker(marker) is not None
    return fixture not in NEVER


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Have a worker be quiet where the run is quiet and writes no file of results."""
    options = session.config.option
    if hasattr(session.config, "workerinput") and options.verbose <= 0 and not options.xmlpath:
        for plugin in session.config.pluginmanager.get_plugins():
            if type(plugin).__name__ == "WorkerInteractor":
                plugin.sendevent = keep_silent(plugin.sendevent)


def keep_silent(send: Callable[..., None]) -> Callable[..., None]:
    """`send`, for events that the main process shows."""

    def send_shown(name: str, **values: Any) -> None:
        if name not in ("logstart", "logfinish") and not (name == "testreport" and is_dull(values["data"])):
            send(name, **values)

    return send_shown


def is_dull(report: dict[str, Any]) -> bool:
    """Whether a report is of a set-up or teardown that was quick, went well and printed nothing."""
    went_well = report["when"] != "call" and report["outcome"] == "passed" and not report["sections"]
    return bool(went_well and report["duration"] < SHORT_SECONDS)
