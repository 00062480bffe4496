"""How pytest-xdist spreads the tests over its workers; pytest loads this (`-p`).

Tests of one module stay together, and those of some folders, which share what is costly to make: a process to fork
workers from, parsed sources, the pages of the documentation. These and modules with slow tests come first, so that no
worker ends with one while the others have nothing to do.
"""

from typing import Any

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

FOLDERS = ("tests/architecture/", "tests/documentation/", "tests/flows/")


class ByPlace(LoadScopeScheduling):
    """Hands out whole places."""

    def _split_scope(self, nodeid: str) -> str:
        return find_place(nodeid)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    long = {find_place(item.nodeid) for item in items if item.get_closest_marker("slow")} | set(FOLDERS)
    # Stable, so that each module stays together, and a random order stays random.
    items.sort(key=lambda item: find_place(item.nodeid) not in long)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByPlace:
    config.option.loadscopereorder = False
    return ByPlace(config, log)


def find_place(nodeid: str) -> str:
    """The module of a test, or its folder."""
    return next((folder for folder in FOLDERS if nodeid.startswith(folder)), nodeid.partition("::")[0])
