"""`./run check`: format, lint, types, import directions and missing migrations. All run, even after a failure."""

import os
import subprocess
import sys

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
}


def main() -> int:
    failed = []
    for name, words in CHECKS.items():
        tell(name)
        given = {variable: value for variable, value in os.environ.items() if value}
        environment = given if name == "migrations" else {**ENVIRONMENT, **given}
        if subprocess.run([sys.executable, *words], env=environment, check=False).returncode:
            failed.append(name)
    tell(f"failed: {', '.join(failed)}" if failed else "all checks passed")
    return 1 if failed else 0


def tell(text: str) -> None:
    sys.stderr.write(f"run: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
