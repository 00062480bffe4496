"""Every drill by its name, and where it is. Known without loading the product."""

from collections.abc import Mapping

DRILLS: Mapping[str, str] = {
    "kill-worker": "drills.crashes:kill_worker",
    "kill-child": "drills.crashes:kill_child",
    "kill-in-window": "drills.windows:kill_in_window",
    "kill-before-dot": "drills.windows:kill_before_dot",
    "flushall": "drills.broker:flushall",
    "redis-down": "drills.broker:redis_down",
    "redis-stopped": "drills.broker:redis_stopped",
    "redis-restart": "drills.broker:redis_restart",
    "postgres-restart": "drills.database:postgres_restart",
    "postgres-after-250": "drills.database:postgres_after_250",
    "disk-full": "drills.database:disk_full",
    "same-wakeup-10x": "drills.races:same_wakeup",
    "cancel-races": "drills.races:cancel_races",
    "no-beat": "drills.clocks:no_beat",
    "two-beats": "drills.clocks:two_beats",
    "wrong-clocks": "drills.clocks:wrong_clocks",
    "power-cut": "drills.crashes:power_cut",
    "lanes": "drills.neighbours:lanes",
    "slow-relay": "drills.neighbours:slow_relay",
    "poison": "drills.neighbours:poison",
    "cut-after-dot": "drills.answers:cut_after_dot",
    "storm": "drills.answers:storm",
    "refused-recipients": "drills.answers:refused_recipients",
    "greylist": "drills.direct:greylist",
    "busy": "drills.direct:busy",
    "second-mx": "drills.direct:second_mx",
    "slow-mx": "drills.direct:slow_mx",
    "dns-faults": "drills.direct:dns_faults",
    "failover": "drills.failovers:failover",
    "esp": "drills.esps:esp",
    "same-key": "drills.clients:same_key",
    "idle-connections": "drills.clients:idle_connections",
    "deploy": "drills.deploys:deploy",
    "ten-thousand": "drills.deploys:ten_thousand",
    "webhooks": "drills.endpoints:webhooks",
}
# What can be taken out of the product, in the drills' own processes, to show that the drills notice.
PARTS: Mapping[str, str] = {
    "sweeper": "drills.without:sweeper",
    "claim": "drills.without:claim",
}
