"""How the suite runs in several processes: `pytest -n auto`, as `make test` does.

A file is run by one process, in its order, so what a module sets up is set up once; a few folders whose files share
what is dear to set up are run by one process as a whole. What takes longest comes first: otherwise one process would
begin it when the others have nothing left to do.
"""

from __future__ import annotations

import os
from collections import defaultdict
from typing import Any

import pytest

MOST = 4
"""More processes than that wait for the disk and for each other: many tests start processes of their own."""
TOGETHER = ("tests/interop",)
"""Folders that one process runs: their files share a Spark, which takes a gigabyte and half a minute to start."""
LONGEST = (
    "tests/faults/test_sweep.py",
    "tests/storms/test_kills.py",
    "tests/upkeep/test_busy_lake.py",
    "tests/interop",
    "tests/docs/test_examples.py",
    "tests/road/test_batch.py",
    "tests/aws/test_laptop.py",
    "tests/aws/test_state.py",
    "tests/aws/test_synth.py",
    "tests/aws/test_state_as_here.py",
    "tests/aws/test_storms.py",
    "tests/hostile/test_large.py",
    "tests/road/test_readmit_storm.py",
    "tests/storms/test_racing_commits.py",
    "tests/hostile/test_chance.py",
    "tests/road/test_schema_crash.py",
    "tests/benchmarks/test_bench.py",
    "tests/road/test_crash.py",
    "tests/storms/test_lost_answers.py",
    "tests/formats/test_pollution.py",
    "tests/road/test_schema_property.py",
    "tests/contracts/test_commit.py",
)
"""What takes longest, longest first; the end of a session tells it. What is missing here costs time, nothing else."""
TOLD = 15
FROM_SECONDS = 60


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` means: a process for each core, and two at least, since most tests wait for other processes."""
    return min(max(len(os.sched_getaffinity(0)), 2), MOST)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """With `-n`, a file goes to one process, and files go in the order of the collection, if nothing else is asked."""
    if getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = "loadfile"
        config.option.loadscopereorder = False
    if getattr(config.option, "numprocesses", None) and config.option.maxworkerrestart is None:
        config.option.maxworkerrestart = "0"  # a process that dies ends the session: with another, xdist waits for ever


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest files first, where there are several processes; each of them must do the same."""
    if hasattr(config, "workerinput"):
        rank = {unit: at for at, unit in enumerate(LONGEST)}
        items.sort(key=lambda item: rank.get(unit_of(item.nodeid), len(rank)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out files, and folders that stay together."""
    if config.option.dist != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    scheduler = LoadFileScheduling(config, log)
    scheduler._split_scope = unit_of
    return scheduler


def unit_of(nodeid: str) -> str:
    """What one process runs: the file of a test, or its folder."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(f"{folder}/")), file)


def pytest_configure(config: pytest.Config) -> None:
    """Measure the files, wherever they run."""
    config.pluginmanager.register(_Files(), "files")


class _Files:
    """How long each file takes."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add a part of a test."""
        self._seconds[unit_of(report.nodeid)] += report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name the longest files of a session that was long."""
        if sum(self._seconds.values()) >= FROM_SECONDS:
            terminalreporter.write_sep("-", "longest files")
            longest = sorted(self._seconds.items(), key=lambda one: -one[1])[:TOLD]
            lines = [f"{file} {seconds:.0f} s" for file, seconds in longest]
            terminalreporter.write_line(f"longest files: {', '.join(lines)}")
