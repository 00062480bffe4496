"""`./run`: everything that the service needs, started on a bare machine and kept alive until Ctrl-C.

Prints to stderr, and leaves `<data>/ready.json` for programs, from the moment when mail can be posted until the stop.
"""

import argparse
import os
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from socket import socket
from typing import Any

from emailsvc.embedded.cleanup import cleanup_process
from emailsvc.embedded.errors import EmbeddedError
from emailsvc.embedded.programs import has_ended, start, stop, tail
from emailsvc.embedded.servers import Servers, claimed_servers
from emailsvc.launcher.data_folder import (
    DEFAULT_DATA,
    ENVIRONMENT_NAME,
    LOCK_NAME,
    build_environment,
    hold,
    kept_environment,
    open_data_folder,
    trim_logs,
)
from emailsvc.launcher.ports import LOOPBACK, listen, listen_near
from emailsvc.launcher.preload import load_product
from emailsvc.launcher.processes import (
    CERTIFICATE_NAME,
    METRICS,
    STOP_STAGES,
    SUBMISSION,
    SUBMISSION_TLS,
    ProcessOptions,
    build_preparation,
    build_processes,
)
from emailsvc.launcher.progress import Progress, print_line
from emailsvc.launcher.readiness import Ports, list_obstacles
from emailsvc.launcher.ready_file import FILE_NAME as READY_NAME
from emailsvc.launcher.ready_file import ReadyFile, build_banner, ready_content
from emailsvc.launcher.secrets_file import ADMIN_USER, keep_secrets, write_private
from emailsvc.launcher.supervisor import Alarm, Supervisor

DEFAULT_PORT = 8000
INBOX_PORT = 2525
REPORT_PORT = 2526
SUBMISSION_PORT = 2587
SUBMISSION_TLS_PORT = 2465
PATIENCE_SECONDS = 60.0
LOOPBACK_NETWORKS = "127.0.0.0/8,::1/128"
TRIM_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Service:
    """One run: what is watched, and what its programs are told. `made` is the part of that which we made up.

    `run_id` is what its servers name in their answers.
    """

    process_options: ProcessOptions
    made: Mapping[str, str]
    run_id: str
    ports: Ports
    servers: Servers
    supervisor: Supervisor
    alarm: Alarm


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run", description="Start everything and keep it alive until Ctrl-C.")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="loopback port of the web server (default: 8000)"
    )
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder for all that is kept (default: var)")
    options = parser.parse_args()
    alarm = Alarm()
    try:
        with ExitStack() as stack:
            serve(build_service(options, alarm, stack), stack)
    except EmbeddedError as error:
        print_line(f"emailsvc: {error}")
        return 1
    return 0


def build_service(options: argparse.Namespace, alarm: Alarm, stack: ExitStack) -> Service:
    """Hold the data folder and the ports, and start the servers; `stack` lets go of them again."""
    data = open_data_folder(options.data)
    stack.enter_context(hold(data))
    (data / READY_NAME).unlink(missing_ok=True)
    listeners = open_ports(options.port, stack)
    ports = read_ports(listeners)
    servers = stack.enter_context(claimed_servers(data, os.environ))
    stack.enter_context(cleanup_process(data / LOCK_NAME, data / READY_NAME, data / ENVIRONMENT_NAME, servers.runtime))
    made = {
        "PUBLIC_URL": f"http://{LOOPBACK}:{ports.web}",
        "PROVIDER_URL": f"inbox://{LOOPBACK}:{ports.smtp}",
        "SUBMISSION_ADDRESS": f"{LOOPBACK}:{ports.submission}",
        # The machine is its user's own: relays, stand-ins and receivers on it may be tried by the API too.
        "PROVIDER_ALLOWED_NETWORKS": LOOPBACK_NETWORKS,
        "WEBHOOK_ALLOWED_NETWORKS": LOOPBACK_NETWORKS,
        **keep_secrets(data, os.environ).environment(),
        **servers.environment,
    }
    run_id = token_hex(8)
    environment = {**build_environment(os.environ, made), "SERVICE_RUN_ID": run_id}
    process_options = ProcessOptions(
        data=data,
        environment=environment,
        sockets={name: listener.fileno() for name, listener in listeners.items()},
    )
    return Service(
        process_options=process_options,
        made=made,
        run_id=run_id,
        ports=ports,
        servers=servers,
        supervisor=Supervisor(print_line),
        alarm=alarm,
    )


def open_ports(web_port: int, stack: ExitStack) -> dict[str, socket]:
    """The sockets that listen, by the program that inherits each (see `INHERITED`); `stack` closes them."""
    # A value that is none is refused with the other settings.
    metrics = os.environ.get("METRICS_PORT", "").strip().lstrip("0")
    own = {METRICS: stack.enter_context(open_port(int(metrics), "METRICS_PORT"))} if metrics.isdecimal() else {}
    web = stack.enter_context(open_port(web_port))
    inbox = stack.enter_context(listen_near(INBOX_PORT))
    reports = stack.enter_context(listen_near(max(REPORT_PORT, inbox.getsockname()[1] + 1)))
    submission, secure = (stack.enter_context(listen_near(port)) for port in (SUBMISSION_PORT, SUBMISSION_TLS_PORT))
    return {"web": web, "inbox": inbox, "reports": reports, SUBMISSION: submission, SUBMISSION_TLS: secure, **own}


