"""Costs: the model's laws, the table of prices, and a bill that was reckoned by hand."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from penstock.cli.cost import amount, facts_of
from penstock.cli.main import penstock as command_line
from penstock.cli.session import Session
from penstock.declaration import Declaration, loads
from penstock.deployment.cost import Bill, Volumes, items, model, monthly, prices_of, quantities, regions
from penstock.deployment.cost.bill import Part
from penstock.deployment.cost.prices import ELSEWHERE
from penstock.errors import CostError
from tests.docs.test_json import _documented, _fields

LAKES = {
    "small": "lake: shop\ntables:\n  orders: {files: '*.csv'}\n",
    "larger": (
        "lake: shop\ntables:\n  orders: {files: 'o*.csv'}\n  sales.lines: {files: 'l*.csv'}\n"
        "aws: {function: {memory: 4096, storage: 2048, architecture: x86_64}, upkeep: {every: 1h}}\n"
        "notices: [{when: [dead, alarm], to: 'mailto:a@example.org'}]\n"
        "alarms: {errors: {error_rate: {above: 0.1}}}\n"
    ),
}
COUNT = st.integers(min_value=0, max_value=10_000_000)
SIZE = st.integers(min_value=0, max_value=10**12)
VOLUMES = st.builds(
    Volumes, files=COUNT, size=SIZE, months=st.integers(0, 240), queries=COUNT, scanned=SIZE, mails=COUNT
)


def declared(name: str = "small") -> Declaration:
    """One of the lakes."""
    return loads(LAKES[name])


def bill(volumes: Volumes, name: str = "small", region: str = ELSEWHERE) -> Bill:
    """A month of a lake."""
    return monthly(declared(name), volumes, prices_of(region))


def invoked(words: list[str]) -> str:
    """What the command line prints."""
    return CliRunner().invoke(command_line, words, obj=Session(), catch_exceptions=False).output


@pytest.mark.parametrize("name", LAKES)
@given(volumes=VOLUMES, grown=st.sampled_from([at.name for at in fields(Volumes)]), by=st.integers(1, 10**9))
def test_more_never_costs_less(name: str, volumes: Volumes, grown: str, by: int) -> None:
    """Whichever volume grows, no part and no total becomes smaller."""
    more = bill(replace(volumes, **{grown: getattr(volumes, grown) + by}), name)
    less = bill(volumes, name)
    assert more.total >= less.total
    assert [part.item for part in more.parts] == [part.item for part in less.parts]
    assert all((one.usd or 0) >= (other.usd or 0) for one, other in zip(more.parts, less.parts, strict=True))


@pytest.mark.parametrize("region", regions())
@given(volumes=VOLUMES)
def test_the_parts_are_the_total(region: str, volumes: Volumes) -> None:
    """The total is the sum of the priced parts and of the services; what has no price is in neither."""
    one = bill(volumes, region=region)
    assert one.total == pytest.approx(sum(part.usd for part in one.parts if part.usd is not None))
    assert one.total == pytest.approx(sum(one.services.values()))
    assert {part.item for part in one.unpriced} == {part.item for part in one.parts if part.price is None}
    assert all(part.usd == pytest.approx(part.quantity * part.price) for part in one.parts if part.price is not None)


@pytest.mark.parametrize("region", regions())
@pytest.mark.parametrize("name", LAKES)
def test_without_volumes_it_is_the_idle_bill(name: str, region: str) -> None:
    """When nothing happens, the bill is its idle part; and the idle part does not depend on the volumes."""
    nothing = bill(Volumes.none(), name, region)
    assert nothing.total == pytest.approx(nothing.idle)
    assert nothing.idle > 0
    assert bill(Volumes(files=10**6), name, region).idle == nothing.idle


def test_a_bill_reckoned_by_hand() -> None:
    """Storage, a processor and Athena of one month, with pencil and paper and the prices of us-east-1."""
    month = bill(Volumes(files=2_000, size=50_000_000, months=10, queries=300, scanned=2_000_000_000_000, mails=5))
    usd = {(part.item, part.what): part.usd for part in month.parts}
    kept = 100 * 10 + 100 * 0.3 * 11  # GB: files for ten months, tables for ten and one more of old versions
    assert usd["s3_storage", "files, tables and old versions"] == pytest.approx(kept * 0.023)
    seconds = 2_000 * (1.5 + 50 * 0.05)
    assert usd["lambda_arm64", "function intake"] == pytest.approx(seconds * 2 * 0.0000133334)
    assert usd["athena_scanned", "read by queries"] == pytest.approx(2 * 5.0)
    assert usd["kms_key", "one key"] == 1.0
    assert usd["sns_mail", "mails"] == pytest.approx(5 * 0.00002)
    assert usd["snapshot_kept", "snapshot of intake"] == pytest.approx(2 * 730 * 3600 * 0.0000015046)


def test_a_small_query_is_charged_for_10_megabytes() -> None:
    """1,000 queries that read nothing cost as much as 1,000 that read 10 MB each, which is 0.05 USD."""
    costs = {bill(Volumes(queries=1_000, scanned=scanned)).services["Athena"] for scanned in (0, 10_000_000_000)}
    assert len(costs) == 1
    assert costs.pop() == pytest.approx(0.05)


def test_what_the_declaration_says_is_priced() -> None:
    """Memory, disk, processor, rhythm, tables and alarms of the declaration are in the quantities."""
    small, larger = (
        {(one.item, one.what): one.amount for one in quantities(declared(name), Volumes())} for name in LAKES
    )
    assert "lambda_x86_64" in {item for item, _ in larger}
    assert "lambda_arm64" in {item for item, _ in small}
    assert not [item for item, _ in larger if item.startswith("snapshot")], "no snapshot with more disk"
    assert larger["lambda_disk", "disk above 512 MB"] > 0
    assert larger["schedule", "calls of upkeep"] == 730
    assert small["schedule", "calls of upkeep"] == 730 * 4
    alarms = ("alarm", "alarms, by the metrics that they watch")
    assert larger[alarms] > small[alarms] > 5
    series = ("metric", "figures of the lake and of each table")
    assert larger[series] == pytest.approx(small[series] * 3 / 2)


def test_every_price_has_its_unit_date_and_page() -> None:
    """A price of each item stands in each region or is openly missing; all are known of one region."""
    from datetime import date

    for region in regions():
        prices = prices_of(region)
        assert set(prices.known) <= set(items())
        assert all(0 < price.usd < 10 for price in prices.known.values())
        days = [price.as_of for price in prices.known.values()]
        assert all(date(2025, 6, 1) < date.fromisoformat(day) < date(2027, 1, 1) for day in days if day is not None)
        assert prices.oldest is None or prices.oldest == min(filter(None, days))
    assert set(prices_of(ELSEWHERE).known) == set(items())
    assert all(item.page.startswith("https://aws.amazon.com/") and item.unit for item in items().values())
    assert {"eu-west-3", "eu-west-1", "us-east-1"} <= set(regions())


def test_a_price_list_whose_day_is_not_known_is_called_so(tmp_path: Path) -> None:
    """One price without a day is enough: then no day is said of all of them, and the bill says that none is known."""
    prices = prices_of(ELSEWHERE)
    dated = {name: replace(price, as_of="2026-01-02") for name, price in prices.known.items()}
    assert replace(prices, known=dated).oldest == "2026-01-02"
    one = {**dated, "alarm": replace(dated["alarm"], as_of=None)}
    assert replace(prices, known=one).oldest is None
    known = prices.oldest
    told = "of which day they are was not recorded" if known is None else f"list prices of {known} or later"
    (tmp_path / "lake.yaml").write_text(LAKES["small"], encoding="utf-8")
    assert told in invoked(["-C", str(tmp_path), "cost", "--region", ELSEWHERE])


def test_what_has_no_price_is_told_apart() -> None:
    """Nothing is taken from another region: such a part has no cost, is in no total, and says what it is elsewhere."""
    paris = bill(Volumes(), region="eu-west-3")
    athena = next(part for part in paris.parts if part.item == "athena_scanned")
    assert athena.price is None
    assert athena.usd is None
    assert athena.elsewhere == pytest.approx(0.02 * 5)
    assert athena in paris.unpriced
    assert paris.missing == pytest.approx(sum(part.elsewhere for part in paris.unpriced))


def test_an_unknown_region_is_an_error() -> None:
    """It says which regions there are prices of."""
    with pytest.raises(CostError, match='"eu-west-4"; did you mean') as found:
        prices_of("eu-west-4")
    assert "us-east-1" in found.value.hint


def test_volumes_are_given_declared_or_usual() -> None:
    """What is asked for is stronger than aws.cost, and that is stronger than the defaults."""
    text = LAKES["small"] + "aws: {cost: {files: 7, size: 3MB, scanned: 5GB}}\n"
    found = Volumes.declared(loads(text), files=9, mails=None)
    assert found == Volumes(files=9, size=3_000_000, scanned=5_000_000_000)
    with pytest.raises(CostError, match="files cannot be negative"):
        Volumes(files=-1)


def test_the_command_prints_what_the_model_says(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every part, the idle bill, what is not priced and every assumption are shown; JSON has the same figures."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "lake.yaml").write_text(LAKES["small"])
    said = ["-C", str(folder), "cost", "--region", "eu-west-3", "--files", "50", "--size", "1.5MB", "--queries", "3"]
    shown = invoked(said)
    facts = json.loads(invoked([*said, "--json"]))
    volumes = Volumes(files=50, size=1_500_000, queries=3)
    expected = bill(volumes, region="eu-west-3")
    assert facts["total"] == pytest.approx(expected.total)
    assert facts["idle"] == pytest.approx(expected.idle)
    assert facts["volumes"] == vars(volumes)
    assert len(facts["parts"]) == len(expected.parts)
    assert "not priced, because no price of eu-west-3 was found" in shown
    assert all(assumption in shown for assumption in model.ASSUMPTIONS)
    assert all(part.what in shown for part in expected.parts)
    assert re.search(rf"total +{expected.total:,.2f}\n", shown)
    whole, idle = expected.total + expected.missing, expected.idle + expected.idle_missing
    assert f"it would be about {whole:,.2f} USD in all, {idle:,.2f} of it idle" in shown
    assert facts["idle_missing"] == pytest.approx(expected.idle_missing)
    assert "of which day they are was not recorded; penstock cost --json names AWS's page for each" in shown
    assert {part["as_of"] for part in facts["parts"]} == {None}


@pytest.mark.parametrize(
    ("quantity", "unit", "shown"),
    [
        (661_000, "request", "661,000 requests"),
        (1, "key-month", "1 key-month"),
        (1.004, "GB-month", "1.00 GB-months"),
        (0.02, "TB", "0.02 TB"),
        (2_000, "GB", "2,000 GB"),
        (59_200, "write request unit", "59,200 write request units"),
    ],
)
def test_quantities_have_their_units_as_people_write_them(quantity: float, unit: str, shown: str) -> None:
    """Many of a unit are written as many; symbols of sizes are not."""
    assert amount(Part("x", "S3", "x", quantity, unit, 1.0, None, 1.0, 1.0, "")) == shown


def test_a_narrow_terminal_still_shows_the_amounts(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On 80 columns words are cut, and nothing else: every table has its dollars, and no line is broken by chance."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "lake.yaml").write_text(LAKES["small"])
    for module in ("layout", "cost"):
        monkeypatch.setattr(f"penstock.cli.{module}.terminal_width", lambda: 80)
    shown = invoked(["-C", str(folder), "cost", "--region", "eu-west-3"])
    assert "USD in us-east-1" in shown
    assert "a wider terminal" not in shown
    bill_itself = shown.partition("next:")[0]
    assert max(map(len, bill_itself.splitlines())) <= 80


def test_documented_fields_are_the_real_ones() -> None:
    """The page of JSON output names every field of a bill, and no other."""
    facts = {**facts_of(bill(Volumes())), "services": {}}
    assert set(_fields(facts)) | {"services"} == _documented("penstock cost")


def test_the_command_needs_a_region(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any region, it asks for one; it never takes one of its own."""
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    folder = tmp_path_factory.mktemp("shop")
    (folder / "lake.yaml").write_text(LAKES["small"])
    with pytest.raises(CostError, match="none is named"):
        invoked(["-C", str(folder), "cost"])
