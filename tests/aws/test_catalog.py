"""The catalog on AWS: lost answers, late requests, calls, permissions and copies, against Glue and S3 over HTTP.

What moto's Glue does not do, and what is therefore not seen here: it never asks to slow down (an answer in its place is
made up, and says so), has no limit on the size of an entry, and takes names and types of columns that AWS refuses (the
limits of AWS's reference are kept by `glue_table`). That an entry of another version cannot be updated is mended in
`cloud`. Moto's own evaluation of policies refuses what is not allowed here, without a look at resources.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock import aws
from penstock.clock import HeldClock
from penstock.errors import AwsDeniedError, CommitConflictError, CommitUnknownError, PlanOutdatedError
from penstock.naming import TableName
from penstock.tables import Change, DataFile, commit_group
from penstock.tables.aws import ACTIONS, MAKING, GlueCatalog
from penstock.tables.history import History
from penstock.tables.retention import IcebergRetention
from tests.aws.glued import lake_of, mirror_of
from tests.aws.lines import Line, hurry
from tests.aws.machines import COLUMNS, Machines, T, calls, entry, snapshots, without
from tests.contracts.parquet import arrival, rows
from tests.told import say


def test_a_lake_whose_name_begins_as_another_s(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables of the lake `shop_eu` are not looked at by the lake `shop`, whose policies would not allow that."""
    one = machines()
    one.catalog.create(T, COLUMNS, {})
    glue, ours = aws.client("glue"), one.catalog.identifier(T)[0]
    lake = ours.partition("_")[0]
    glue.create_database(DatabaseInput={"Name": f"{lake}_eu_main", "Parameters": {"penstock:lake": f"{lake}_eu"}})
    asked: list[str] = []
    entries = GlueCatalog._entries

    def noted(self: GlueCatalog, name: str) -> Any:
        asked.append(name)
        return entries(self, name)

    monkeypatch.setattr(GlueCatalog, "_entries", noted)
    assert one.catalog.tables() == [T]
    assert asked == [ours]


def test_a_lost_answer_is_settled(machines: Machines) -> None:
    """A swap that landed though its answer was lost, and whose repetition was refused, counts as landed."""
    one = machines()
    one.catalog.create(T, COLUMNS, {})
    with Line("glue", "UpdateTable") as line:
        line.lost_answers = 1
        head = one.commit(one.staged("a", 1))
        assert line.sent == 2
    assert head.pointer == one.catalog.pointer(T)
    assert one.rows() == machines("other").rows() == [(1, "a")]
    assert len(snapshots(one)) == 1


def test_a_lost_answer_is_settled_though_others_went_on(machines: Machines) -> None:
    """The same where another machine's commit landed on top before the repetition: both are there once."""
    one, other = machines(), machines("other")
    one.catalog.create(T, COLUMNS, {})
    theirs = other.staged("b", 2)
    with Line("glue", "UpdateTable") as line:
        line.lost_answers, line.between = 1, lambda: other.commit(theirs)
        head = one.commit(one.staged("a", 1))
    assert [file.rows for file in head.files] == [1]
    assert one.rows() == machines("fresh").rows() == [(1, "a"), (2, "b")]
    assert len(snapshots(one)) == 2


