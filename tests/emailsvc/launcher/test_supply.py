"""The audit of our locks for advisories, and the bill of materials."""

import json
import re
from collections import defaultdict

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from emailsvc.launcher.supply import audit, sbom
from emailsvc.launcher.supply.locks import ROOT, list_locks, list_pinned

PINNED = re.compile(r"^([\w.-]+)==(\S+)((?: ;[^\\\n]*)?)", re.MULTILINE)
# As pip-audit reports it, with an advisory of 2023 about a release that nobody should have.
RECORDED = {
    "dependencies": [
        {
            "name": "django",
            "version": "4.2.1",
            "vulns": [
                {"id": "PYSEC-2023-100", "fix_versions": ["4.2.3"], "aliases": ["CVE-2023-36053"], "description": ""}
            ],
        },
        {"name": "psycopg", "version": "3.2.1", "vulns": []},
        {"name": "of-our-own", "skip_reason": "not found"},
    ],
    "fixes": [],
}


@pytest.fixture
def index(monkeypatch):
    """Replaces pip-audit, which asks the index, by a program that prints `index["report"]`."""
    answers = {}

    class Done:
        @property
        def stdout(self):
            return answers["report"].encode()

    monkeypatch.setattr(audit.subprocess, "run", lambda *_args, **_options: Done())
    return answers


def test_an_advisory_fails_the_check_and_names_package_and_remedy(index, capsys):
    index["report"] = json.dumps(RECORDED)
    assert audit.main() == 1
    shown = capsys.readouterr()
    assert shown.out == "django 4.2.1: PYSEC-2023-100 CVE-2023-36053, mended in 4.2.3\n"
    assert "2 packages; 1 advisories; 1 ARE NOT KNOWN TO IT" in shown.err


def test_packages_without_advisories_pass(index, capsys):
    index["report"] = json.dumps({"dependencies": RECORDED["dependencies"][1:2], "fixes": []})
    assert audit.main() == 0
    assert "1 packages; 0 advisories" in capsys.readouterr().err


@pytest.mark.parametrize(
    "report", ["", "Traceback (most recent call last):", json.dumps({"dependencies": RECORDED["dependencies"][2:]})]
)
def test_an_index_that_says_nothing_is_told_and_passes(index, capsys, report):
    index["report"] = report
    assert audit.main() == 0
    assert "NOT ASKED" in capsys.readouterr().err


def test_each_lock_of_an_installation_is_asked_for_and_pins_by_hash():
    names = [path.name for path in list_locks()]
    assert {"requirements.txt", "requirements-embedded.txt"} < set(names)
    assert "requirements-dev.txt" not in names
    pinned = list(list_pinned(list_locks()))
    assert all(len(digest) == 64 for each in pinned for digest in each.hashes)
    assert {"django", "psycopg", "celery"} <= {each.name for each in pinned}


def test_the_bill_of_materials_names_every_pinned_package_once(tmp_path):
    path = tmp_path / "bom.json"
    assert sbom.main([str(path)]) == 0
    bom = json.loads(path.read_text())
    found = [(each["name"], each["version"], each["properties"][0]["value"]) for each in bom["components"]]
    assert sorted(found) == sorted({(each.name, each.version, each.lock) for each in list_pinned(list_locks())})
    assert all(each["hashes"] and each["purl"].startswith("pkg:pypi/") for each in bom["components"])
    django = next(each for each in bom["components"] if each["name"] == "django")
    assert django["licenses"] == [{"license": {"id": "BSD-3-Clause"}}]
    assert bom["metadata"]["component"]["name"] == "emailsvc"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(path.read_text()) is None


def test_the_locks_agree_so_that_they_can_be_installed_together():
    versions = defaultdict(set)
    for path in ROOT.glob("requirements*.txt"):
        if path.name in {"requirements-fuzz.txt", "requirements-pip.txt"}:
            continue
        for name, version, marker in PINNED.findall(path.read_text()):
            versions[name.lower(), marker.strip()].add(version)
    assert len(versions) > 150
    assert {key: found for key, found in versions.items() if len(found) > 1} == {}
