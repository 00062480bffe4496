"""The drills' environment: measured processes, full disks, shortened times."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from delivery.smtp.config import SmtpConfig
from drills.harness import scaled
from drills.harness.load import percentile
from drills.harness.processes import find_peer, is_alive, list_children, list_family, read_peak, read_size

SCRIPT = """
import sys
sys.path.insert(0, {root!r})
from drills.stand_ins.small_disk import leave_mounts, small_disk, full
from pathlib import Path
if not leave_mounts():
    sys.exit(77)
folder = Path({folder!r})
with small_disk(folder, 1) as disk, full(disk):
    try:
        (disk / "more").write_bytes(bytes(100_000))
    except OSError as error:
        print(error.errno)
print(folder.exists())
"""
CANNOT = 77


@pytest.fixture
def child():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def test_a_process_is_found_among_its_parents_and_measured(child):
    assert child.pid in list_children(os.getpid())
    assert child.pid in list_family(os.getpid())
    assert is_alive(child.pid)
    assert 0 < read_size(child.pid) <= read_peak(child.pid)


def test_a_process_that_is_gone_is_neither_alive_nor_of_any_size(child):
    child.kill()
    child.wait()
    assert not is_alive(child.pid)
    assert read_size(child.pid) == 0
    assert find_peer(9, [child.pid]) is None


def test_a_full_disk_takes_nothing_more_and_is_gone_afterwards(tmp_path: Path):
    folder = tmp_path / "disk"
    script = SCRIPT.format(root=str(Path(__file__).parents[2]), folder=str(folder))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    if done.returncode == CANNOT:
        pytest.skip("needs the right to mount")
    assert done.stdout.splitlines() == ["28", "False"], done.stderr
    assert not folder.exists()


def test_time_constants_are_shortened_where_the_product_reads_them():
    before = SmtpConfig(host="one.test").timeouts.dot
    try:
        scaled.set_timeout("dot", timedelta(seconds=2))
        assert SmtpConfig(host="two.test").timeouts.dot == timedelta(seconds=2)
    finally:
        scaled.set_timeout("dot", before)


@pytest.mark.parametrize(("values", "expected"), [([], 0.0), ([3.0], 3.0), ([float(n) for n in range(100)], 95.0)])
def test_a_percentile_is_one_of_the_values(values, expected):
    assert percentile(values, 0.95) == expected
