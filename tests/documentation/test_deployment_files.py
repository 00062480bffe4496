"""compose.yaml, the image, and the files of docs/deployment/: they start our programs, with settings that exist."""

import os
import re
import stat
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from emailsvc.environment import Environment
from emailsvc.launcher.processes import COMMANDS
from emailsvc.launcher.supply import image
from emailsvc.management.commands.ready import PROGRAMS

ROOT = Path(__file__).parents[2]
FILES = ROOT / "docs" / "deployment"
PYTHON = ("python", "manage.py")
# The inbox is for development: ./run alone starts it.
DEPLOYED = set(PROGRAMS) - {"inbox"}
DIGEST = f"sha256:{'ab' * 32}"


def read_services() -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return {name: service for name, service in services.items() if service["image"] == "emailsvc"}


def test_compose_passes_every_setting_of_the_file_to_every_program() -> None:
    services = read_services()
    assert set(services) == {*DEPLOYED, "prepare"}
    for service in services.values():
        assert service["env_file"] == ".env"
        assert set(service["environment"]) <= set(Environment.model_fields)
    page = (ROOT / "docs" / "deployment.md").read_text()
    given = set(re.findall(r"^([A-Z_]+)=", page, re.MULTILINE)) | set(services["web"]["environment"])
    assert {name for name, field in Environment.model_fields.items() if field.is_required()} <= given


def test_compose_asks_each_program_whether_it_can_work() -> None:
    for name in DEPLOYED:
        check = read_services()[name]["healthcheck"]
        assert check["test"][:5] == ["CMD", *PYTHON, "ready", name]


def test_secrets_stay_out_of_the_repository_and_of_the_image() -> None:
    for name in (".gitignore", ".dockerignore"):
        assert {".env", ".env.*"} <= set((ROOT / name).read_text().splitlines()), name


def is_ignored(path: str, patterns: list[str]) -> bool:
    """Whether .dockerignore leaves out a path: our patterns name files, whole folders, or `*` within one name."""
    parents = [str(parent) for parent in Path(path).parents] + [path]
    return any(fnmatch(each, pattern.removeprefix("**/")) for each in parents for pattern in patterns)


