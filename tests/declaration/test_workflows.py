"""What a declaration may say of workflows, and what is wrong with one, each at its place."""

from __future__ import annotations

import pytest

from penstock.declaration import examine, loads
from penstock.declaration.workflows import timeout_of

HEAD = """lake: shop
tables:
  orders: {files: "orders/*.csv"}
  sales.returns: {files: "returns/*.csv"}
"""


def problems(workflows: str, head: str = HEAD) -> list[str]:
    """What is wrong with workflows, a line each."""
    return [str(problem) for problem in sorted(examine(head + workflows, environment={}).problems)]


def test_a_workflow_in_one_line() -> None:
    """The shorthand says what starts it, what it does, and how often that is tried."""
    text = 'workflows:\n  daily: {cron: "0 2 * * *", refresh: all, retry: {attempts: 3, wait: 30s, backoff: 2.0}}'
    (daily,) = loads(HEAD + text).workflows.values()
    (action,) = daily.actions
    assert (action.words, action.tables, timeout_of(action)) == ("refresh all", ["all"], 3_600)
    assert daily.texts == ("0 2 * * *",)
    patience = daily.patience(action)
    assert (patience.attempts, patience.wait, patience.backoff, patience.jitter) == (3, 30, 2, 0)
    assert (daily.overlap, daily.missed, daily.timezone) == ("queue", "once", "UTC")


def test_a_workflow_with_everything() -> None:
    """Several triggers, and steps of every kind in order."""
    text = """
allow_exec: true
workflows:
  nightly:
    description: everything
    cron: ["0 2 * * *", "30 14 * * MON-FRI"]
    schedule: cron(0 8 ? * 6#3 *)
    timezone: Europe/Paris
    on: {committed: [orders, "ord*"], dead: "*", alarm: disk, workflow: other}
    overlap: skip
    missed: all
    steps:
      - refresh: orders
      - reprocess: [sales.returns]
        timeout: 2h
      - {maintain: all}
      - {verify: [orders, sales.returns]}
      - {notify: {text: done}}
      - exec: [./publish.sh, --all, "a b"]
        environment: {TOKEN: "${TOKEN}"}
        retry: {attempts: 1}
  other: {refresh: all}
"""
    examined = examine(HEAD + text, environment={"TOKEN": "t0ken-of-the-publisher"})
    assert examined.problems == []
    assert examined.declaration is not None
    nightly = examined.declaration.workflows["nightly"]
    assert [action.words for action in nightly.actions] == [
        "refresh orders",
        "reprocess sales.returns",
        "maintain all",
        "verify orders, sales.returns",
        "notify",
        "exec ./publish.sh",
    ]
    assert len(nightly.expressions) == 3
    assert nightly.patience(nightly.actions[-1]).attempts == 1


