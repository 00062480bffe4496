"""A soak's curves: what grows is told, what only shakes is not."""

from drills.soak.curves import BARS, WIDTH, Bound, Curve, draw
from drills.soak.sampling import measure, measure_folder

BOUND = Bound(share=0.25, room=10.0)


def build(values: list[float]) -> Curve:
    return Curve(name="worker memory", unit="MB", values=values, bound=BOUND)


def test_a_curve_that_rises_all_the_time_grows():
    curve = build([float(10 * number) for number in range(40)])
    assert not curve.is_flat
    assert "GROWS" in curve.as_row()


def test_a_curve_that_rises_at_its_begin_or_shakes_is_flat():
    curve = build([0.0, 50.0, *[100.0, 120.0, 90.0, 0.0] * 10])
    assert curve.is_flat
    assert "flat" in curve.as_row()


def test_growth_within_the_share_or_the_room_is_flat():
    assert build([100.0] * 20 + [124.0] * 20).is_flat
    assert not build([100.0] * 20 + [126.0] * 20).is_flat
    assert build([1.0] * 20 + [10.0] * 20).is_flat


def test_a_few_samples_tell_nothing():
    assert build([1.0, 1000.0]).is_flat
    assert build([]).as_row()


def test_the_highest_of_each_time_is_drawn():
    drawn = draw([0.0] * 100 + [8.0] + [0.0] * 99)
    assert len(drawn) == WIDTH
    assert drawn.count(BARS[-1]) == 1


def test_processes_and_folders_are_measured(tmp_path):
    found = measure([1 << 30])
    assert found == {"memory": 0.0, "descriptors": 0, "connections": 0}
    (tmp_path / "pg_wal").mkdir()
    (tmp_path / "pg_wal" / "log").write_bytes(b"x" * 100_000)
    (tmp_path / "rows").write_bytes(b"x" * 10_000)
    assert 10_000 <= measure_folder(tmp_path) < 100_000
