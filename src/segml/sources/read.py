"""Reading one base: each configured table becomes a temporary table with canonical columns and a reason.

Each table is read once; what one row can't tell is settled afterwards, from the rows as they lie in the engine: equal
rows, the form of ids, orders far from all others, retention. Reasons are counted when all are given.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb

from segml.config import Config, TableSource
from segml.sources.cleaning import (
    ERASED,
    FAR_ORDER,
    PAST_RETENTION,
    PLACEHOLDER_CUSTOMER,
    REASON_TEXTS,
    Fate,
    cleaned_sql,
    fates,
    old_rows_sql,
    retention_mistakes,
)
from segml.sources.clock import find_bulk, gaps_between, mark_far_orders, order_days
from segml.sources.columns import check_mapping, typed_table
from segml.sources.equal_rows import mark_equal_rows, needs_hash
from segml.sources.erased import erased_sql
from segml.sources.files import RawTable, UnreadableError, first_line, layout_of, register_files
from segml.sources.id_forms import settle_id_forms
from segml.sources.minor_units import minor_units, sibling_in_units
from segml.sources.undeclared import Beside, count_beside, count_of_query, find_beside
from segml.tables.catalog import TABLES
from segml.tables.checks import Fetch, Rule, Violation, first_rows
from segml.tables.diagnostics import Diagnostic, Example
from segml.tables.schema import Table
from segml.time_windows import Cutoff

_SHOWN_IDS = 8


class Reading:
    """The tables of a base, read and cleaned, and what was wrong with them.

    Attributes
    ----------
    names : dict of str to list of str
        Stored column names of each table that could be read; the rows are in ``read_<table>``.
    chosen : dict of str to list of Fate
        The reasons that could hold in each table.
    unread : dict of str to dict
        Columns with values that could not be read -> their bit in `marks`.
    rows_in : dict of str to int
        Rows of the files (or of the query).
    reasons : dict of str to dict
        Rows left out, by reason.
    money : dict of str to dict
        Their money in minor units, by reason, of the tables that have money.
    gaps : list of (int, int)
        The longest stretches without an order, first day without and next day with one.
    diagnostics : list of Diagnostic
        What looks wrong and is no error.
    violations : list of Violation
        Everything that was wrong.
    """

    def __init__(
        self, config: Config, connection: duckdb.DuckDBPyConnection, say: Callable[[str], None]
    ) -> None:
        self.config = config
        self.connection = connection
        self.say = say
        self.names: dict[str, list[str]] = {}
        self.chosen: dict[str, list[Fate]] = {}
        self.unread: dict[str, dict[str, int]] = {}
        self.rows_in: dict[str, int] = {}
        self.reasons: dict[str, dict[str, int]] = {}
        self.money: dict[str, dict[str, int]] = {}
        self.gaps: list[tuple[int, int]] = []
        self.diagnostics: list[Diagnostic] = []
        self.violations: list[Violation] = []
        self._beside: dict[str, list[Beside]] = {}
        self._siblings: dict[str, str] = {}
        self._forms: dict[str, dict[str, tuple[bool, bool]]] = {}

    @property
    def fetch(self) -> Fetch:
        """Run a query and return its rows."""
        return lambda sql: self.connection.execute(sql).fetchall()

    def read(self, files: dict[str, list[Path]]) -> None:
        """Read all configured tables; what can't be read is a violation, and the others are read all the same."""
        for name, source in self.config.tables.items():
            if not {name, *(f"{name}/{also}" for also in source.also)} <= files.keys():
                continue  # reported when they were looked for
            self.say(f"reading {name}")
            try:
                self._read_table(TABLES[name], source, files)
            except UnreadableError as error:
                self.violations += error.violations
            except duckdb.Error as error:
                self.violations.append(Violation(f"not readable: {first_line(error)}", name))
        self._settle_ids()
        last = self._find_clock()
        self._leave_out_old_rows(last)
        for name in self.names:
            self.count_reasons(name)
            self._diagnose(name)

    # -- one table ------------------------------------------------------------------------------------------------

    def _read_table(self, table: Table, source: TableSource, files: dict[str, list[Path]]) -> None:
        config, with_orders = self.config, "orders" in self.config.tables
        raw = self._raw(table, source, files)
        refuse_others = config.cleaning.undeclared_columns == "refuse"
        violations = check_mapping(table, source, raw, with_orders, refuse_others)
        if violations:
            raise UnreadableError(*violations)
        beside = [] if source.query else find_beside(self.fetch, table, source, raw)
        carried = tuple(column.name for column in beside)
        typed = typed_table(table, source, raw, config.time_zone, carried, needs_hash(config.cleaning))
        owns_orders = table.name != "order_lines" or not with_orders
        erased = erased_sql(config) if "customer_id" in typed.names else ""
        chosen = [Fate(ERASED, erased, "drop")] if erased else []
        chosen += fates(table, typed.names, config.cleaning, owns_orders)
        cleaned = cleaned_sql(typed.sql(), chosen)
        self.connection.execute(f"create or replace temp table read_{table.name} as {cleaned}")
        marks, rows = self.fetch(f"select coalesce(bit_or(marks), 0), count(*) from read_{table.name}")[0]
        self.violations += typed.violations(self.fetch, int(marks))
        self.unread[table.name] = typed.unread_bits(int(marks))
        if not rows:
            self.violations.append(Violation("no rows", table.name))
        self.names[table.name], self.chosen[table.name] = typed.names, chosen
        self.rows_in[table.name] = int(rows)
        self._beside[table.name], self._forms[table.name] = beside, typed.id_forms(int(marks))
        self._siblings[table.name] = sibling_in_units(self.fetch, source, raw)
        self.diagnostics += mark_equal_rows(self.fetch, table, typed.names, config.cleaning)

    def _raw(self, table: Table, source: TableSource, files: dict[str, list[Path]]) -> RawTable:
        layout = layout_of(source, source.format)
        root = self.config.root
        if not source.query:
            return register_files(
                self.connection, table.name, f"raw_{table.name}", files[table.name], root, layout
            )
        named = {"source": files[table.name]}
        named |= {name: files[f"{table.name}/{name}"] for name in source.also}
        raw = {
            name: register_files(self.connection, table.name, name, found, root, layout)
            for name, found in named.items()
        }
        relation = f"raw_{table.name}"
        try:
            self.connection.execute(f"create or replace temp table {relation} as {source.query}")
            self.diagnostics += count_of_query(self.fetch, table, source, raw["source"], self.config.currency)
        except duckdb.Error as error:
            raise UnreadableError(Violation(f"its query fails: {first_line(error)}", table.name)) from error
        finally:
            for name in named:
                self.connection.execute(f"drop view if exists {name}")
        types = {row[0]: row[1] for row in self.fetch(f"describe {relation}")}
        return RawTable(relation, [], types, tuple(types))

    # -- what one row can't tell ----------------------------------------------------------------------------------

    def _settle_ids(self) -> None:
        """Give ids of one kind one form; an id that is another one now may stand for no customer, or be erased."""
        folded, ambiguous = settle_id_forms(self.fetch, self.names, self._forms)
        self.diagnostics += folded
        self.violations += ambiguous
        for table in {found.table for found in folded if found.column == "customer_id"}:
            for fate in self.chosen[table]:
                if fate.reason in (ERASED, PLACEHOLDER_CUSTOMER):
                    self.fetch(
                        f"update read_{table} set reason = '{fate.reason}'"
                        f" where reason is null and {fate.condition}"
                    )

    def _find_clock(self) -> int | None:
        """Leave out orders far from all others; return the last day of the bulk."""
        table = next((n for n in ("orders", "order_lines") if "ordered_at" in self.names.get(n, ())), "")
        days = order_days(self.fetch, table) if table else []
        if not days:
            return None
        cleaning, horizons = self.config.cleaning, self.config.horizons
        longest = horizons.all_days[-1]
        bulk = find_bulk([day for day, _ in days], [count for _, count in days], longest)
        if cleaning.far_orders != "keep":
            before = Cutoff.parse(cleaning.events_before) if cleaning.events_before else None
            far = mark_far_orders(self.fetch, table, days, bulk, before)
            self.diagnostics += [far] if far else []
            if far and cleaning.far_orders == "refuse":
                self.violations.append(self._refused(table, FAR_ORDER, far.rows))
            days = [(day, count) for day, count in days if bulk.first <= day <= bulk.last]
        self.gaps = gaps_between([day for day, _ in days])
        return days[-1][0]

    def _leave_out_old_rows(self, last: int | None) -> None:
        """Leave out rows that are older than they may be kept, counted from the first midnight after the last order."""
        retention = self.config.cleaning.retention_days
        self.violations += retention_mistakes(retention, self.config.tables)
        if self.violations or last is None:
            return
        for name, days in retention.items():
            if TABLES[name].time_column not in self.names.get(name, ()):
                continue
            old = old_rows_sql(TABLES[name], Cutoff(last + 1).plus_days(-days))
            self.fetch(f"update read_{name} set reason = '{PAST_RETENTION}' where {old}")

    # -- counting -------------------------------------------------------------------------------------------------

    def count_reasons(self, name: str) -> None:
        """Count a table's rows that are left out, by reason, and refuse those that the settings refuse."""
        with_money = "amount_minor" in self.names[name]
        money = "cast(sum(amount_minor) as bigint)" if with_money else "null"
        counted = self.fetch(
            f"select reason, count(*), {money} from read_{name} where reason is not null group by reason order by 1"
        )
        actions = {fate.reason: fate.action for fate in self.chosen[name]}
        self.violations += [
            self._refused(name, reason, int(count))
            for reason, count, _ in counted
            if actions.get(reason) == "refuse"
        ]
        self.reasons[name] = {reason: int(count) for reason, count, _ in counted}
        # what an erased person spent is not kept either
        self.money[name] = {
            reason: int(amount) for reason, _, amount in counted if amount is not None and reason != ERASED
        }

    def _refused(self, name: str, reason: str, count: int) -> Violation:
        return Violation(REASON_TEXTS[reason], name, "", count, self._rows_with(name, reason))

    def _rows_with(self, table: str, reason: str) -> tuple[str, ...]:
        shown = [
            name
            for name in ("order_id", "customer_id", "product_id", "ordered_at")
            if name in self.names[table]
        ]
        if reason != FAR_ORDER:
            shown = [name for name in shown if name != "ordered_at"]
        rule = Rule("", "", f"reason = '{reason}'", tuple(shown))
        return first_rows(self.fetch, f"read_{table}", table, rule)

    def _diagnose(self, name: str) -> None:
        """Look at rows that are kept for what makes their sums wrong, and at ids that stand for no customer."""
        has_money, kept = (
            "amount_minor" in self.names[name],
            f"(select * from read_{name} where reason is null)",
        )
        if self.reasons[name].get(PLACEHOLDER_CUSTOMER):
            self.diagnostics.append(self._placeholders(name))
        self.diagnostics += count_beside(
            self.fetch, kept, name, has_money, self._beside[name], self.config.currency
        )
        if has_money:
            found = minor_units(
                self.fetch, TABLES[name], kept, self.config.tables[name], self._siblings[name]
            )
            self.diagnostics += [found] if found else []

    def _placeholders(self, name: str) -> Diagnostic:
        money = "cast(sum(amount_minor) as bigint)" if "amount_minor" in self.names[name] else "null"
        found = self.fetch(
            f"select customer_id, count(*), {money} from read_{name}"
            f" where reason = '{PLACEHOLDER_CUSTOMER}' group by 1 order by 2 desc, 1 limit {_SHOWN_IDS}"
        )
        return Diagnostic(
            "placeholder_ids",
            name,
            "customer_id",
            self.reasons[name][PLACEHOLDER_CUSTOMER],
            money=self.money[name].get(PLACEHOLDER_CUSTOMER),
            examples=tuple(Example(value, int(rows), amount) for value, rows, amount in found),
        )
