"""The dashboard and the alert rules: each metric in them exists with its labels, and each rule has its runbook."""

import json
import re
from typing import Any

import pytest
import yaml

from emailsvc.documentation.markdown import name_anchor
from emailsvc.monitoring import gauges, metrics_page
from ledger.telemetry.instruments import Counter, Family, Histogram
from tests.architecture.sources import ROOT

FOLDER = ROOT / "docs" / "monitoring"
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
# A metric with its conditions.
METRIC = re.compile(r"(emailsvc_[a-z_]+)(?:\{([^}]*)\})?")
GROUPED = re.compile(r"by \(([^)]*)\)")
LEGEND = re.compile(r"\{\{\s*([a-z]+)\s*\}\}")


def read_rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((FOLDER / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def read_targets() -> list[dict[str, Any]]:
    board = json.loads((FOLDER / "grafana-dashboard.json").read_text(encoding="utf-8"))
    return [target for panel in board["panels"] for target in panel.get("targets", ())]


RULES, TARGETS = read_rules(), read_targets()
EXPRESSIONS = [rule["expr"] for rule in RULES] + [target["expr"] for target in TARGETS]


def find_family(name: str) -> Family:
    """The family of a series, by the names that the exposition gives it."""
    if name in Family.all and not isinstance(Family.all[name], Histogram):
        return Family.all[name]
    base = re.sub(r"_(bucket|count|sum)$", "", name)
    assert isinstance(Family.all.get(base), Histogram), name
    return Family.all[base]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_each_metric_of_an_expression_exists_with_its_labels(expression: str) -> None:
    found = METRIC.findall(expression)
    assert found
    for name, conditions in found:
        family = find_family(name)
        labels = {*family.labels, *(["le"] if name.endswith("_bucket") else [])}
        assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", conditions)) <= labels, expression
        # A counter says nothing by itself: it is asked for its rate.
        if isinstance(family, Counter | Histogram):
            assert re.search(rf"(rate|increase)\({name}", expression), expression
    known = {label for name, _ in found for label in (*find_family(name).labels, "le")}
    assert {label.strip() for labels in GROUPED.findall(expression) for label in labels.split(",")} <= known


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target["expr"][:60])
def test_a_legend_names_labels_that_are_there(target: dict[str, Any]) -> None:
    labels = {label for name, _ in METRIC.findall(target["expr"]) for label in find_family(name).labels}
    assert set(LEGEND.findall(target["legendFormat"])) <= labels


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_rule_says_how_urgent_it_is_and_has_its_runbook(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert page == "docs/operations.md"
    assert anchor in {name_anchor(title) for title in re.findall(r"^#+ (.+)$", OPERATIONS, re.MULTILINE)}


def test_each_runbook_has_its_rule_and_each_family_is_documented() -> None:
    titles = {name_anchor(title) for title in re.findall(r"^#### (Alert: .+)$", OPERATIONS, re.MULTILINE)}
    assert titles == {rule["annotations"]["runbook"].partition("#")[2] for rule in RULES}
    own = {name for name in Family.all if name.startswith("emailsvc_")}
    assert {gauges.QUEUE.name, metrics_page.REDIS_UP.name} <= own
    assert {name for name in own if f"`{name}`" not in OPERATIONS} == set()
