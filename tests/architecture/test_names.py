"""Names are unique and searchable across all packages, the drills and the benchmarks."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.architecture.sources import PACKAGES, ROOT, parse

PLACES = (*PACKAGES, "drills", "bench")
MAX_FUNCTIONS = 3
MAX_CLASSES = 2
# Names that a framework or Python looks up: Django's commands, migrations and apps, programs' entry points.
LOOKED_UP = {"Command", "Migration", "Meta", "ready", "handle", "main"}
# Folders whose modules are alike by intent, each a plug-in with the same functions: they count as one module.
PLUG_INS = ("bench", "providers/esp/services", "gateways/*")

Names = dict[str, set[str]]


def find_unit(path: Path) -> str:
    """The module that a name counts for: its own, or the plug-in folder that it lies in."""
    for folder in PLUG_INS:
        if any(parent.match(folder) and len(parent.parts) == folder.count("/") + 1 for parent in path.parents):
            return folder
    return path.as_posix()


def collect_names(root: Path, places: Iterable[str]) -> tuple[Names, Names]:
    """The top-level functions and classes below `places`, each with the modules that define it."""
    functions: Names = defaultdict(set)
    classes: Names = defaultdict(set)
    for place in places:
        for path in sorted((root / place).rglob("*.py")):
            if "migrations" in path.parts:
                continue
            unit = find_unit(path.relative_to(root))
            for node in parse(path.relative_to(ROOT) if root == ROOT else path).body:
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    functions[node.name].add(unit)
                elif isinstance(node, ast.ClassDef):
                    classes[node.name].add(unit)
    return functions, classes


def list_repeated(names: Mapping[str, set[str]], most: int) -> dict[str, list[str]]:
    """The names that more than `most` modules define, each with these modules."""
    return {name: sorted(modules) for name, modules in names.items() if len(modules) > most and name not in LOOKED_UP}


def write_modules(root: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def test_no_function_name_is_in_more_than_three_modules():
    functions, _ = collect_names(ROOT, PLACES)
    assert len(functions) > 1000
    assert list_repeated(functions, MAX_FUNCTIONS) == {}


def test_no_class_name_is_in_more_than_two_modules():
    _, classes = collect_names(ROOT, PLACES)
    assert len(classes) > 300
    assert list_repeated(classes, MAX_CLASSES) == {}


def test_a_fourth_function_and_a_third_class_are_found(tmp_path):
    write_modules(tmp_path, {f"shop/part{n}.py": "async def describe(): ...\ndef tell(): ...\n" for n in range(3)})
    write_modules(tmp_path, {f"shop/deep/part{n}.py": "class Kind: ...\nclass Once: ...\n" for n in range(2)})
    functions, classes = collect_names(tmp_path, ["shop"])
    assert list_repeated(functions, MAX_FUNCTIONS) == list_repeated(classes, MAX_CLASSES) == {}

    write_modules(tmp_path, {"shop/deep/more.py": "def describe(): ...\nclass Kind: ...\n"})
    functions, classes = collect_names(tmp_path, ["shop"])
    assert list_repeated(functions, MAX_FUNCTIONS) == {
        "describe": ["shop/deep/more.py", "shop/part0.py", "shop/part1.py", "shop/part2.py"]
    }
    assert list_repeated(classes, MAX_CLASSES) == {
        "Kind": ["shop/deep/more.py", "shop/deep/part0.py", "shop/deep/part1.py"]
    }


def test_what_is_inside_of_others_and_what_a_framework_looks_up_is_left_out(tmp_path):
    text = "def main(): ...\nclass Command:\n    def handle(self): ...\nclass Kind{n}:\n    class Inner: ...\n"
    write_modules(tmp_path, {f"shop/part{n}.py": text.replace("{n}", str(n)) for n in range(5)})
    write_modules(tmp_path, {f"shop/migrations/{n}.py": "def forwards(): ...\n" for n in range(5)})
    functions, classes = collect_names(tmp_path, ["shop"])
    assert list_repeated(functions, MAX_FUNCTIONS) == list_repeated(classes, MAX_CLASSES) == {}
    assert set(functions) == {"main"}


def test_a_folder_of_plug_ins_counts_as_one_module(tmp_path):
    for folder in ("bench", "providers/esp/services", "gateways/mailgun", "gateways/postmark"):
        write_modules(tmp_path, {f"{folder}/part{n}.py": "def run(): ...\nclass Side: ...\n" for n in range(4)})
    functions, classes = collect_names(tmp_path, ["bench", "providers", "gateways"])
    assert functions["run"] == classes["Side"] == {"bench", "providers/esp/services", "gateways/*"}
    write_modules(tmp_path, {"providers/esp/events.py": "def run(): ...\n", "gateways/door.py": "def run(): ...\n"})
    functions, _ = collect_names(tmp_path, ["bench", "providers", "gateways"])
    assert len(list_repeated(functions, MAX_FUNCTIONS)["run"]) == 5
