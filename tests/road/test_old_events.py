"""Events of a lake that is never up: they are forgotten, too."""

from __future__ import annotations

from pathlib import Path

from penstock.clock import HeldClock
from penstock.lake import Lake
from penstock.state.events import KEPT_AT_MOST_SECONDS, KEPT_SECONDS


def run(folder: Path, clock: HeldClock, number: int) -> list[float]:
    """Let a file land, and process it as `penstock run` does; gives the moments of the events that are kept."""
    (folder / "raw" / f"{number}.csv").write_text(f"id\n{number}\n")
    with Lake(folder, clock) as lake:
        lake.run()
        lake.round_off()
        return sorted({event.at for event in lake.state.events.after(0)})


def test_runs_forget_old_events(tmp_path: Path) -> None:
    """After a week those that everybody acted on, and after 90 days those too that somebody never did."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "lake.yaml").write_text('lake: shop\ntables:\n  orders: {files: "*.csv"}\n')
    clock = HeldClock()
    first = clock.now()
    assert run(tmp_path, clock, 1) == [first]
    clock.sleep(KEPT_SECONDS + 1)
    second = clock.now()
    assert run(tmp_path, clock, 2) == [second]
    with Lake(tmp_path, clock) as lake:
        lake.state.events.advance("somebody", 0)
    clock.sleep(KEPT_SECONDS + 1)
    third = clock.now()
    assert run(tmp_path, clock, 3) == [second, third]
    clock.sleep(KEPT_AT_MOST_SECONDS - KEPT_SECONDS)
    assert run(tmp_path, clock, 4) == [third, clock.now()]