def test_a_lost_answer_is_settled_where_no_answer_ever_came(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every repetition's answer is lost as well: the entry says that the commit is in."""
    hurry(monkeypatch)
    one = machines()
    one.catalog.create(T, COLUMNS, {})
    with Line("glue", "UpdateTable") as line:
        line.lost_answers = 99
        one.commit(one.staged("a", 1))
        assert line.sent > 8
    assert machines("other").rows() == [(1, "a")]


def test_a_lost_request_leaves_the_table_as_it_was(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no request arrived, that is not known, and said; the table is as before, and a later commit lands."""
    hurry(monkeypatch)
    one = machines()
    base = one.catalog.create(T, COLUMNS, {})
    staged = one.staged("a", 1)
    with Line("glue", "UpdateTable") as line:
        line.lost_requests = 99
        with pytest.raises(CommitUnknownError, match="did not say whether a commit landed"):
            one.commit(staged)
    assert one.catalog.head(T) == base
    assert one.commit(one.staged("a", 1, attempt=1)).rows == 1
    assert machines("other").rows() == [(1, "a")]


def test_a_request_that_comes_late_finds_its_files(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    """A swap that lands after it was given up names files that are there, and its rows are not added again."""
    hurry(monkeypatch)
    one = machines()
    one.catalog.create(T, COLUMNS, {})
    with Line("glue", "UpdateTable") as line:
        line.lost_requests = 99
        with pytest.raises(CommitUnknownError):
            one.commit(one.staged("a", 1))
        assert line.deliver() == 200
    outcome = commit_group(one.catalog, T, [one.staged("a", 1, attempt=1)], HeldClock(), lambda: None)
    assert outcome.already == {arrival("a")}
    assert one.rows() == machines("other").rows() == [(1, "a")]


def test_a_request_that_comes_too_late_is_refused(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the table has moved on, an older swap cannot land any more: nothing is doubled or taken back."""
    hurry(monkeypatch)
    one, other = machines(), machines("other")
    one.catalog.create(T, COLUMNS, {})
    with Line("glue", "UpdateTable") as line:
        line.lost_requests = 99
        with pytest.raises(CommitUnknownError):
            one.commit(one.staged("a", 1))
        line.lost_requests = 0
        other.commit(other.staged("a", 1, attempt=1), other.staged("b", 2))
        assert line.deliver() == 400
    assert one.rows() == [(1, "a"), (2, "b")]


def test_a_table_whose_making_lost_its_answer_is_there(machines: Machines) -> None:
    """The repetition finds the table made; who made it looks at it anew, as if another had been first."""
    one = machines()
    one.catalog.create(TableName.parse("other"), COLUMNS, {})
    with Line("glue", "CreateTable") as line:
        line.lost_answers = 1
        with pytest.raises(PlanOutdatedError, match="made the table first"):
            one.catalog.create(T, COLUMNS, {})
    assert one.commit(one.staged("a", 1)).rows == 1


def test_a_swap_names_the_version_that_was_looked_at(machines: Machines) -> None:
    """Another machine commits between the look and the swap: the commit is refused, and nothing of it is there."""
    one, other = machines(), machines("other")
    base = one.catalog.create(T, COLUMNS, {})
    staged = one.staged("a", 1)
    theirs = other.staged("b", 2)
    with Line("glue", "UpdateTable") as line:
        swap = one.catalog._catalog()._swap  # type: ignore[attr-defined]

        def later(*arguments: object) -> None:
            one.catalog._catalog()._swap = swap  # type: ignore[attr-defined]
            other.commit(theirs)
            swap(*arguments)

        one.catalog._catalog()._swap = later  # type: ignore[attr-defined]
        with pytest.raises(CommitConflictError):
            one.catalog.commit(Change(base, staged.files, (), {"penstock.arrivals": "a"}))
        assert line.sent == 2
    assert one.rows() == [(2, "b")]
    with pytest.raises(CommitConflictError):
        IcebergRetention(one.catalog).mark(base, "key", "value")
    assert one.commit(staged).rows == 2


def test_calls_are_few(machines: Machines) -> None:
    """A look is one call; a commit is a look, a swap and three objects; each call's action is a stated one."""
    one = machines()
    with calls() as first:
        one.catalog.create(T, COLUMNS, {})
    news()
    with calls() as looks:
        head = one.catalog.head(T)
    assert looks == {"glue:GetTable": 1}
    assert head is not None
    one.commit(one.staged("a", 1))
    staged = one.staged("b", 2)
    with calls() as commit:
        one.commit(staged)
    assert commit == {"glue:GetTable": 1, "glue:UpdateTable": 1, "s3:PutObject": 3}
    with calls() as listing:
        assert one.catalog.tables() == [T]
    other = machines("other")
    with calls() as cold:
        other.catalog.head(T)
    assert cold == {"glue:GetTable": 1, "s3:GetObject": 4}, "metadata, list and two manifests, each read once"
    made = first + looks + commit + listing + cold
    assert {action for action in made if action.startswith("glue")} == {*ACTIONS, *MAKING}
    say("catalog on AWS", f"calls: look {dict(looks)}, commit {dict(commit)}, look of a cold machine {dict(cold)}")


def news() -> None:
    """Let AWS tell this process something."""
    aws.client("s3").list_buckets()


def test_a_look_is_used_until_anything_is_heard(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    """One look will do while AWS tells this process nothing; after an answer, a refusal or some time it looks anew."""
    monkeypatch.setattr("penstock.tables.aws.LOOK_SECONDS", 60.0)
    one, other = machines(), machines("other")
    one.catalog.create(T, COLUMNS, {})
    news()
    with calls() as made:
        assert len({one.catalog.pointer(T), one.catalog.pointer(T)}) == 1
        assert one.catalog.head(T) is not None
        assert one.catalog.pointer(TableName.parse("none")) is None
        assert one.catalog.pointer(TableName.parse("none")) is None
    assert made == {"glue:GetTable": 2}, "one for each table"
    committed = other.commit(other.staged("a", 1))
    assert one.catalog.pointer(T) == committed.pointer
    with pytest.raises(aws.client("s3").exceptions.NoSuchBucket):
        aws.client("s3").list_objects_v2(Bucket="nobody-has-this-bucket")
    with calls() as refused:
        one.catalog.pointer(T)
    monkeypatch.setattr("penstock.tables.aws.LOOK_SECONDS", 0.0)
    with calls() as late:
        one.catalog.pointer(T)
    assert refused == late == {"glue:GetTable": 1}


def test_a_look_that_something_was_heard_during_is_not_used_again(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread's commit may land after Glue has answered, and be told before the answer is here."""
    monkeypatch.setattr("penstock.tables.aws.LOOK_SECONDS", 60.0)
    one, other = machines(), machines("other")
    one.catalog.create(T, COLUMNS, {})
    staged = other.staged("a", 1)
    events, meanwhile = aws.client("glue").meta.events, [staged]

    def heard(**_facts: object) -> None:
        if meanwhile:
            other.commit(meanwhile.pop())

    events.register("needs-retry.glue.GetTable", heard)  # Glue has answered, and nobody has the answer yet
    try:
        before = one.catalog.pointer(T)
    finally:
        events.unregister("needs-retry.glue.GetTable", heard)
    assert not meanwhile
    assert one.catalog.pointer(T) == other.catalog.pointer(T) != before


def test_an_old_look_cannot_commit(machines: Machines) -> None:
    """The swap names the version that was seen: whoever saw an older one is refused, though nobody looked again."""
    one, other = machines(), machines("other")
    one.catalog.create(T, COLUMNS, {})
    base, mine, theirs = one.head(), one.staged("a", 1), other.staged("b", 2)
    one.catalog.pointer(T)
    other.commit(theirs)
    with calls() as made, pytest.raises(CommitConflictError):
        one.catalog.commit(Change(base, mine.files, (), {"penstock.arrivals": "a"}))
    assert made["glue:UpdateTable"] == 1, "it was Glue that refused, which is looked at after that"
    assert one.commit(mine).rows == 2
    assert sorted(other.rows(), key=str) == [(1, "a"), (2, "b")]


def test_what_others_write_into_an_entry_meanwhile_stays(machines: Machines) -> None:
    """An entry that changed between the look and the swap, though not its pointer, is looked at again."""
    one = machines()
    one.catalog.create(T, COLUMNS, {})
    staged, found = one.staged("a", 1), entry(machines.lake)
    changed = {name: found[name] for name in ("Name", "TableType", "Parameters", "StorageDescriptor")}

    def owned() -> None:
        if aws.client("glue").get_table(DatabaseName=found["DatabaseName"], Name="t")["Table"].get("Owner") != "them":
            aws.client("glue").update_table(
                DatabaseName=found["DatabaseName"], TableInput={**changed, "Owner": "them"}, SkipArchive=True
            )

    with calls() as made:
        head = commit_group(one.catalog, T, [staged], HeldClock(), owned).head
    assert made["glue:UpdateTable"] == 3, "theirs, one that is refused, and one that lands"
    assert head.rows == 1
    assert entry(machines.lake)["Owner"] == "them"


def test_a_database_that_is_there_is_not_made(machines: Machines) -> None:
    """In a deployed lake the databases are there, and nobody needs the permission to make one."""
    one = machines()
    aws.client("glue").create_database(DatabaseInput={"Name": one.catalog.identifier(T)[0]})
    with calls() as made:
        one.catalog.create(T, COLUMNS, {})
    assert "glue:CreateDatabase" not in made
    assert one.catalog.tables() == [T]


def test_caches_are_shared_among_machines(machines: Machines) -> None:
    """A head that one machine kept is another's, though their copies are in different places."""
    one, other = machines(), machines("other")
    one.catalog.create(T, COLUMNS, {})
    head = one.commit(one.staged("a", 1))
    mirror = mirror_of(machines.lake / "processed", other.folder / "copies")
    borrowing = GlueCatalog(lake_of(machines.lake / "processed"), mirror, one.heads.heads, other.catalog.seals)
    with calls() as made:
        found = borrowing.head(T)
    assert made == {"glue:GetTable": 1}
    assert found is not None
    assert found.files[0].path != head.files[0].path
    borrowing.assert_whole(found)
    assert rows(found) == [(1, "a")]


def test_the_past_is_there_too(machines: Machines) -> None:
    """Tags, earlier snapshots and their removal work on AWS as they do on one machine."""
    one = machines()
    one.catalog.create(T, COLUMNS, {})
    one.commit(one.staged("a", 1))
    history = History(one.catalog)
    tagged = history.tag(T, "first")
    one.commit(one.staged("b", 2))
    head = one.head()
    past = History(machines("other").catalog).heads([T], "first")[T]
    assert (past.snapshot, past.rows, head.rows) == (tagged.id, 1, 2)
    after = IcebergRetention(one.catalog).expire(head, [tagged.id])
    assert len(snapshots(one)) == 2
    history.untag(T, "first")
    assert IcebergRetention(one.catalog).expire(one.head(), [tagged.id]).rows == after.rows == 2
    assert len(snapshots(one)) == 1


def test_discarded_files_are_gone(machines: Machines) -> None:
    """Data files that no commit names go from the bucket and from the copies."""
    one = machines()
    one.catalog.create(T, COLUMNS, {})
    (file,) = one.staged("a", 1).files
    assert one.catalog._mirror.objects.look(one.catalog._mirror.key(file.path)) is not None
    one.catalog.discard([file.path])
    one.catalog.discard([file.path])
    assert one.catalog._mirror.objects.look(one.catalog._mirror.key(file.path)) is None
    assert not Path(file.path).exists()


def test_the_footer_of_a_pack_is_fetched_without_its_rows(machines: Machines) -> None:
    """A machine without a cache reads whose rows a pack holds from its end alone."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from penstock.naming import pack_name
    from penstock.state import Member
    from penstock.state.files import MEMBERS, packed_text

    one = machines()
    base = one.catalog.create(T, [("id", "BIGINT")], {})
    folder = one.folder / "copies" / T.layer / T.name / "data"
    folder.mkdir(parents=True)
    path, number = folder / pack_name(), 200_000
    text = packed_text([Member(arrival("a"), number)])
    field = pa.field("id", pa.int64(), metadata={"PARQUET:field_id": "1"})
    schema = pa.schema([field], metadata={MEMBERS: text})
    values = pa.array([at * 2_654_435_761 for at in range(number)])
    pq.write_table(pa.table([values], schema=schema), path, use_dictionary=False)
    one.catalog._mirror.send(str(path))
    file = DataFile(str(path), number, path.stat().st_size, text)
    one.catalog.commit(Change(base, (file,), (), {"penstock.arrivals": "a"}))
    other = machines("other")
    found = other.catalog.head(T)
    assert found is not None
    assert [member.arrival for member in found.files[0].members] == [arrival("a")]
    assert not Path(found.files[0].path).exists()
    assert file.bytes > 1_000_000


def test_throttling_is_waited_for(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS asks to slow down a few times (an answer made up here: moto never does): the commit lands all the same."""
    hurry(monkeypatch)
    one = machines()
    one.catalog.create(T, COLUMNS, {})
    with Line("glue", "UpdateTable") as line:
        line.throttled = 4
        one.commit(one.staged("a", 1))
        assert line.sent == 5
    assert one.rows() == [(1, "a")]


@pytest.mark.parametrize("action", ["glue:UpdateTable", "glue:GetTable", "s3:PutObject"])
def test_what_is_not_allowed_is_said(machines: Machines, action: str) -> None:
    """Where a permission is missing, the commit fails with its name, and the table is as before."""
    one = machines()
    base = one.catalog.create(T, COLUMNS, {})
    staged = one.staged("a", 1)
    with without(action), pytest.raises(AwsDeniedError) as refused:
        one.commit(staged)
    assert action in str(refused.value)
    assert one.catalog.head(T) == base
    assert one.commit(staged).rows == 1


def test_seals_are_those_of_copies(machines: Machines) -> None:
    """A copy of metadata that is not as it came is fetched again; the table is read as it is."""
    one = machines()
    one.catalog.create(T, COLUMNS, {})
    head = one.commit(one.staged("a", 1))
    copy = Path(one.catalog.path(head.pointer))
    copy.write_bytes(b"{}")
    fresh = GlueCatalog(
        lake_of(machines.lake / "processed"), one.catalog._mirror, machines("x").heads.heads, one.catalog.seals
    )
    assert rows(fresh.head(T) or head) == [(1, "a")]
    assert copy.stat().st_size > 2
