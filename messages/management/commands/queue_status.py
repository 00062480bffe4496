import time
from argparse import ArgumentParser
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from common.commands import ServiceCommand
from common.times import age_of, format_age
from messages.queue_stats import QueueState, read_queue

COLUMNS = ("due", "later", "leased", "lost", "on_hold")


class Command(ServiceCommand):
    help = (
        "Show the queue: recipients by lane and state (due: may be sent now; later: waits for its next attempt; "
        "leased: being sent; lost: its worker is gone; on_hold: waits for a person), and the workers."
    )

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--watch",
            nargs="?",
            type=float,
            const=2.0,
            metavar="SECONDS",
            help="Repeat at this interval (2) until Ctrl-C.",
        )

    def handle(self, *, watch: float | None, **_: Any) -> None:
        if watch is None:
            self.show(read_queue())
            return
        try:
            self.watch(max(watch, 0.1))
        except KeyboardInterrupt:
            # Ctrl-C is the normal end of --watch.
            return

    def watch(self, seconds: float) -> None:
        """Show the queue repeatedly: a terminal is redrawn in place, other outputs get one report after another."""
        console = Console(file=self.stdout._out)  # type: ignore[arg-type]
        if self.is_json or not console.is_terminal:
            while True:
                self.show(read_queue())
                self.stdout.flush()
                time.sleep(seconds)
        with Live(build_table(read_queue()), console=console, auto_refresh=False) as live:
            while True:
                live.update(build_table(read_queue()), refresh=True)
                time.sleep(seconds)

    def show(self, state: QueueState) -> None:
        self.emit(state.describe(), queue_as_json(state))


def build_table(state: QueueState) -> Table:
    table = Table(caption="\n".join(list_facts(state)), caption_justify="left")
    table.add_column("lane")
    for column in (*COLUMNS, "oldest due", "next attempt"):
        table.add_column(column, justify="right")
    for lane in state.lanes:
        counts = [str(getattr(lane, column)) for column in COLUMNS]
        times = [age_of(at) if at else "-" for at in (lane.oldest_due_at, lane.next_due_at)]
        table.add_row(lane.lane, *counts, *times)
    return table


def queue_as_json(state: QueueState) -> str:
    """The queue in plain lines."""
    lines = []
    for lane in state.lanes:
        counts = "  ".join(f"{column}={getattr(lane, column)}" for column in COLUMNS)
        oldest = f"  oldest due {age_of(lane.oldest_due_at)}" if lane.oldest_due_at else ""
        following = f"  next attempt {age_of(lane.next_due_at)}" if lane.next_due_at else ""
        lines.append(f"{lane.lane:<9}{counts}{oldest}{following}")
    return "\n".join([*lines, *list_facts(state)])


def list_facts(state: QueueState) -> list[str]:
    following = f", the next {age_of(state.next_scheduled_at)}" if state.next_scheduled_at else ""
    worker = state.worker_seen_seconds_ago
    return [
        f"scheduled: {state.scheduled}{following}",
        f"workers: {'none has been seen' if worker is None else f'seen {format_age(worker)} ago'}",
        f"beat: {'has not run yet' if state.beat_ran_at is None else f'last ran {age_of(state.beat_ran_at)}'}",
    ]
