"""What stands outside the code about the code: README.md and compose.yaml."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from emailsvc.environment import Environment
from emailsvc.launcher.processes import COMMANDS
from emailsvc.settings_table import build_table, spell_default

ROOT = Path(__file__).parents[2]
SETTINGS = re.compile(r"<!-- settings: .*? -->\n(.*?)<!-- /settings -->", re.DOTALL)


def test_the_readme_holds_the_table_of_settings() -> None:
    found = SETTINGS.search((ROOT / "README.md").read_text())
    assert found
    assert found[1] == build_table()


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


def test_compose_passes_only_settings_that_exist() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert set(services["web"]["environment"]) <= set(Environment.model_fields)
    required = {name for name, field in Environment.model_fields.items() if field.is_required()}
    assert required <= set(services["web"]["environment"])
