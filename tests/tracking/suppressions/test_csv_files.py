"""Suppression lists as CSV, by command."""

import csv
import json
import tracemalloc
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry, Project, StreamType
from accounts.streams import create_stream
from tracking.models import Suppression
from tracking.suppressions.csv_files import ImportPlan, ImportResult, import_suppressions
from tracking.suppressions.rows import BadLine
from tracking.suppressions.service import Entry, suppress, suppress_many

Run = Callable[..., tuple[str, str]]


@pytest.fixture
def run(project: Project) -> Run:
    """Calls a command; what it wrote to stdout and to stderr."""

    def call(*arguments: str) -> tuple[str, str]:
        out, err = StringIO(), StringIO()
        call_command(*arguments, stdout=out, stderr=err)
        return out.getvalue(), err.getvalue()

    return call


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], str]:
    def write_file(content: str | bytes) -> str:
        path = tmp_path / "list.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write_file


def rows() -> list[tuple[str, str, str]]:
    return list(Suppression.objects.order_by("address").values_list("address", "reason", "note"))


@pytest.mark.parametrize(
    "content",
    [
        "address,reason,note\nA@x.test,bounce,full\nb@x.test,,\n",
        "reason;Email;Note;other\r\nBOUNCE;a@x.test;full;1\r\n;B@x.test;;2\r\n",
        "\ufeffemail\treason\tnote\n a@x.test \tbounce\tfull\n\n\t\t\nb@x.test",
        "a@x.test,bounce,full\nb@x.test\n",
        'address,note,reason\na@x.test,"full",bounce\n"B@x.test",,manual\n',
    ],
)
def test_import_reads_the_usual_forms(run: Run, write: Callable[[str], str], content: str) -> None:
    out, err = run("import_suppressions", write(content))
    assert rows() == [("a@x.test", "bounce", "full"), ("b@x.test", "manual", "")]
    assert out == "2 added, 0 known before, 0 lines rejected\n"
    assert err == ""
    assert AuditEntry.objects.get(action="import_suppressions").data == {"added": 2, "known": 0, "refused": 0}


def test_importing_again_is_harmless(run: Run, write: Callable[[str], str]) -> None:
    path = write("a@x.test,complaint\n")
    run("import_suppressions", path)
    out, _ = run("import_suppressions", path, "--reason", "bounce", "--json")
    assert json.loads(out) == {"added": 0, "known": 1, "refused": 0}
    assert rows() == [("a@x.test", "complaint", "")]
    assert Suppression.objects.get().way == "import"


BAD = b"""address,reason,note,created_at
ok@x.test,,,
nope,,,
b@x.test,why,,
c@x.test,,,yesterday
\xff@x.test,,,
d@x.test,,caf\xe9,
last@x.test,,,2020-01-31T12:00:00Z
"""
BAD_LINES = [
    (3, "invalid_address"),
    (4, "unknown_reason"),
    (5, "invalid_time"),
    (6, "not_utf8"),
    (6, "non_ascii_local_part"),
]


def test_wrong_lines_are_reported_and_the_others_imported(run: Run, write: Callable[[bytes], str]) -> None:
    out, _ = run("import_suppressions", write(BAD), "--json")
    *told, result = [json.loads(line) for line in out.splitlines()]
    assert [(item["line"], item["code"]) for item in told] == BAD_LINES
    assert [item["line"] for item in told if item.get("taken")] == [6]
    assert result == {"added": 3, "known": 0, "refused": 4}
    assert Suppression.objects.get(address="d@x.test").note == "café"
    assert Suppression.objects.get(address="last@x.test").created_at.year == 2020


def test_wrong_lines_are_reported_in_text_output_too(run: Run, write: Callable[[bytes], str]) -> None:
    out, err = run("import_suppressions", write(BAD))
    assert out == "3 added, 0 known before, 4 lines rejected\n"
    assert err.startswith("line 3: ")
    _, err = run("import_suppressions", write(b"nope\n" * 50))
    assert err.count("line ") == 20
    assert err.endswith("… and more\n")


