"""PostgreSQL and Valkey with our schema, for benchmarks that need the service itself."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cryptography.fernet import Fernet

from bench.measure import Options
from emailsvc.embedded.servers import running_servers

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def running_database(options: Options) -> Iterator[None]:
    """The environment names both servers meanwhile. Import modules that set up Django inside the block."""
    os.environ |= {
        "SECRET_KEY": "bench-" * 8,
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "TRUSTED_SENDER_DOMAINS": "*",
        "LOG_LEVEL": "ERROR",
        "DJANGO_SETTINGS_MODULE": "emailsvc.settings",
    }
    with ExitStack() as stack:
        data = options.data or Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        data.mkdir(parents=True, exist_ok=True)
        servers = stack.enter_context(running_servers(data, os.environ))
        os.environ |= servers.environment
        subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, check=True)
        yield
