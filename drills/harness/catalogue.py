"""All drills by name, with their location. Readable without loading the product."""

from collections.abc import Mapping

DRILLS: Mapping[str, str] = {
    "kill-worker": "drills.scenarios.crashes:kill_worker",
    "kill-child": "drills.scenarios.crashes:kill_child",
    "kill-in-window": "drills.scenarios.windows:kill_in_window",
    "kill-before-dot": "drills.scenarios.windows:kill_before_dot",
    "flushall": "drills.scenarios.broker:flushall",
    "redis-down": "drills.scenarios.broker:redis_down",
    "redis-stopped": "drills.scenarios.broker:redis_stopped",
    "redis-restart": "drills.scenarios.broker:redis_restart",
    "postgres-restart": "drills.scenarios.database:postgres_restart",
    "postgres-after-250": "drills.scenarios.database:postgres_after_250",
    "disk-full": "drills.scenarios.database:disk_full",
    "same-wakeup-10x": "drills.scenarios.races:same_wakeup",
    "cancel-races": "drills.scenarios.races:cancel_races",
    "no-beat": "drills.scenarios.clocks:no_beat",
    "two-beats": "drills.scenarios.clocks:two_beats",
    "wrong-clocks": "drills.scenarios.clocks:wrong_clocks",
    "expired": "drills.scenarios.expiries:expired",
    "power-cut": "drills.scenarios.crashes:power_cut",
    "lanes": "drills.scenarios.neighbours:lanes",
    "slow-relay": "drills.scenarios.neighbours:slow_relay",
    "poison": "drills.scenarios.neighbours:poison",
    "cut-after-dot": "drills.scenarios.bad_replies:cut_after_dot",
    "storm": "drills.scenarios.bad_replies:storm",
    "refused-recipients": "drills.scenarios.bad_replies:refused_recipients",
    "greylist": "drills.scenarios.direct:greylist",
    "busy": "drills.scenarios.direct:busy",
    "second-mx": "drills.scenarios.direct:second_mx",
    "slow-mx": "drills.scenarios.direct:slow_mx",
    "dns-faults": "drills.scenarios.direct:dns_faults",
    "strangers": "drills.scenarios.strangers:strangers",
    "blocked": "drills.scenarios.strangers:blocked",
    "failover": "drills.scenarios.failovers:failover",
    "esp": "drills.scenarios.esps:esp",
    "same-key": "drills.scenarios.clients:same_key",
    "idle-connections": "drills.scenarios.clients:idle_connections",
    "deploy": "drills.scenarios.deploys:deploy",
    "ten-thousand": "drills.scenarios.deploys:ten_thousand",
    "webhooks": "drills.scenarios.endpoints:webhooks",
}
# Parts that can be disabled, in the drills' own processes only, to show that the drills detect it.
PARTS: Mapping[str, str] = {
    "sweeper": "drills.harness.without:sweeper",
    "claim": "drills.harness.without:claim_without_lock",
}
