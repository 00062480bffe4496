"""`./run check audit`: known advisories about the packages of our locks, asked of the package index by pip-audit.

Exit status 1 if a package has one. An index that does not answer, or answers for no package, is told as "not asked" and
is no failure: a check without a network shall pass.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emailsvc.launcher.supply.locks import list_locks

PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One advisory about a pinned package."""

    package: str
    version: str
    identifier: str
    mended_in: Sequence[str]

    def __str__(self) -> str:
        mended = f"mended in {', '.join(self.mended_in)}" if self.mended_in else "no release mends it yet"
        return f"{self.package} {self.version}: {self.identifier}, {mended}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The advisories, and the numbers of packages that the index knew and did not know."""

    advice: Sequence[Advice] = ()
    asked: int = 0
    unknown: int = 0


def main() -> int:
    audit = read_report(ask_index(list_locks()))
    for advice in audit.advice:
        sys.stdout.write(f"{advice}\n")
    sys.stderr.write(f"run: audit: {summarise(audit)}\n")
    return int(bool(audit.advice))


def ask_index(locks: Sequence[Path]) -> str:
    """pip-audit's report as JSON; "" if it made none."""
    words = ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json"]
    files = [word for lock in locks for word in ("--requirement", str(lock))]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", *words, *files],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.decode()


def read_report(report: str) -> Audit:
    """Read pip-audit's report; one that is not JSON says nothing about any package."""
    try:
        packages: Sequence[Mapping[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Audit()
    known = [package for package in packages if "skip_reason" not in package]
    advice = [
        Advice(
            package=package["name"],
            version=package["version"],
            identifier=" ".join([found["id"], *found.get("aliases", [])]),
            mended_in=found.get("fix_versions", []),
        )
        for package in known
        for found in package["vulns"]
    ]
    return Audit(advice=advice, asked=len(known), unknown=len(packages) - len(known))


def summarise(audit: Audit) -> str:
    if not audit.asked:
        return "NOT ASKED: the package index does not answer for advisories"
    unknown = f"; {audit.unknown} ARE NOT KNOWN TO IT" if audit.unknown else ""
    return f"the index was asked for {audit.asked} packages; {len(audit.advice)} advisories{unknown}"


if __name__ == "__main__":
    sys.exit(main())
