"""What a soak did and found, for people."""

from __future__ import annotations

import statistics

from tests.soak.world import World


def report(world: World, memory: list[str], found: list[str]) -> str:
    """Tell of a soak that is over."""
    toll, plan = world.toll, world.plan
    counts = dict(world.ask("SELECT state, count(*) FROM arrivals GROUP BY 1 ORDER BY 1"))
    ((rows, runs),) = world.ask("SELECT coalesce(sum(json_extract(accounting, '$.rows_in')), 0), count(*) FROM runs")
    ((sent, tries),) = world.ask("SELECT count(*), coalesce(sum(attempts), 0) FROM messages WHERE state='sent'")
    alarms = world.ask("SELECT alarm, state, count(*) FROM alarm_changes GROUP BY 1, 2 ORDER BY 1, 2")
    lines = [
        f"soak of {plan.seconds:g} s with the seed {plan.seed}",
        f"  landed: {sum(toll.landed.values()):,} files: {_listed(toll.landed)}",
        f"  befell: {_listed(toll.deeds)}; at most {toll.late:.1f} s later than planned",
        f"  arrivals: {_listed(counts)}; {runs:,} runs, {rows:,} rows in",
        f"  alarms: {', '.join(f'{alarm} {state} {count}' for alarm, state, count in alarms) or 'none'}",
        f"  messages: {sent:,} sent in {tries:,} attempts, {len(world.mail.received):,} mails taken",
        *(f"  steady process: {line}" for line in memory),
        f"  its memory, eighth by eighth: {', '.join(_eighths(world)) or 'not sampled'}",
        *(f"  WRONG: {line}" for line in found),
        "  all is as if nothing had happened" if not found else f"  {len(found)} findings",
        f"  repeat it with PENSTOCK_SEED={plan.seed} PENSTOCK_SOAK_SECONDS={plan.seconds:g} pytest tests/soak",
    ]
    return "\n".join(lines)


def _eighths(world: World) -> list[str]:
    """Median of what the steady process took, in megabytes."""
    eighth = world.plan.seconds / 8
    parts = [[one.bytes for one in world.toll.samples if at <= one.at / eighth < at + 1] for at in range(8)]
    return [f"{statistics.median(part) / 1e6:.0f} MB" for part in parts if part]


def _listed(counts: object) -> str:
    assert isinstance(counts, dict)
    return ", ".join(f"{count:,} {what}" for what, count in counts.items()) or "nothing"
