"""How pytest-xdist spreads the tests over its workers; pytest loads this (`-p`).

Tests of one module stay together, and those of some folders, which share what is costly to make: a process to fork
workers from, parsed sources, the pages of the documentation. These and modules with slow tests come first, and modules
of few tests last, so that no worker ends with a long one while the others have nothing to do.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling
from xdist.workermanage import WorkerController

FOLDERS = ("tests/architecture/", "tests/documentation/", "tests/flows/")


class Positions(list[str]):
    """The tests of a worker, in which each is found at once."""

    def __init__(self, tests: Iterable[str]) -> None:
        super().__init__(tests)
        self._positions = {test: position for position, test in enumerate(self)}

    def index(self, test: str, *_bounds: int) -> int:  # type: ignore[override]
        return self._positions[test]


class ByPlace(LoadScopeScheduling):
    """Hands out whole places. After each test its base counts what is left: finished places are taken away."""

    def _split_scope(self, nodeid: str) -> str:
        return find_place(nodeid)

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        super().add_node_collection(node, collection)
        if node in self.registered_collections:
            self.registered_collections[node] = Positions(collection)

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        work = self.assigned_work[node]
        place = find_place(self.registered_collections[node][item_index])
        super().mark_test_complete(node, item_index, duration)
        if all(work[place].values()):
            del work[place]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    long = {find_place(item.nodeid) for item in items if item.get_closest_marker("slow")} | set(FOLDERS)
    counts = Counter(find_place(item.nodeid) for item in items)

    def rank(item: pytest.Item) -> tuple[bool, int]:
        place = find_place(item.nodeid)
        # By powers of two, so that the order stays random among modules of about the same size.
        return place not in long, -counts[place].bit_length()

    # Stable, so that each module stays together.
    items.sort(key=rank)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByPlace:
    config.option.loadscopereorder = False
    return ByPlace(config, log)


def find_place(nodeid: str) -> str:
    """The module of a test, or its folder."""
    return next((folder for folder in FOLDERS if nodeid.startswith(folder)), nodeid.partition("::")[0])