def test_strict_imports_nothing_when_a_line_is_wrong(run: Run, write: Callable[[str], str], project: Project) -> None:
    path = write("".join(f"a{number}@x.test\n" for number in range(5_000)) + "nope\n")
    with pytest.raises(CommandError, match="invalid lines: 1"):
        run("import_suppressions", path, "--strict")
    assert rows() == []
    assert run("import_suppressions", write("a@x.test\n"), "--strict")[0].startswith("1 added")


@pytest.mark.parametrize("content", ['"' + "a" * 400_000, "a" * 2_000_000, "a@x.test\x00\n", '"a@x.test\n' * 3_000, ""])
def test_a_file_that_is_not_a_list_changes_nothing(run: Run, write: Callable[[str], str], content: str) -> None:
    out, _ = run("import_suppressions", write(content), "--json")
    assert json.loads(out.splitlines()[-1])["added"] == 0
    assert rows() == []


def test_a_missing_file_gives_one_error_line(run: Run) -> None:
    with pytest.raises(CommandError, match=r"nowhere\.csv: No such file"):
        run("import_suppressions", "nowhere.csv")


def test_import_reads_the_output_of_export(run: Run, project: Project, other_project: Project, tmp_path: Path) -> None:
    suppress(project.pk, Entry(address="a@x.test", reason="complaint", note='said, "no"'))
    suppress(project.pk, Entry(address="b@x.test", reason="bounce"))
    create_stream(project, name="news", type_=StreamType.BROADCAST)
    proof = {"message_id": uuid4(), "way": "one_click", "ip": "2001:db8::1"}
    suppress(project.pk, Entry(address="c@x.test", reason="unsubscribe", stream="news", **proof))
    suppress(other_project.pk, Entry(address="c@x.test", reason="bounce"))
    out, _ = run("export_suppressions", "--project", "Acme")
    exported = list(csv.DictReader(StringIO(out)))
    assert [(row["address"], row["reason"], row["note"]) for row in exported] == rows()[:3]
    path = tmp_path / "out.csv"
    told, _ = run("export_suppressions", str(path), "--project", "Acme")
    assert told == f"3 addresses in {path}\n"
    assert path.read_text() == out
    assert path.stat().st_mode & 0o077 == 0
    columns = ("address", "reason", "stream", "created_at", "way", "ip", "message_id")
    before = list(Suppression.objects.filter(project=project).order_by("address").values_list(*columns))
    assert before[2][4:] == ("one_click", "2001:db8::1", proof["message_id"])
    Suppression.objects.filter(project=project).delete()
    run("import_suppressions", str(path), "--project", "Acme")
    assert list(Suppression.objects.filter(project=project).order_by("address").values_list(*columns)) == before


def test_export_as_json_is_one_line_for_each_address(run: Run, project: Project) -> None:
    suppress_many(project.pk, [Entry(address=f"a{number}@x.test", reason="manual") for number in range(3)])
    lines = [json.loads(line) for line in run("export_suppressions", "--json")[0].splitlines()]
    assert [line["address"] for line in lines] == ["a0@x.test", "a1@x.test", "a2@x.test"]
    assert set(lines[0]) == {"address", "reason", "note", "created_at", "stream", "way", "email_id", "ip"}


def make_lines(count: int) -> Iterator[str]:
    yield "address,reason,note\n"
    for number in range(count):
        yield f"user.{number}@mail{number % 1_000}.example.com,bounce,imported\n"


def test_twelve_thousand_addresses_are_imported_in_flat_memory(project: Project) -> None:
    # Two whole batches: one is being made while the last is being freed. It also loads what all imports use.
    few, _ = import_traced(project, 4_000)
    Suppression.objects.all().delete()
    many, result = import_traced(project, 12_000)
    assert many < 1.5 * few
    assert (result.added, result.refused) == (12_000, 0)


def import_traced(project: Project, count: int) -> tuple[int, ImportResult]:
    """The most memory that an import of so many addresses takes, and its result."""
    bad: list[BadLine] = []
    tracemalloc.start()
    try:
        result = import_suppressions(project.pk, make_lines(count), ImportPlan(), bad.append)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert bad == []
    return peak, result
