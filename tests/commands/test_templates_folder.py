"""`templates pull|push|diff FOLDER`: templates as files in a repository."""

import json
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Project
from accounts.services import create_project
from templates_app.models import Template
from templates_app.services import create_template, publish_template
from tests.commands.running import run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _connections_stay_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.core.management.base.connections.close_all", lambda: None)


@pytest.fixture
def project() -> Project:
    made = create_project(name="Acme")
    create_template(made, {"alias": "frame", "html": "<b>{{ content }}</b>\r\n", "text": "{{ content }}"})
    create_template(
        made,
        {
            "alias": "hello",
            "name": "Hello",
            "subject": "Hi {{ name }}",
            "html": "<p>Hi</p>",
            "layout": "frame",
            "default_locale": "en",
            "locales": {"de": {"subject": "Hallo", "text": "Hallo\n"}},
        },
    )
    return made


def templates(*arguments: Any) -> tuple[int, Any, str]:
    return run("templates", *map(str, arguments), "--json", package="templates_app")


def test_a_pull_writes_files_and_a_push_of_them_changes_nothing(project: Project, tmp_path: Path) -> None:
    status, rows, _ = templates("pull", tmp_path)
    assert (status, [row["template"] for row in rows]) == (0, ["frame", "hello"])
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {
        *("frame/template.json", "frame/body.html", "frame/body.txt"),
        *("hello/template.json", "hello/subject.txt", "hello/body.html", "hello/de/subject.txt", "hello/de/body.txt"),
    }
    assert (tmp_path / "frame/body.html").read_bytes() == b"<b>{{ content }}</b>\r\n"
    assert json.loads((tmp_path / "hello/template.json").read_text())["layout"] == "frame"
    assert templates("diff", tmp_path) == (0, [], "")
    before = list(Template.objects.order_by("id").values("subject", "html", "text", "locales", "layout_id"))
    assert {row["result"] for row in templates("push", tmp_path)[1]} == {"unchanged"}
    assert list(Template.objects.order_by("id").values("subject", "html", "text", "locales", "layout_id")) == before


def test_a_push_creates_changes_and_publishes(project: Project, tmp_path: Path) -> None:
    templates("pull", tmp_path)
    other = create_project(name="Other")
    status, rows, error = run(
        "templates", "push", str(tmp_path), "--publish", "--project", "Other", "--json", package="templates_app"
    )
    assert (status, error) == (0, "")
    assert [(row["template"], row["result"], row["version"]) for row in rows] == [
        ("frame", "add", 1),
        ("hello", "add", 1),
    ]
    (tmp_path / "hello/de/subject.txt").write_text("Servus\n")
    (tmp_path / "hello/body.html").unlink()
    (tmp_path / "hello/body.txt").write_text("plain")
    assert {row["file"] for row in templates("diff", tmp_path, "--project", "Other")[1]} == {
        *("de/subject.txt", "body.html", "body.txt"),
    }
    templates("push", tmp_path, "--project", "Other")
    changed = Template.objects.get(project=other, alias="hello")
    assert (changed.html, changed.text, changed.locales["de"]["subject"]) == ("", "plain", "Servus")
    templates("pull", tmp_path, "--project", "Acme")
    assert not (tmp_path / "hello/body.txt").exists()


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("hello/body.html", "{{ x", "hello: html"),
        ("hello/template.json", "[]", "hello/template.json"),
        ("hello/template.json", '{"colour": 1}', "hello/template.json"),
        ("hello/body.htm", "x", "hello/body.htm"),
        ("hello/deutsch!/body.txt", "x", "deutsch!"),
        ("not an alias/body.txt", "x", "not an alias"),
        ("hello/template.json", '{"layout": "nothing"}', "hello: layout"),
        ("hello/template.json", "[" * 50_000, "hello/template.json"),
        ("hello/template.json", '{"name": "\\ud800"}', "hello: name"),
        ("hello/subject.txt", "one\ntwo", "hello: subject"),
        ("hello/body.txt", "a\0b", "hello: text"),
        ("hello/DE/body.txt", "x", "hello: locales.de"),
    ],
)
def test_a_wrong_file_is_named_and_nothing_changes(
    project: Project, tmp_path: Path, file: str, text: str, words: str
) -> None:
    templates("pull", tmp_path)
    (tmp_path / "frame/body.txt").write_text("changed {{ content }}")
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    status, _, error = templates("push", tmp_path)
    assert status != 0
    assert words in error
    assert Template.objects.get(alias="frame").text == "{{ content }}"


def test_no_link_leads_out_of_the_folder(project: Project, tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    templates("pull", folder)
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (folder / "hello/body.txt").unlink(missing_ok=True)
    (folder / "hello/body.txt").symlink_to(outside / "secret")
    for action in ("push", "diff"):
        status, _, error = templates(action, folder)
        assert (status != 0, "leads out of" in error) == (True, True)
    (folder / "hello").rename(tmp_path / "hello")
    (folder / "hello").symlink_to(outside)
    status, _, error = templates("pull", folder)
    assert (status != 0, "leads out of" in error) == (True, True)
    assert [path.name for path in outside.iterdir()] == ["secret"]


def test_a_folder_in_another_form_does_not_differ(project: Project, tmp_path: Path) -> None:
    templates("pull", tmp_path)
    (tmp_path / "new").mkdir()
    (tmp_path / "new/subject.txt").write_text("x")
    (tmp_path / "new/body.txt").write_text("x")
    assert templates("push", tmp_path)[0] == 0
    assert templates("diff", tmp_path)[1] == []


def test_a_template_of_one_side_is_shown(project: Project, tmp_path: Path) -> None:
    templates("pull", tmp_path)
    publish_template(create_template(project, {"alias": "late", "subject": "x", "text": "x"}))
    (tmp_path / "new").mkdir()
    (tmp_path / "new/body.txt").write_text("x")
    only = {row["template"]: row["only_in"] for row in templates("diff", tmp_path)[1]}
    assert only == {"late": "project", "new": "folder"}
    assert templates("diff", tmp_path / "missing")[0] != 0
