"""Folders stay small and clear: few modules in each, and a folder instead of a repeated prefix."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.architecture.sources import PACKAGES, ROOT

PLACES = (*PACKAGES, "drills", "bench")
MAX_MODULES = 20
MAX_NAMESAKES = 3
# Generated, or named by what Django looks up.
NOT_LOOKED_AT = ("migrations", "tests", "clients")


def list_folders(root: Path, places: Iterable[str]) -> list[Path]:
    """Every folder below `places` that holds modules, but for those that are not looked at."""
    folders = {path.parent for place in places for path in (root / place).rglob("*.py")}
    return sorted(
        folder
        for folder in folders
        if not set(NOT_LOOKED_AT) & set(folder.relative_to(root).parts) and not folder.match("management/commands")
    )


def list_modules(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("__"))


def find_prefixes(names: Iterable[str]) -> list[str]:
    """The words before an underscore that more than `MAX_NAMESAKES` names begin with; the bare word counts too."""
    counts = Counter(name.partition("_")[0] for name in names)
    return sorted(prefix for prefix, count in counts.items() if count > MAX_NAMESAKES)


def find_crowded(root: Path, places: Iterable[str]) -> dict[str, int]:
    counts = {folder.relative_to(root).as_posix(): len(list_modules(folder)) for folder in list_folders(root, places)}
    return {folder: count for folder, count in counts.items() if count > MAX_MODULES}


def find_namesakes(root: Path, places: Iterable[str]) -> dict[str, list[str]]:
    found = {
        folder.relative_to(root).as_posix(): find_prefixes(list_modules(folder))
        for folder in list_folders(root, places)
    }
    return {folder: prefixes for folder, prefixes in found.items() if prefixes}


def make_modules(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.py").touch()


def test_no_folder_holds_more_than_twenty_modules():
    assert len(list_folders(ROOT, PLACES)) > 30
    assert find_crowded(ROOT, PLACES) == {}


def test_no_prefix_is_shared_by_four_modules_of_a_folder():
    assert find_namesakes(ROOT, PLACES) == {}


def test_a_twenty_first_module_is_found(tmp_path):
    make_modules(tmp_path / "shop" / "deep", "__init__", *(f"{letter}part" for letter in "abcdefghijklmnopqrst"))
    assert find_crowded(tmp_path, ["shop"]) == {}
    make_modules(tmp_path / "shop" / "deep", "zpart")
    assert find_crowded(tmp_path, ["shop"]) == {"shop/deep": 21}


def test_a_fourth_namesake_is_found(tmp_path):
    make_modules(tmp_path / "shop", "smtp", "smtp_pool", "smtp_wire", "smtpd_wire", "pool_smtp")
    assert find_namesakes(tmp_path, ["shop"]) == {}
    make_modules(tmp_path / "shop", "smtp_auth")
    assert find_namesakes(tmp_path, ["shop"]) == {"shop": ["smtp"]}


def test_migrations_commands_and_clients_are_not_looked_at(tmp_path):
    names = [f"send_{number}" for number in range(30)]
    for folder in ("migrations", "management/commands", "clients/python", "tests"):
        make_modules(tmp_path / "shop" / folder, *names)
    assert find_crowded(tmp_path, ["shop"]) == {}
    assert find_namesakes(tmp_path, ["shop"]) == {}
    make_modules(tmp_path / "shop" / "management", *names)
    assert find_crowded(tmp_path, ["shop"]) == {"shop/management": 30}
    assert find_namesakes(tmp_path, ["shop"]) == {"shop/management": ["send"]}
