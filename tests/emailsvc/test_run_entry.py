"""`./run` itself: its commands and options, and the install of the lock, with stand-ins for the installers."""

import hashlib
import os
import re
import socket
import subprocess
import sys
import zipfile
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from delivery.optional import EXTRAS as EXTRA_MODULES
from tests import needs

RUN = Path(__file__).parents[2] / "run"
# What stands for pip: it notes who was asked to install.
PIP = """
import os, sys
print("pip 1.2" if "install" not in sys.argv else "")
if "install" in sys.argv:
    with open(os.environ["INSTALLS"], "a") as file:
        file.write("{name}\\n")
"""
UV = "#!/bin/sh\n"
# What an install says elsewhere than on a terminal.
TOLD = [
    "run: installing {locks}: 0 packages",
    "run: installing {locks}: 0 packages: done in N s",
]
BOTH = "requirements.txt, requirements-embedded.txt"
ABSENT = "raise ImportError('as on Debian')\n"
# Puts pip where Python finds it, as the real one does.
ENSUREPIP = """
import sysconfig
from pathlib import Path
folder = Path(sysconfig.get_path("purelib")) / "put"
folder.mkdir()
(folder.parent / "put.pth").write_text("import sys; sys.path.insert(0, {folder!r})".format(folder=str(folder)))
(folder / "pip.py").write_text({pip!r})
"""


@pytest.fixture(autouse=True)
def _the_folder_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """`run` changes the working folder of its process, here that of all tests."""
    monkeypatch.chdir(Path.cwd())


def load(path: Path) -> ModuleType:
    spec = spec_from_loader("run_entry", SourceFileLoader("run_entry", str(path)))
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Machine:
    """A machine on which uv, pip and ensurepip are there or not, as `run` meets them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log = folder / "installs"
        self.programs, self.modules = folder / "programs", folder / "modules"
        self.programs.mkdir(parents=True)
        self.modules.mkdir()
        for name in ("pip", "ensurepip"):
            (self.modules / f"{name}.py").write_text(ABSENT)
        for name in [name for name in os.environ if name.startswith("PIP_") or name == "EMAILSVC_VENV"]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PATH", f"{self.programs}:/usr/bin:/bin")
        monkeypatch.setenv("PYTHONPATH", str(self.modules))
        monkeypatch.setenv("INSTALLS", str(self.log))
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)

    @property
    def installs(self) -> list[str]:
        """Who installed, in order."""
        return self.log.read_text().split() if self.log.exists() else []

    def put_uv(self, script: str = 'echo uv >> "$INSTALLS"') -> None:
        (self.programs / "uv").write_text(UV + script)
        (self.programs / "uv").chmod(0o755)

    def put_pip(self) -> None:
        (self.modules / "pip.py").write_text(PIP.format(name="pip"))

    def put_ensurepip(self) -> None:
        # The pip that it makes comes first in the path; our own Python finds the absent one.
        (self.modules / "ensurepip.py").write_text(
            ENSUREPIP.format(pip=PIP.format(name="ensurepip"), folder="{folder}")
        )

    def put_index(self, clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A folder that is an index with pip's wheel, which the clone's lock pins."""
        wheel = self.modules.parent / "simple/pip/pip-1.2-py3-none-any.whl"
        wheel.parent.mkdir(parents=True)
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("pip/__main__.py", PIP.format(name="wheel"))
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        (clone / "requirements-pip.txt").write_text(f"pip==1.2 --hash=sha256:{digest}\n")
        monkeypatch.setenv("PIP_INDEX_URL", wheel.parents[1].as_uri())


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path / "machine", monkeypatch)


@pytest.fixture
def run(tmp_path: Path, machine: Machine) -> ModuleType:
    """`run` in a clone of its own, whose lock asks for nothing."""
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "run").write_text(RUN.read_text())
    (clone / "emailsvc").symlink_to(RUN.parent / "emailsvc")
    for lock in (
        "requirements.txt",
        "requirements-embedded.txt",
        *(f"requirements-{name}.txt" for name in EXTRA_MODULES),
    ):
        (clone / lock).write_text("# nothing\n")
    (clone / "requirements-pip.txt").write_text(f"pip==1.2 --hash=sha256:{'0' * 64}\n")
    return load(clone / "run")


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
        (["test", "--python", "3.13", "-k", "x"], "test", {"--python": "3.13"}, ["-k", "x"]),
        (["--help"], "help", {}, []),
        (["test", "--help"], "test", {}, ["--help"]),
    ],
)
def test_options_stand_before_or_after_the_word(
    run: ModuleType, words: list[str], word: str, options: dict[str, str], rest: list[str]
) -> None:
    assert run.split_arguments(words) == (word, options, rest)