@pytest.mark.parametrize(
    ("workflow", "expected"),
    [
        ("{refersh: all}", 'workflows.w: unknown key "refersh"; did you mean "refresh"?'),
        (
            '{cron: "0 2 * * *"}',
            (
                "workflows.w: a workflow without steps does nothing; "
                "give it one of refresh, reprocess, maintain, verify, save, notify, exec"
            ),
        ),
        (
            "{refresh: all, verify: all}",
            (
                "workflows.w: a workflow without steps does one thing, found refresh and verify; "
                "write several below steps, in order"
            ),
        ),
        (
            "{refresh: all, steps: [{verify: all}]}",
            "workflows.w: refresh stands beside steps; move it into steps, at its place in the order",
        ),
        (
            "{steps: [{refresh: all, verify: all}]}",
            (
                "workflows.w.steps[0]: a step does one thing, found refresh and verify; "
                "write several below steps, in order"
            ),
        ),
        (
            '{cron: "0 2 * *", refresh: all}',
            (
                'workflows.w.cron: "0 2 * *" has 4 fields; cron has 5: minute, hour, day of the month, month, '
                "day of the week"
            ),
        ),
        (
            '{cron: ["0 2 * * *", "0 25 * * *"], refresh: all}',
            'workflows.w.cron[1]: "0 25 * * *": hour "25" is not a number from 0 to 23',
        ),
        (
            "{schedule: rate(1 minutes), refresh: all}",
            'workflows.w.schedule: "rate(1 minutes)": EventBridge wants rate(1 minute), but rate(2 minutes)',
        ),
        (
            '{cron: "0 2 * * *", timezone: Europe/Pari, refresh: all}',
            'workflows.w.timezone: "Europe/Pari" is not a time zone; did you mean "Europe/Paris"?',
        ),
        (
            '{cron: "0 2 * * *", timezone: ../../etc/passwd, refresh: all}',
            ('workflows.w.timezone: "../../etc/passwd" is not a time zone; zones are called like Europe/Paris, or UTC'),
        ),
        (
            "{timezone: Europe/Paris, refresh: all}",
            "workflows.w: timezone goes with cron or schedule",
        ),
        ("{missed: all, refresh: all}", "workflows.w: missed goes with cron or schedule"),
        ("{on: {}, refresh: all}", "workflows.w.on: names no event"),
        (
            "{on: {comitted: orders}, refresh: all}",
            'workflows.w.on: unknown key "comitted"; did you mean "committed"?',
        ),
        (
            "{on: {committed: [orders, xyz]}, refresh: all}",
            'workflows.w.on.committed[1]: no table "xyz" is declared',
        ),
        (
            "{on: {committed: order}, refresh: all}",
            'workflows.w.on.committed: no table "order" is declared; did you mean "orders"?',
        ),
        (
            '{on: {committed: "raw.*"}, refresh: all}',
            'workflows.w.on.committed: "raw.*" fits no table that is declared',
        ),
        ("{on: {workflow: nightly}, refresh: all}", 'workflows.w.on.workflow: no workflow "nightly" is declared'),
        (
            "{on: {alarm: dsk}, refresh: all}",
            'workflows.w.on.alarm: no alarm "dsk" is declared; did you mean "disk"?',
        ),
        (
            "{steps: [{refresh: all}, {reprocess: [ordrs]}]}",
            'workflows.w.steps[1].reprocess[0]: no table "ordrs" is declared; did you mean "orders"?',
        ),
        ("{refresh: [all, orders]}", "workflows.w.refresh[0]: all stands alone; it means every table"),
        ("{exec: []}", "workflows.w.exec: must not be empty"),
        ("{exec: ls -l}", 'workflows.w.exec: must be a list, found the text "ls -l"'),
        (
            "{refresh: all, environment: {A: b}}",
            "workflows.w: environment goes with exec",
        ),
        (
            "{overlap: wait, refresh: all}",
            'workflows.w.overlap: must be one of queue, skip, allow; found the text "wait"',
        ),
        (
            "{timeout: 1h, steps: [{refresh: all}]}",
            "workflows.w: timeout is a step's; write it in the steps",
        ),
    ],
)
def test_what_is_wrong_with_a_workflow_is_said_at_its_place(workflow: str, expected: str) -> None:
    """Every mistake is named with line, column, path, rule and, where one is near, what was meant."""
    (problem,) = problems(f"workflows:\n  w: {workflow}\n")
    place, _, text = problem.partition(" ")
    assert text == expected
    assert place.startswith("lake.yaml:6:")


def test_a_workflow_has_a_plain_name() -> None:
    """A name is one that programs, file systems and AWS take."""
    (problem,) = problems("workflows:\n  Night run: {refresh: all}\n")
    assert problem == (
        'lake.yaml:6:3 workflows.Night run: "Night run" cannot name a workflow; '
        "a workflow is called by lower-case letters, digits and _, starting with a letter"
    )


@pytest.mark.parametrize(
    ("workflows", "expected"),
    [
        (
            "  a: {on: {committed: orders}, reprocess: orders}\n",
            "lake.yaml:6:3 workflows.a: would never end: a processes orders again, which starts a",
        ),
        (
            '  a: {on: {committed: "*"}, reprocess: all}\n',
            "lake.yaml:6:3 workflows.a: would never end: a processes orders again, which starts a",
        ),
        (
            "  a: {on: {breached: sales.returns}, steps: [{verify: all}, {reprocess: [sales.returns]}]}\n",
            "lake.yaml:6:3 workflows.a: would never end: a processes sales.returns again, which starts a",
        ),
        (
            (
                "  a: {on: {workflow: b}, refresh: all}\n  b: {on: {scheduled: c}, refresh: all}\n"
                "  c: {on: {workflow: a}, verify: all}\n"
            ),
            (
                "lake.yaml:6:3 workflows.a: would never end: a finishes, which starts c; "
                "c becomes due, which starts b; b finishes, which starts a"
            ),
        ),
        (
            (
                "  a: {on: {committed: orders}, reprocess: [sales.returns]}\n"
                '  b: {on: {committed: "sales.*"}, reprocess: orders}\n'
            ),
            (
                "lake.yaml:6:3 workflows.a: would never end: a processes sales.returns again, which starts b; "
                "b processes orders again, which starts a"
            ),
        ),
    ],
)
def test_a_chain_that_would_never_end_is_refused(workflows: str, expected: str) -> None:
    """A chain that leads back to its start for certain is a mistake, told with the whole way round, once."""
    assert problems(f"workflows:\n{workflows}") == [expected]


@pytest.mark.parametrize(
    "workflows",
    [
        "  a: {on: {committed: orders}, refresh: orders}\n",
        "  a: {on: {committed: orders}, reprocess: [sales.returns]}\n",
        "  a: {on: {arrived: orders}, reprocess: orders}\n",
        '  a: {on: {workflow_failed: "*"}, notify: {text: help}}\n',
        "  a: {on: {workflow: b}, refresh: all}\n  b: {refresh: all}\n",
    ],
)
def test_chains_that_come_to_rest_are_allowed(workflows: str) -> None:
    """What only processes what waits, or does not lead back, is no mistake."""
    assert problems(f"workflows:\n{workflows}") == []
