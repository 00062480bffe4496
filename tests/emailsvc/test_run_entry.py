"""`./run` itself: its words and options, and the install of the lock, with a small lock of the test's own."""

import re
import subprocess
import sys
import time
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

RUN = Path(__file__).parents[2] / "run"


def load(path: Path) -> ModuleType:
    spec = spec_from_loader("run_entry", SourceFileLoader("run_entry", str(path)))
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(tmp_path: Path) -> ModuleType:
    """`run` in a clone of its own, whose lock asks for nothing."""
    (tmp_path / "run").write_text(RUN.read_text())
    (tmp_path / "requirements.txt").write_text("# nothing\n")
    return load(tmp_path / "run")


@pytest.mark.parametrize(
    ("words", "word", "options", "rest"),
    [
        ([], "up", {}, []),
        (["--port", "81"], "up", {"--port": "81"}, []),
        (["up", "--port=81"], "up", {"--port": "81"}, []),
        (
            ["--data", "/d", "manage", "create_project", "--json"],
            "manage",
            {"--data": "/d"},
            ["create_project", "--json"],
        ),
        (
            ["manage", "--data", "/d", "run_inbox", "--port", "9"],
            "manage",
            {"--data": "/d"},
            ["run_inbox", "--port", "9"],
        ),
        (
            ["--port", "81", "drills", "--data", "/d", "--only", "x"],
            "drills",
            {"--port": "81", "--data": "/d"},
            ["--only", "x"],
        ),
        (["test", "-k", "word"], "test", {}, ["-k", "word"]),
        (["--help"], "help", {}, []),
        (["test", "--help"], "test", {}, ["--help"]),
    ],
)
def test_options_stand_before_or_after_the_word(
    run: ModuleType, words: list[str], word: str, options: dict[str, str], rest: list[str]
) -> None:
    assert run.split_arguments(words) == (word, options, rest)


def test_a_folder_is_meant_from_where_the_caller_stands(
    run: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run.split_arguments(["--data", "mine"])[1] == {"--data": str(tmp_path / "mine")}


@pytest.mark.parametrize("words", [["--port"], ["up", "now"]])
def test_wrong_words_are_refused_in_one_sentence(run: ModuleType, words: list[str]) -> None:
    with pytest.raises(run.RunError):
        run.split_arguments(words)


def test_an_unknown_word_is_one_line_and_status_2() -> None:
    done = subprocess.run([sys.executable, RUN, "fly"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "run: there is no word 'fly'; ./run --help lists them\n"


def test_the_lock_is_installed_once_and_again_when_it_changes(
    run: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    run.install(run.RUNTIME)
    assert capfd.readouterr().err == "run: making .venv\nrun: installing requirements.txt\n"
    assert run.does_succeed([str(run.PYTHON), "-c", "import sys; sys.exit(sys.prefix == sys.base_prefix)"])
    begun_at = time.monotonic()
    run.install(run.RUNTIME)
    assert time.monotonic() - begun_at < 0.5
    assert capfd.readouterr().err == ""
    (run.ROOT / "requirements.txt").write_text("# nothing, said otherwise\n")
    run.install(run.RUNTIME)
    assert capfd.readouterr().err == "run: installing requirements.txt\n"


def test_an_install_that_was_cut_short_is_done_anew(run: ModuleType) -> None:
    run.install(run.RUNTIME)
    run.MARKER.touch()
    half_done = run.VENV / "half-done"
    half_done.touch()
    run.install(run.RUNTIME)
    assert not half_done.exists()
    assert not run.MARKER.exists()
    assert run.is_installed(run.RUNTIME)


def test_a_venv_whose_python_is_gone_is_made_anew(run: ModuleType) -> None:
    run.install(run.RUNTIME)
    (run.VENV / "bin" / "python").unlink()
    (run.VENV / "bin" / "python").symlink_to("/nowhere/python3")
    assert not run.is_installed(run.RUNTIME)
    run.install(run.RUNTIME)
    assert run.is_installed(run.RUNTIME)


def test_a_lock_that_cannot_be_installed_leaves_no_stamp_and_the_reasons(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "uv_command", lambda: None)
    monkeypatch.setattr(run, "system_pip_command", lambda: ["sh", "-c", "echo so and so; exit 1"])
    monkeypatch.setattr(run, "venv_pip_command", lambda: ["false"])
    wanted = "requirements.txt cannot be installed; sh says: so and so; false says: nothing"
    with pytest.raises(run.RunError, match=f"^{re.escape(wanted)}$"):
        run.install(run.RUNTIME)
    assert not run.is_installed(run.RUNTIME)


@pytest.mark.parametrize("failing", [("uv_command",), ("uv_command", "system_pip_command")])
def test_the_next_installer_takes_over_where_one_cannot(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, failing: tuple[str, ...]
) -> None:
    for installer in failing:
        monkeypatch.setattr(run, installer, lambda: ["false"])
    run.install(run.RUNTIME)
    assert run.is_installed(run.RUNTIME)
