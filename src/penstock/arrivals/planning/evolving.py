"""Evolving while a file is read: values that a known column's type refused may lead to a wider type.

The refused values say which types would do; each is tried, the table's own values included. What no wider type holds
without loss stays refused, and its row stays set aside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from penstock.arrivals.planning.known import SourceSchema
from penstock.arrivals.planning.plan import Plan, Planner
from penstock.arrivals.planning.types import SHOWN, first_values, records
from penstock.arrivals.planning.widening import Refused, holds
from penstock.engines import PLACE, Engine, SetAside, Written, raw_column
from penstock.errors import BadFileError
from penstock.formats import Inferred
from penstock.naming import literal

Demands = dict[str, Refused]


class Evolving:
    """Widens the known columns of one file until nothing more is gained."""

    def __init__(self, engine: Engine, planner: Planner) -> None:
        """Look at the file through `engine`."""
        self._engine, self._planner = engine, planner
        self._demands: Demands = {}

    def next(self, plan: Plan, written: Written) -> Plan | None:
        """A plan with wider types, after some values were refused; None when nothing is to be gained."""
        known = plan.known
        rules = [
            at
            for at, (rule, count) in enumerate(zip(plan.work.rules, written.by_rule, strict=True))
            if count and known is not None and rule.name == f"type {rule.column}" and rule.column in known.columns
        ]
        if known is None or not rules:
            return None
        first = {str(plan.work.rules[at].column) for at in rules} & {
            name for name, of in known.columns.items() if of.empty
        }
        first = {name for name in first if plan.schema.columns[name].empty}
        if first:
            schema = first_values(plan.schema, plan.opened, first, self._engine)
            return self._tried(plan, schema) or self._as_text(plan, first)
        before = {name: replace(demand, kinds=set(demand.kinds)) for name, demand in self._demands.items()}
        self._see(plan, self._rows(plan, written, rules))
        if before == self._demands:
            return None
        found = plan
        for name, demand in self._demands.items():
            found = self._widened(found, known, name, demand)
        return found if found is not plan else None

    def _rows(self, plan: Plan, written: Written, rules: list[int]) -> Iterator[SetAside]:
        if written.noted is None:
            return self._engine.set_aside(plan.work, rules)
        return (row for row in written.noted if row.rule in rules)

    def _see(self, plan: Plan, rows: Iterator[SetAside]) -> None:
        """Take note of what the values would need that no column's type holds, whichever rule named their row."""
        source, columns = plan.opened.source, plan.schema.columns
        texts, typed = [], {}
        for at, own in enumerate(plan.opened.header):
            name = plan.schema.of(own)
            kind = source.kinds[at] if source.typed else "VARCHAR"
            if name is None or self._planner.contracts.of(name) != "evolve" or columns[name].type in {kind, "VARCHAR"}:
                continue
            if kind == "VARCHAR":
                texts.append((at, name, columns[name]))
            else:
                typed[name] = (at, kind, columns[name].type)
        for row in rows:
            for at, name, column in texts:
                text = row.cells[at]
                if text is not None and not holds(column.type, text, source.dialect.decimal, column.was):
                    self._demand(plan, name).see(text)
        if typed:
            self._see_typed(plan, typed)

    def _see_typed(self, plan: Plan, columns: dict[str, tuple[int, str, str]]) -> None:
        """The same for cells that come with types, by one look at the file."""
        source, line = plan.opened.source, PLACE[0]
        asked = []
        for at, kind, there in columns.values():
            cell = raw_column(at)
            back = f"TRY_CAST(TRY_CAST({cell} AS {there}) AS {kind})"
            misfit = f"FILTER ({cell} IS NOT NULL AND NOT coalesce({back} = {cell}, false))"
            asked += [
                f"count(*) {misfit}",
                f"min({line}) {misfit}",
                f"arg_min(CAST({cell} AS VARCHAR), {line}) {misfit}",
            ]
        relation = source.scan or f"FROM read_parquet({literal(source.path)})"
        (found,) = self._engine.ask(f"SELECT {', '.join(asked)} FROM ({relation})")
        for at, (name, (_, kind, _)) in enumerate(columns.items()):
            count, first, text = found[3 * at : 3 * at + 3]
            if count:
                self._demand(plan, name).kinds.add(kind)
                self._demand(plan, name).first = (first, text) if first is not None else None

    def _demand(self, plan: Plan, name: str) -> Refused:
        return self._demands.setdefault(name, Refused(plan.opened.source.dialect.decimal))

    def _widened(self, plan: Plan, known: SourceSchema, name: str, demand: Refused) -> Plan:
        """The plan with the first type for the column that the table can take; the same plan where there is none."""
        before = known.columns.get(name) or plan.schema.columns[name]
        for kind in demand.types(before.type):
            if kind == plan.schema.columns[name].type:
                return plan
            wider = _evidence(plan, name, before, kind, demand)
            tried = self._tried(plan, plan.schema.with_columns({name: wider}))
            if tried is not None:
                return tried
        return plan

    def _tried(self, plan: Plan, schema: SourceSchema) -> Plan | None:
        try:
            return self._planner.with_schema(plan, schema)
        except BadFileError:
            return None

    def _as_text(self, plan: Plan, names: set[str]) -> Plan:
        """The columns stay text, because the steps or the table take nothing else."""
        text = {name: replace(plan.schema.columns[name], empty=False, reason="taken as text") for name in names}
        return self._planner.with_schema(plan, plan.schema.with_columns(text))


def _evidence(plan: Plan, name: str, before: Inferred, kind: str, demand: Refused) -> Inferred:
    """The wider type with the first value in the file that asks for it."""
    key, decimal = plan.opened.delivered.key, plan.opened.source.dialect.decimal
    found = Inferred(kind, f"widened from {before.type}", certain=True, file=key, was=before.type)
    if plan.opened.source.scan or demand.kinds:
        line, text = demand.first or (None, None)
        return replace(found, line=line, value=_shown(text))
    own = next(at for at, column in enumerate(plan.opened.header) if column.lower() == name.lower())
    for line, record in records(plan.opened):
        if len(record) != len(plan.opened.header) or not record[own]:
            continue
        text = str(record[own])
        if not holds(before.type, text, decimal, before.was) and holds(kind, text, decimal, before.type):
            return replace(found, line=line, value=_shown(text))
    return found


def _shown(text: str | None) -> str | None:
    return text if text is None or len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
