"""`penstock run --as-deployed`: the lake on this machine, held to what its functions may do on AWS."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from penstock.access.policy import document, stack_values
from penstock.access.policy import filled as fill
from penstock.deployment.as_deployed import JudgedSite, planned
from penstock.deployment.permissions import principal_of
from penstock.errors import AccessError, PenstockError
from penstock.lake import Lake
from tests.told import count

DECLARATION = """
lake: steps
notices:
  - {name: failures, when: [dead], to: "file:"}
tables:
  a:
    files: "a*.csv"
    steps: [{python: "steps.py:look"}]
  sales.b:
    files: "b*.csv"
    checks: [{between: {id: [0, 9]}, on_breach: quarantine}]
"""
TOLD = (
    r"as deployed: (?P<intake>\d+) different calls of intake and (?P<upkeep>\d+) different calls of upkeep "
    r"were put to these functions' policies; all are allowed"
)
FOLLOWS = "statements follow from lake.yaml"
READ = "s3:GetObject on arn:aws:s3:::penstock-steps-raw/secret.txt"
IN_S3 = """what is in the zones is in S3 there
  give a step what it needs as a file beside lake.yaml, which is deployed with it"""
STEPS = """
from pathlib import Path

def look(batch):
    Path(__file__).parent.joinpath(FILE).read_text()
    return batch
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A lake with a step that reads a file, two files that wait, and one that nobody wants."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "lake.yaml").write_text(DECLARATION)
    (tmp_path / "raw" / "a.csv").write_text("id\n1\n")
    (tmp_path / "raw" / "b.csv").write_text("id\n1\n70\n")
    (tmp_path / "raw" / "secret.txt").write_text("not for steps")
    (tmp_path / "beside.txt").write_text("for steps")
    steps(tmp_path, "beside.txt")
    return tmp_path


def steps(folder: Path, file: str) -> None:
    """Let the step read this file."""
    (folder / "steps.py").write_text(STEPS.replace("FILE", repr(file)))


