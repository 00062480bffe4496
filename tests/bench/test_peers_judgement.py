"""The judgement of `./run bench peers --check`: every wanted figure, and nothing skipped."""

from collections.abc import Iterable

import pytest

from bench.__main__ import list_benches
from bench.peers.figures import OURS, RATE, Row
from bench.peers.plan import FULL_MESSAGES, build_plan
from bench.peers.rows import accept, queue, scale, whole
from bench.peers.wanted import DRF, PRESENT, ROWS, WANTED, Wanted, judge


def build_rows() -> dict[str, Row]:
    """Rows that have each wanted figure, far on the right side, in two rounds."""
    rows = {name: Row(name=name) for name in ROWS}
    for wanted in each_wanted(WANTED):
        sides = rows[wanted.row].figures
        if wanted.against:
            sides.setdefault(wanted.against, {})[wanted.figure] = [1, 1]
        is_floor = wanted.at_least is not None
        sides.setdefault(wanted.side, {})[wanted.figure] = [1e6, 1e6] if is_floor else [0.001, 0.001]
    for name, side in PRESENT:
        rows[name].add(side, {RATE: 1})
    return rows


def each_wanted(wanted: Iterable[Wanted]) -> Iterable[Wanted]:
    for one in wanted:
        yield one
        if one.or_else:
            yield one.or_else


def list_missed(rows: dict[str, Row]) -> list[tuple[str, str]]:
    return [(each.row, each.wanted) for each in judge(rows) if not each.is_met]


def test_a_run_that_meets_every_figure_lacks_nothing():
    assert list_missed(build_rows()) == []


@pytest.mark.parametrize("name", ROWS)
def test_a_row_that_was_not_measured_is_missed(name):
    rows = build_rows()
    rows[name].figures.clear()
    assert {row for row, _ in list_missed(rows)} == {name}


@pytest.mark.parametrize(("name", "side"), PRESENT)
def test_a_peer_without_a_bound_belongs_to_its_row(name, side):
    rows = build_rows()
    del rows[name].figures[side]
    assert (name, f"{side} is measured") in list_missed(rows)


def test_a_peer_that_was_skipped_is_missed_with_the_reason():
    rows = build_rows()
    rows["deliver-plain"].skipped["Haraka"] = "needs nodejs"
    assert list_missed(rows) == [("deliver-plain", "Haraka is not skipped (needs nodejs)")]


def test_a_median_just_below_a_floor_is_missed_and_one_on_it_is_met():
    wanted = Wanted(row="deliver", against="Postfix", at_least=4)
    row = Row(name="deliver", figures={OURS: {RATE: [399, 399, 900]}, "Postfix": {RATE: [100, 100, 100]}})
    assert not wanted.is_met({"deliver": row})
    row.figures[OURS][RATE] = [400, 400, 1]
    assert wanted.is_met({"deliver": row})


def test_a_median_above_a_ceiling_is_missed():
    wanted = Wanted(row="start", figure="seconds", at_most=5)
    row = Row(name="start", figures={OURS: {"seconds": [5, 5, 9]}})
    assert wanted.is_met({"start": row})
    row.figures[OURS]["seconds"] = [5.1, 5.1, 1]
    assert not wanted.is_met({"start": row})


@pytest.mark.parametrize(("rate", "peer", "is_met"), [(5000, 4900, True), (4500, 3000, True), (4400, 3000, False)])
def test_batches_need_a_rate_or_a_ratio(rate, peer, is_met):
    rows = build_rows()
    rows["accept-batch"].figures[OURS][RATE] = [rate]
    rows["accept-batch"].figures[DRF][RATE] = [peer]
    missed = [row for row, wanted in list_missed(rows) if "per_second" in wanted]
    assert missed == ([] if is_met else ["accept-batch"])


def test_every_row_is_measured_by_one_part():
    parts = [*queue.ROWS, *accept.ROWS, *scale.ROWS, *whole.ROWS]
    assert sorted(parts) == sorted(ROWS)


def test_every_side_of_a_round_has_a_number_of_messages():
    kinds = {kind for kind, _ in queue.QUEUES.values()}
    peers = {side for _, sides in queue.QUEUES.values() for side in sides}
    assert set(FULL_MESSAGES) == kinds | peers | set(queue.BOTH)


def test_a_full_run_has_three_rounds_and_a_quick_one_is_smaller(tmp_path):
    full = build_plan(is_quick=False, rounds=None, cache=tmp_path)
    quick = build_plan(is_quick=True, rounds=None, cache=tmp_path)
    assert full.rounds == 3
    assert full.due_rows == 1_000_000
    assert full.worker_messages == 100_000
    assert quick.due_rows < full.due_rows
    assert build_plan(is_quick=True, rounds=5, cache=tmp_path).rounds == 5


def test_growth_leaves_the_warm_up_out():
    samples = [50.0, 100, 100, 100, 100, 100, 100, 100, 100, 130]
    assert scale.summarise(samples) == {"most_mb": 130, "growth_mb": 30}
    assert scale.summarise([50.0]) == {}


def test_the_program_knows_benches_in_modules_and_in_folders():
    benches = list_benches()
    assert benches["peers"] == "bench.peers.bench"
    assert benches["delivery"] == "bench.delivery"
    assert "filling" not in benches
