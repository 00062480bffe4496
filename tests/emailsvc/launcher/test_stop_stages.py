"""How long the programs of `./run` may take to end."""

from pathlib import Path

from emailsvc.launcher.processes import STAGE_SECONDS, STOP_STAGES, ProcessOptions, build_processes

# What a person waits for after Ctrl-C, the servers' own end included.
PROMISED_SECONDS = 10.0
SERVERS_SECONDS = 3.0


def test_each_program_may_take_as_long_as_its_stage(tmp_path: Path) -> None:
    sockets = {"web": 70, "inbox": 71, "reports": 72, "submission": 73, "submission-tls": 74}
    options = ProcessOptions(data=tmp_path, environment={}, sockets=sockets)
    seconds = {program.name: program.stop_seconds for program in build_processes(options)}
    assert set(seconds) == {name for names in STOP_STAGES for name in names}
    for names, allowed in zip(STOP_STAGES, STAGE_SECONDS, strict=True):
        assert {seconds[name] for name in names} == {allowed}


def test_the_stages_leave_the_servers_their_time() -> None:
    assert sum(STAGE_SECONDS) + SERVERS_SECONDS <= PROMISED_SECONDS
