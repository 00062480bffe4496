"""Texts outside the code that describe the code: README.md, docs/settings.md and compose.yaml."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from emailsvc.documentation.markdown import name_anchor
from emailsvc.environment import Environment
from emailsvc.launcher.processes import COMMANDS
from emailsvc.settings_table import build_table, spell_default

ROOT = Path(__file__).parents[2]


def test_the_documentation_holds_the_table_of_settings() -> None:
    _, table = (ROOT / "docs" / "settings.md").read_text().split("## Environment variables\n\n")
    assert table == build_table()


def test_every_setting_is_described() -> None:
    for name, field in Environment.model_fields.items():
        assert field.description, name
        assert "|" not in field.description, name


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(hours=48), "`172800`"),
        ([timedelta(seconds=60), timedelta(minutes=5)], "`60,300`"),
        (False, "`false`"),
        (10, "`10`"),
        ("", ""),
        ([], ""),
    ],
)
def test_a_default_is_spelt_as_in_the_environment(value: object, text: str) -> None:
    assert spell_default(value) == text


def test_compose_runs_the_programs_of_the_lineup() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert set(COMMANDS) <= set(services)
    for name in set(COMMANDS) - {"web"}:
        assert tuple(services[name]["command"]) == COMMANDS[name], name
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert " ".join(COMMANDS["web"]) in dockerfile.replace('", "', " ")


def test_compose_runs_the_report_listener_where_only_this_machine_reaches_it() -> None:
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["reports"]
    assert service["command"][:3] == ["python", "manage.py", "run_report_listener"]
    assert [port.rpartition(":")[0] for port in service["ports"]] == ["127.0.0.1:2526"]


def test_compose_runs_submission_on_the_two_usual_ports() -> None:
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["submission"]
    assert service["command"][:3] == ["python", "manage.py", "run_submission"]
    assert [port.split(":")[-2] for port in service["ports"]] == ["587", "465"]


LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#([^)]+))?\)")


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_of_texts_at_the_top_lead_to_files_and_to_headings_in_them(name: str) -> None:
    links = LINK.findall((ROOT / name).read_text())
    assert links
    for path, anchor in links:
        assert (ROOT / path).exists(), path
        headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(), re.MULTILINE) if anchor else []
        assert not anchor or anchor in map(name_anchor, headings), (path, anchor)