def read_ports(listeners: Mapping[str, socket]) -> Ports:
    numbers = {name: int(listener.getsockname()[1]) for name, listener in listeners.items()}
    return Ports(
        web=numbers["web"],
        smtp=numbers["inbox"],
        reports=numbers["reports"],
        submission=numbers[SUBMISSION],
        submission_tls=numbers[SUBMISSION_TLS],
    )


def open_port(port: int, option: str = "--port") -> socket:
    try:
        return listen(port)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise EmbeddedError(f"port {port} cannot be used: {reason}; choose another with {option}") from None


def serve(service: Service, stack: ExitStack) -> None:
    """Come up, stay up until somebody asks to stop, go down. Raises EmbeddedError when it cannot come up."""
    progress = Progress("emailsvc: starting")
    start_all(service, stack, progress)
    await_ready(service, progress)
    if not service.alarm.is_stopping:
        progress.end()
        announce(service, stack)
    logs = service.process_options.data / "logs"
    while not service.alarm.is_stopping:
        trim_logs(logs)
        tend(service, TRIM_SECONDS)
    print_line("emailsvc is stopping")


def start_all(service: Service, stack: ExitStack, progress: Progress) -> None:
    """Servers, then the database's preparation, then the programs. What these share is loaded meanwhile, once."""
    progress.enter("PostgreSQL and Valkey")
    service.servers.begin()
    load(service.process_options.environment)
    service.servers.await_ready()
    service.supervisor.watch(service.servers.children)
    progress.enter("the database's tables")
    preparation = start(build_preparation(service.process_options))
    stack.callback(stop, [preparation])
    while not has_ended(preparation) and not service.alarm.is_stopping:
        progress.show("the database's tables")
        service.alarm.wait(1.0)
    if service.alarm.is_stopping:
        return
    if preparation.process.returncode:
        raise EmbeddedError(f"cannot start; {preparation.program.log} says:\n{tail(preparation)}")
    stack.enter_context(kept_environment(service.process_options.data, service.made))
    for stage in reversed(STOP_STAGES):
        stack.callback(service.supervisor.stop, stage)
    service.supervisor.watch(start(program) for program in build_processes(service.process_options))


def load(environment: Mapping[str, str]) -> None:
    """Load the product into this process, which forks the programs. Raises EmbeddedError for a wrong setting."""
    try:
        load_product(environment)
    except SystemExit:
        raise EmbeddedError("cannot start with a wrong setting") from None


def tend(service: Service, seconds: float) -> None:
    """Look after the programs for that long, or until somebody asks to stop."""
    until = time.monotonic() + seconds
    while not service.alarm.is_stopping and (left := until - time.monotonic()) > 0:
        service.supervisor.tend()
        service.alarm.wait(min(left, 0.5))


def await_ready(service: Service, progress: Progress) -> None:
    """Wait for everything, however long it takes; after a minute, say what is missing."""
    impatient_at = time.monotonic() + PATIENCE_SECONDS
    pause = 0.1
    progress.enter("web, workers, inbox")
    while not service.alarm.is_stopping and (obstacles := list_obstacles(service.ports, service.run_id)):
        if time.monotonic() > impatient_at:
            print_line("emailsvc is not ready yet: " + "; ".join(obstacles))
            impatient_at += PATIENCE_SECONDS
        progress.show("waiting for " + ", ".join(obstacle.partition(":")[0] for obstacle in obstacles))
        tend(service, pause)
        pause = min(pause * 1.1, 1.0)


def announce(service: Service, stack: ExitStack) -> None:
    """Write ready.json, which `stack` removes again, and print the banner."""
    data = service.process_options.data
    secrets = keep_secrets(data, os.environ)
    url = service.process_options.environment["PUBLIC_URL"].rstrip("/")
    ready = ReadyFile(
        url=url,
        admin_url=f"{url}/admin/",
        admin_user=ADMIN_USER,
        admin_password=secrets.admin_password,
        api_key=secrets.api_key,
        # The inbox answers on the loopback interface only, whatever the public name is.
        inbox_url=f"http://{LOOPBACK}:{service.ports.web}/inbox/",
        smtp_host=LOOPBACK,
        smtp_port=service.ports.smtp,
        report_host=LOOPBACK,
        report_port=service.ports.reports,
        submission_host=LOOPBACK,
        submission_port=service.ports.submission,
        submission_tls_port=service.ports.submission_tls,
        submission_certificate=str(data / CERTIFICATE_NAME),
        **describe_metrics(service),
    )
    stack.callback((data / READY_NAME).unlink, missing_ok=True)
    write_private(data / READY_NAME, ready_content(ready))
    print_line(build_banner(ready))


def describe_metrics(service: Service) -> dict[str, Any]:
    """Where Prometheus reads, for `ready.json`: on the port of its own if there is one."""
    options = service.process_options
    is_apart = METRICS in options.sockets
    port = options.environment["METRICS_PORT"] if is_apart else service.ports.web
    return {
        "metrics_url": f"http://{LOOPBACK}:{port}/metrics",
        "metrics_token": None if is_apart else options.environment["METRICS_TOKEN"],
    }


if __name__ == "__main__":
    sys.exit(main())
