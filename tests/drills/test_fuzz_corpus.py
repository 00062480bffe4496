"""Every kept input of the fuzzers is read within its bounds, without an error that its reader does not document."""

import pytest

from drills.fuzz.__main__ import NAMES
from drills.fuzz.bounds import OverBoundsError, read_within_bounds
from drills.fuzz.corpus import KEPT, list_inputs
from drills.fuzz.engines import run_hypothesis
from drills.fuzz.findings import FailureLog
from drills.fuzz.targets import TARGETS, Target


def test_the_command_names_every_target():
    assert set(NAMES) == set(TARGETS)
    assert all(list(list_inputs(KEPT / name)) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_kept_inputs_are_read(name):
    target = TARGETS[name]
    for data in list_inputs(KEPT / name):
        try:
            read_within_bounds(target.read, data)
        except target.documented:
            continue


def test_an_input_that_never_ends_is_interrupted(monkeypatch):
    monkeypatch.setattr("drills.fuzz.bounds.CPU_SECONDS", 0.05)

    def read_for_ever(data: bytes) -> None:
        while True:
            data += b""

    with pytest.raises(OverBoundsError, match="interrupted"):
        read_within_bounds(read_for_ever, b"a")


def test_an_input_that_fills_the_memory_is_told(monkeypatch):
    monkeypatch.setattr("drills.fuzz.bounds.find_peak", iter((0, 1 << 30)).__next__)
    with pytest.raises(OverBoundsError, match="1024 MiB of memory"):
        read_within_bounds(bytes, b"a")


@pytest.fixture
def fragile(monkeypatch, tmp_path):
    """A target that fails over the letter x, and refuses y as it documents."""

    def read(data: bytes) -> None:
        if b"x" in data:
            raise RuntimeError("an x")
        if b"y" in data:
            raise LookupError

    monkeypatch.setitem(TARGETS, "fragile", Target(read=read, about="", documented=(LookupError,)))
    for module in ("corpus", "findings"):
        monkeypatch.setattr(f"drills.fuzz.{module}.ROOT", tmp_path)
    monkeypatch.setattr("drills.fuzz.corpus.KEPT", tmp_path / "kept")
    return tmp_path / "kept" / "fragile"


def test_a_kind_of_failure_is_kept_once_and_a_documented_refusal_never(fragile, capsys):
    findings = FailureLog(name="fragile")
    for data in (b"a", b"ax", b"bx", b"y"):
        findings.try_input(data)
    assert findings.count == 4
    assert len(findings.kinds) == 1
    assert [path.read_bytes() for path in fragile.iterdir()] == [b"ax"]
    assert "an x" in capsys.readouterr().out


def test_without_a_guide_inputs_of_the_corpus_are_changed(monkeypatch, tmp_path):
    (tmp_path / "fragile").mkdir()
    (tmp_path / "fragile" / "seed-1").write_bytes(b"abcdefgh")
    monkeypatch.setattr("drills.fuzz.engines.KEPT", tmp_path)
    monkeypatch.setattr("drills.fuzz.corpus.COLLECTED", tmp_path / "collected")
    tried: set[bytes] = set()
    run_hypothesis("fragile", tried.add, 0.01)
    assert len(tried) > 5
    assert any(b"abcd" in data and data != b"abcdefgh" for data in tried)
