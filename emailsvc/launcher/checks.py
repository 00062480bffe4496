"""`./run check [NAME]…`: format, lint, types, imports, missing migrations, advisories, other services' clients.

All run, or those that are named, even after a failure. Clients that cannot be installed here, and a package index that
knows no advisories, are told, and are no failure.
"""

import os
import subprocess
import sys
from collections.abc import Sequence

# Type and import checks load the settings, but need no server.
ENVIRONMENT = {
    "DATABASE_URL": "postgresql://",
    "REDIS_URL": "redis://",
    "SECRET_KEY": "only-for-checks-" + "0" * 40,
    "ENCRYPTION_KEYS": "Y2hlY2tjaGVja2NoZWNrY2hlY2tjaGVja2NoZWNrMDA=",
}
WITH_SERVERS = ("-m", "emailsvc.launcher.one_command", "--temporary", "--", sys.executable)
CHECKS = {
    "format": ("-m", "ruff", "format", "--check", ".", "run"),
    "lint": ("-m", "ruff", "check", ".", "run"),
    "types": ("-m", "mypy", "."),
    "imports": ("-c", "from importlinter.cli import lint_imports_command as lint; lint()", "--no-cache", "--no-logo"),
    "migrations": (*WITH_SERVERS, "manage.py", "makemigrations", "--check", "--dry-run"),
    "audit": ("-m", "emailsvc.launcher.supply.audit"),
    "clients": ("-m", "tests.vendors"),
}
# They start servers of their own, or use the caller's.
WITH_OWN_SERVERS = ("migrations", "clients")


def main(names: Sequence[str]) -> int:
    if unknown := sorted(set(names) - set(CHECKS)):
        tell(f"there is no check {unknown[0]!r}; there are {', '.join(CHECKS)}")
        return 2
    failed = []
    for name in names or CHECKS:
        words = CHECKS[name]
        tell(name)
        given = {variable: value for variable, value in os.environ.items() if value}
        environment = given if name in WITH_OWN_SERVERS else {**ENVIRONMENT, **given}
        if subprocess.run([sys.executable, *words], env=environment, check=False).returncode:
            failed.append(name)
    tell(f"failed: {', '.join(failed)}" if failed else "all checks passed")
    return 1 if failed else 0


def tell(text: str) -> None:
    sys.stderr.write(f"run: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