def penstock(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The real command line."""
    command = [sys.executable, "-m", "penstock", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_is_granted_goes_as_ever(folder: Path) -> None:
    """Where nothing is refused, the run is the same: rows, quarantine, and a step that reads what is deployed."""
    ended = penstock(folder, "run", "--as-deployed", "--json")
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["files"], told["rows_in"], told["rows_out"], told["rows_quarantined"]) == (2, 3, 2, 1)
    again = penstock(folder, "run", "--as-deployed", "--reprocess", "sales.b", "--json")
    assert (again.returncode, json.loads(again.stdout)["files"]) == (0, 1)


def test_what_was_checked_is_told(folder: Path) -> None:
    """One line says how many different calls were put to whose policy; not where something was refused, or quietly."""
    said = penstock(folder, "run", "--as-deployed").stdout.splitlines()
    found = [re.fullmatch(TOLD, line) for line in said if line.startswith("as deployed: ")]
    assert len(found) == 1
    assert found[0] is not None
    assert int(found[0]["intake"]) > 20
    assert int(found[0]["upkeep"]) > 2
    assert penstock(folder, "run", "--as-deployed", "--quiet").stdout == ""
    steps(folder, "raw/secret.txt")
    assert "as deployed:" not in penstock(folder, "run", "--as-deployed", "--reprocess", "a").stdout


@pytest.mark.parametrize(
    ("file", "refused"),
    [
        (
            "raw/secret.txt",
            f"deployed, the function intake may not {READ}\n  missing: a statement that allows {READ}; {FOLLOWS}",
        ),
        (
            "raw/b.csv",
            f"deployed, a step in Python finds no file b.csv: {IN_S3}",
        ),
    ],
)
def test_a_step_that_reads_another_file_is_refused(folder: Path, file: str, refused: str) -> None:
    """A step reaches no file of the zones; the error names the action, the resource and the missing statement."""
    steps(folder, file)
    assert penstock(folder, "run", "--as-deployed").stderr == f"error: {refused}\n"
    dead = json.loads(penstock(folder, "dead", "list", "--json").stdout)
    assert [letter["file"] for letter in dead] == ["a.csv"]
    assert "AccessError" in dead[0]["reason"]
    assert penstock(folder, "query", "--format", "csv", "SELECT count(*) FROM sales.b").stdout.split() == [
        "count_star()",
        "1",
    ]


def test_without_the_option_a_step_reaches_what_the_machine_lets_it(folder: Path) -> None:
    """The difference is the option's: the same step goes where nobody holds it to the deployed policies."""
    steps(folder, "raw/secret.txt")
    assert penstock(folder, "run").returncode == 0


def test_json_has_one_document(folder: Path) -> None:
    """With `--json`, what was refused is the one answer."""
    steps(folder, "raw/secret.txt")
    ended = penstock(folder, "run", "--as-deployed", "--json")
    assert ended.returncode == 1
    assert json.loads(ended.stdout or ended.stderr)["error"]["code"] == "access"


TAMPERED = [
    ("intake", "ReadRaw", "s3:GetObject"),
    ("intake", "ListRaw", "s3:ListBucket"),
    ("intake", "Tables", "s3:PutObject"),
    ("intake", "Catalog", "glue:GetTable"),
    ("intake", "State", "dynamodb:GetItem"),
    ("intake", "ReadKey", "kms:Decrypt"),
    ("intake", "WriteKey", "kms:GenerateDataKey"),
    ("upkeep", "ListRaw", "s3:ListBucket"),
]


@pytest.mark.parametrize(("function", "sid", "action"), TAMPERED)
def test_a_statement_that_is_gone_is_missed(folder: Path, function: str, sid: str, action: str) -> None:
    """Without a statement of its policy, a function is refused what the statement was for, and says so."""
    policies = policies_of(folder)
    policies[function]["Statement"] = [part for part in policies[function]["Statement"] if part["Sid"] != sid]
    refused = work(folder, policies)
    assert any(f"the function {function} may not {action} on arn:aws:" in text for text in refused), refused
    count("permissions", "tampered policies", unit="refusals by --as-deployed")


def test_a_denial_is_told_by_its_name(folder: Path) -> None:
    """What a statement denies is refused, and the statement is named."""
    policies = policies_of(folder)
    deny = {"Sid": "NoWrites", "Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}
    policies["intake"]["Statement"].append(deny)
    with pytest.raises(AccessError, match='the statement "NoWrites" denies it'):
        raise next(iter(judged(folder, policies).values()))


def test_notices_need_their_topics(folder: Path) -> None:
    """A notice whose topic nobody may publish to would tell nobody: that is refused, too."""
    with Lake(folder, site=JudgedSite) as lake:
        assert isinstance(lake.site, JudgedSite)
        lake.site.judge.assert_tells(lake.declaration)
    policies = policies_of(folder)
    policies["upkeep"]["Statement"] = [part for part in policies["upkeep"]["Statement"] if part["Sid"] != "Tell"]
    with Lake(folder, site=lambda lake: JudgedSite(lake, policies)) as lake:
        assert isinstance(lake.site, JudgedSite)
        with pytest.raises(
            AccessError, match=r"upkeep may not sns:Publish on arn:aws:sns:.*:penstock-steps-notice-fail"
        ):
            lake.site.judge.assert_tells(lake.declaration)


def policies_of(folder: Path) -> dict[str, Any]:
    """What the functions of a lake may do."""
    with Lake(folder) as lake:
        values = stack_values(planned(lake.declaration))
        return {
            name: document(principal_of(lake.declaration, name).statements, lambda text: fill(text, values))
            for name in ("intake", "upkeep")
        }


def judged(folder: Path, policies: dict[str, Any]) -> dict[str, AccessError]:
    """What is refused of a run under these policies."""
    shutil.rmtree(folder / ".penstock", ignore_errors=True)
    with Lake(folder, site=lambda lake: JudgedSite(lake, policies)) as lake:
        assert isinstance(lake.site, JudgedSite)
        try:
            lake.run()
        except PenstockError:
            assert lake.site.judge.refused
        return lake.site.judge.refused


def work(folder: Path, policies: dict[str, Any]) -> list[str]:
    """The same as texts."""
    return list(judged(folder, policies))