@pytest.mark.parametrize(
    "path",
    ["requirements-embedded.txt", "requirements-dev.in", ".git/config", "tests/needs.py", "run", "var/secrets.json"],
)
def test_the_image_has_neither_embedded_servers_nor_what_only_development_needs(path: str) -> None:
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert is_ignored(path, patterns)
    for kept in ("manage.py", "emailsvc/settings.py", "docs/sending.md", "requirements.txt"):
        assert not is_ignored(kept, patterns)
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)) == {"${BASE}"}
    assert "--without-pip" in dockerfile


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name that writes its words down, and knows one digest."""
    program, said = tmp_path / "docker", tmp_path / "said"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {said}\n'
        f'case "$1" in pull) exit "${{PULL:-0}}";; image) printf "%b" "${{DIGESTS-python@{DIGEST}\\n}}";; esac\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return said


def test_the_release_script_builds_on_the_digest_of_the_base(docker: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert image.main(["example.test/emailsvc:1.2"]) == 0
    base = re.findall(r"^ARG BASE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[0]
    pulled, _, built = docker.read_text().splitlines()
    assert pulled == f"pull --quiet {base}"
    assert f"--build-arg BASE={base}@{DIGEST} " in built
    assert f"--label org.opencontainers.image.base.digest={DIGEST} " in built
    assert built.endswith(f"--tag example.test/emailsvc:1.2 {ROOT}")
    assert capfd.readouterr().err == f"run: built example.test/emailsvc:1.2 on {base}@{DIGEST}\n"


@pytest.mark.parametrize(
    ("variable", "value", "words", "complaint"),
    [
        ("PULL", "1", ["a:1"], "docker pull failed with exit status 1"),
        ("DIGESTS", "", ["a:1"], "has 0 digests here, not one"),
        ("PATH", "", ["a:1"], "docker is not installed here"),
        ("PULL", "0", [], "takes one name"),
    ],
)
def test_the_release_script_builds_nothing_without_a_digest(
    docker: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    variable: str,
    value: str,
    words: list[str],
    complaint: str,
) -> None:
    monkeypatch.setenv(variable, value)
    assert image.main(words) == 2
    assert complaint in capfd.readouterr().err
    assert "build" not in (docker.read_text() if docker.exists() else "")


def read_units() -> dict[str, dict[str, str]]:
    """Unit → its keys; of a key that stands twice the last."""
    units = {}
    for path in (FILES / "systemd").iterdir():
        pairs = [line.split("=", 1) for line in path.read_text().splitlines() if "=" in line and line[0] not in "#;"]
        units[path.name] = dict(pairs)
    return units


def test_each_program_has_a_unit_with_its_command() -> None:
    units = read_units()
    assert set(units) == {*(f"emailsvc-{name}.service" for name in (*DEPLOYED, "prepare")), "emailsvc.target"}
    for name in DEPLOYED:
        unit = units[f"emailsvc-{name}.service"]
        command = unit["ExecStart"].removeprefix("/opt/emailsvc/.venv/bin/").replace("%%", "%").split()
        assert_starts(name, command)
        assert (unit["Requires"], unit["PartOf"]) == ("emailsvc-prepare.service", "emailsvc.target")
        assert (unit["User"], unit["EnvironmentFile"]) == ("emailsvc", "/etc/emailsvc/environment")


def assert_starts(name: str, command: list[str]) -> None:
    if name in COMMANDS:
        assert tuple(command[: len(COMMANDS[name])]) == COMMANDS[name], name
    else:
        assert command[:3] == [*PYTHON, {"reports": "run_report_listener"}.get(name, f"run_{name}")], name


def read_objects() -> Iterator[dict[str, Any]]:
    for path in sorted((FILES / "kubernetes").iterdir()):
        yield from yaml.safe_load_all(path.read_text())


OBJECTS = list(read_objects())
VERSIONS = {
    "ConfigMap": "v1",
    "Service": "v1",
    "Deployment": "apps/v1",
    "Job": "batch/v1",
    "Ingress": "networking.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
}


def by_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in OBJECTS if each["kind"] == kind}


def list_containers() -> dict[str, dict[str, Any]]:
    """Program → its container; each pod has one."""
    pods = [each["spec"]["template"]["spec"] for kind in ("Deployment", "Job") for each in by_kind(kind).values()]
    return {container["name"]: container for pod in pods for container in pod["containers"]}


def test_manifests_have_the_versions_and_names_that_a_cluster_takes() -> None:
    for each in OBJECTS:
        assert each["apiVersion"] == VERSIONS[each["kind"]]
        assert re.fullmatch(r"emailsvc[a-z0-9-]*", each["metadata"]["name"])
    assert all(isinstance(value, str) for value in by_kind("ConfigMap")["emailsvc"]["data"].values())
    for name, each in by_kind("Deployment").items():
        labels = each["spec"]["template"]["metadata"]["labels"]
        assert each["spec"]["selector"]["matchLabels"] == labels == {"app": name}


def test_manifests_give_settings_that_exist() -> None:
    assert set(by_kind("ConfigMap")["emailsvc"]["data"]) <= set(Environment.model_fields)
    for container in list_containers().values():
        assert [next(iter(source)) for source in container["envFrom"]] == ["configMapRef", "secretRef"]
        assert {source[kind]["name"] for source in container["envFrom"] for kind in source} == {"emailsvc"}
        assert {each["name"] for each in container.get("env", ())} <= set(Environment.model_fields)


def test_manifests_start_every_program_with_a_probe_of_its_own() -> None:
    containers = list_containers()
    assert set(containers) == {*DEPLOYED, "prepare"}
    for name in DEPLOYED - {"web"}:
        assert_starts(name, containers[name]["command"])
        probe = containers[name]["readinessProbe"]
        assert probe["exec"]["command"][:4] == [*PYTHON, "ready", name]
        assert probe["timeoutSeconds"] < probe["periodSeconds"]
        assert "livenessProbe" not in containers[name]
    # The image's own command, and probes that cost no process.
    web = containers["web"]
    assert "command" not in web
    asked = {kind: web[kind]["httpGet"] for kind in ("readinessProbe", "livenessProbe")}
    assert {kind: get["path"] for kind, get in asked.items()} == {
        "readinessProbe": "/readyz",
        "livenessProbe": "/healthz",
    }
    assert all(get["httpHeaders"] == [{"name": "Host", "value": "localhost"}] for get in asked.values())


def test_ports_of_services_lead_to_ports_of_containers_that_listen_there() -> None:
    containers, services = list_containers(), by_kind("Service")
    for name, service in services.items():
        assert service["spec"]["selector"]["app"] == name
        open_ports = {
            each["name"]: each["containerPort"] for each in containers[name.removeprefix("emailsvc-")]["ports"]
        }
        assert {each["targetPort"] for each in service["spec"]["ports"]} == set(open_ports)
        command = containers[name.removeprefix("emailsvc-")].get("command")
        if command:
            assert {command[index + 1] for index, word in enumerate(command) if word.endswith("port")} == {
                str(port) for port in open_ports.values()
            }
    data = by_kind("ConfigMap")["emailsvc"]["data"]
    assert {"name": "metrics", "containerPort": int(data["METRICS_PORT"])} in containers["web"]["ports"]
    host, _, port = data["SUBMISSION_ADDRESS"].rpartition(":")
    assert int(port) in {each["port"] for each in services[host]["spec"]["ports"]}
    ingress = by_kind("Ingress")["emailsvc"]["spec"]
    backend = ingress["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert backend["port"]["name"] in {each["name"] for each in services[backend["name"]]["spec"]["ports"]}
    assert data["PUBLIC_URL"] == f"https://{ingress['rules'][0]['host']}"


def test_pods_run_as_a_user_without_rights_on_a_disk_that_they_cannot_change() -> None:
    pods = [each["spec"]["template"]["spec"] for kind in ("Deployment", "Job") for each in by_kind(kind).values()]
    uid = int(re.findall(r"^USER (\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[0])
    for pod in pods:
        assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, uid)
        [container] = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        assert mounts == {volume["name"] for volume in pod["volumes"]}
