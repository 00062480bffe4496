"""`mcp`: tools for agents."""

from argparse import ArgumentParser, Namespace
from importlib import import_module
from types import ModuleType

from emailsvc_client.cli.output import Output
from emailsvc_client.configuration import find_account, find_account_file, find_url, read_saved_account
from emailsvc_client.errors import ConfigurationError

# What the extra brings, as far as the server imports it.
LIBRARIES = frozenset({"mcp", "mcp_types", "pydantic", "starlette", "uvicorn"})
HOST, PORT = "127.0.0.1", 8765


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--http", action="store_true", help="streamable HTTP in place of stdio; each client sends its own key"
    )
    parser.add_argument("--host", default=HOST, help=f"the address to listen at ({HOST})")
    parser.add_argument("--port", type=int, default=PORT, help=f"{PORT}; 0 takes a free one")


def serve_mcp(arguments: Namespace, _output: Output) -> int:
    """Serve until stdin ends, or with `--http` until a signal."""
    saved = read_saved_account(find_account_file())
    if arguments.http:
        load_server("http_server").run_http(find_url(saved=saved), arguments.host, arguments.port)
    else:
        load_server("server").run_stdio(find_account(saved=saved))
    return 0


def load_server(name: str) -> ModuleType:
    """A module that needs the extra `mcp`. Raises ConfigurationError where that is not installed."""
    try:
        return import_module(f"emailsvc_client.mcp_server.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in LIBRARIES:
            raise
        raise ConfigurationError(
            "It needs libraries that are not installed: pip install emailsvc-client[mcp]"
        ) from error