def test_a_relative_folder_is_resolved_from_the_callers_folder(
    run: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run.split_arguments(["--data", "mine"])[1] == {"--data": str(tmp_path / "mine")}
    assert run.split_arguments(["--python", "./py"])[1] == {"--python": str(tmp_path / "py")}


@pytest.mark.parametrize("words", [["--port"], ["up", "now"]])
def test_wrong_words_are_refused_in_one_sentence(run: ModuleType, words: list[str]) -> None:
    with pytest.raises(run.RunError):
        run.split_arguments(words)


def test_an_unknown_word_is_one_line_and_status_2() -> None:
    done = subprocess.run([sys.executable, RUN, "fly"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "run: there is no word 'fly'; ./run --help lists them\n"


def test_the_lock_is_installed_once_and_again_when_it_changes(
    run: ModuleType, machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    machine.put_uv()
    run.install(run.RUNTIME)
    assert read_told(capfd) == ["run: making .venv", *(line.format(locks=BOTH) for line in TOLD)]
    assert run.does_succeed([str(run.PYTHON), "-c", "import sys; sys.exit(sys.prefix == sys.base_prefix)"])
    run.install(run.RUNTIME)
    assert capfd.readouterr().err == ""
    assert machine.installs == ["uv"]
    (run.ROOT / "requirements.txt").write_text("# nothing, said otherwise\n")
    run.install(run.RUNTIME)
    assert read_told(capfd) == [line.format(locks="requirements.txt") for line in TOLD]
    assert machine.installs == ["uv", "uv"]


def read_told(capfd: pytest.CaptureFixture[str]) -> list[str]:
    return [re.sub(r" \d+ s$", " N s", line) for line in capfd.readouterr().err.splitlines()]


def test_extras_are_installed_by_name_and_stay_with_the_environment(
    run: ModuleType, machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    machine.put_uv('echo "$*" | tr " " "\\n" | grep txt | xargs -n 1 basename >> "$INSTALLS"')
    assert run.main(["install", "ses"]) == 0
    assert machine.installs == ["requirements.txt", "requirements-embedded.txt", "requirements-ses.txt"]
    assert "run: ses: installed" in capfd.readouterr().err
    (run.ROOT / "requirements-ses.txt").write_text("# newer\n")
    run.install(run.RUNTIME)
    assert machine.installs[3:] == ["requirements-ses.txt"]
    run.install(run.RUNTIME)
    assert len(machine.installs) == 4


@pytest.mark.parametrize("words", [[], ["boto3"], ["ses", "dev"]])
def test_an_extra_that_is_none_is_refused_with_their_names(run: ModuleType, words: list[str]) -> None:
    with pytest.raises(run.RunError, match="one or more of mjml, otel, s3, sentry, ses"):
        run.main(["install", *words])
    assert not run.VENV.exists()


def test_every_extra_has_a_lock_and_is_what_the_code_asks_for() -> None:
    extras = load(RUN).EXTRAS
    assert set(extras) == set(EXTRA_MODULES)
    for name in extras:
        assert "--hash=sha256:" in (RUN.parent / f"requirements-{name}.txt").read_text()
    dockerfile = (RUN.parent / "Dockerfile").read_text()
    assert all(f"-r requirements-{name}.txt" in dockerfile for name in extras)
    assert "requirements-embedded" not in dockerfile


def test_a_slow_install_says_how_far_it_is(
    run: ModuleType, machine: Machine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (run.ROOT / "requirements.txt").write_text("one==1 \\\n    --hash=sha256:00\ntwo==2\n# three==3\n")
    site = "lib/python{}.{}/site-packages".format(*sys.version_info)
    machine.put_uv(
        "echo Collecting one; sleep 1; echo Collecting two; echo Collecting two; sleep 1;"
        f'mkdir "{run.VENV}/{site}/one-1.dist-info"; sleep 1'
    )
    monkeypatch.setattr("emailsvc.launcher.progress.PLAIN_STEP", 0.1)
    run.install(run.RUNTIME)
    said = capfd.readouterr().err
    title = "run: installing requirements.txt, requirements-embedded.txt: 2 packages"
    states = re.findall(rf"^{title}: (.*), \d s$", said, re.MULTILINE)
    assert list(dict.fromkeys(states)) == ["1 fetched", "2 fetched", "1 installed"]
    assert f"{title}\n" in said


def test_an_install_that_was_cut_short_and_a_venv_whose_python_is_gone_are_made_anew(
    run: ModuleType, machine: Machine
) -> None:
    machine.put_uv()
    run.install(run.RUNTIME)
    half_done = run.VENV / "half-done"
    half_done.touch()
    run.MARKER.touch()
    run.install(run.RUNTIME)
    assert not half_done.exists()
    assert not run.MARKER.exists()
    run.PYTHON.unlink()
    run.PYTHON.symlink_to("/nowhere/python3")
    assert not run.is_installed(run.RUNTIME)
    run.install(run.RUNTIME)
    assert run.is_installed(run.RUNTIME)
    assert machine.installs == ["uv"] * 3


@pytest.mark.parametrize("installer", ["uv", "pip", "ensurepip", "wheel"])
def test_the_first_installer_that_can_is_taken(
    run: ModuleType, machine: Machine, monkeypatch: pytest.MonkeyPatch, installer: str
) -> None:
    machine.put_uv(*() if installer == "uv" else ("echo it is broken; exit 1",))
    match installer:
        case "pip":
            machine.put_pip()
        case "ensurepip":
            machine.put_ensurepip()
        case "wheel":
            machine.put_index(run.ROOT, monkeypatch)
    run.install(run.RUNTIME)
    assert run.is_installed(run.RUNTIME)
    assert machine.installs == [installer]


def test_a_lock_that_cannot_be_installed_leaves_nothing_and_the_reasons(
    run: ModuleType, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.put_uv("echo so and so; exit 1")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{held.getsockname()[1]}")
        with pytest.raises(run.RunError) as caught:
            run.install(run.RUNTIME)
    said = str(caught.value)
    assert said.startswith(
        f"{BOTH} cannot be installed; uv says: so and so; pip 1.2 cannot be fetched. http://127.0.0.1:"
    )
    assert said.endswith("check the network, or name another index in PIP_INDEX_URL")
    assert not run.VENV.exists()


def test_a_wheel_of_another_hash_installs_nothing(
    run: ModuleType, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.put_index(run.ROOT, monkeypatch)
    (run.ROOT / "requirements-pip.txt").write_text(f"pip==1.2 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(run.RunError, match=r"is not what requirements-pip\.txt pins"):
        run.install(run.RUNTIME)
    assert machine.installs == []
    assert not run.VENV.exists()


def test_an_update_that_fails_keeps_the_venv_and_is_done_again(run: ModuleType, machine: Machine) -> None:
    """A service may be running from it."""
    machine.put_uv()
    run.install(run.RUNTIME)
    (run.ROOT / "requirements.txt").write_text("# more\n")
    machine.put_uv("echo No space left on device; exit 1")
    with pytest.raises(run.RunError, match=r"No space left on device.*; make room on its disk$"):
        run.install(run.RUNTIME)
    assert run.PYTHON.exists()
    assert not run.is_installed(run.RUNTIME)
    machine.put_uv()
    run.install(run.RUNTIME)
    assert run.is_installed(run.RUNTIME)


@needs.program("setpriv")
def test_a_folder_that_cannot_be_written_to_is_one_line(run: ModuleType) -> None:
    run.ROOT.chmod(0o555)
    # Root without the right to write everywhere is like anybody.
    command = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*command, sys.executable, run.ROOT / "run", "manage"], capture_output=True, text=True, check=False
    )
    run.ROOT.chmod(0o755)
    told = f"run: {run.VENV} cannot be made ([Errno 13] Permission denied: '{run.VENV}'); "
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"run: making .venv\n{told}make a clone in a folder of your own\n"


def test_a_chosen_python_has_an_environment_of_its_own(run: ModuleType, machine: Machine) -> None:
    machine.put_uv()
    (run.ROOT / "requirements-dev.txt").write_text("# nothing\n")
    program = [sys.executable, run.ROOT / "run", "test", "--python", sys.executable, "--version"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    version = "{}.{}".format(*sys.version_info)
    assert f"run: making .venv-{version}\n" in done.stderr
    assert "No module named pytest" in done.stderr
    assert (run.ROOT / f".venv-{version}" / "requirements-dev.txt.sha256").exists()
    assert not run.VENV.exists()


def test_a_python_that_is_not_here_or_does_not_run_is_one_line(machine: Machine) -> None:
    shim = machine.programs / "python3.19"
    shim.write_text("#!/bin/sh\necho 'python3.19: command not found' >&2; exit 127\n")
    shim.chmod(0o755)
    for wanted in ("3.19", str(shim)):
        program = [sys.executable, RUN, "--python", wanted, "check"]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert done.stderr == f"run: there is no Python {wanted} that runs here; ./run pythons lists them\n"


def test_the_pythons_that_run_here_are_listed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYENV_ROOT", str(machine.programs / "pyenv"))
    monkeypatch.setenv("PATH", str(machine.programs))
    version = "{}.{}".format(*sys.version_info)
    ours = machine.programs / f"pyenv/versions/{version}.7/bin/python{version}"
    ours.parent.mkdir(parents=True)
    ours.symlink_to(sys.executable)
    done = subprocess.run([sys.executable, RUN, "pythons"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{version} {ours}\n"
