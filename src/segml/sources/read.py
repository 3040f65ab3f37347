"""Reading one base: each configured table becomes a temporary table with canonical columns, a reason and copies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb

from segml.config import Config, TableSource
from segml.sources.cleaning import (
    ERASED,
    EXACT_DUPLICATE,
    PAST_RETENTION,
    REASON_TEXTS,
    Fate,
    cleaned_sql,
    fates,
    old_rows_sql,
    retention_mistakes,
)
from segml.sources.columns import check_mapping, typed_table
from segml.sources.erased import erased_sql
from segml.sources.files import RawTable, UnreadableError, first_line, layout_of, register_files
from segml.tables.catalog import TABLES
from segml.tables.checks import Fetch, Rule, Violation, first_rows
from segml.tables.schema import Table
from segml.time_windows import Cutoff


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
        self.violations: list[Violation] = []

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
        self._leave_out_old_rows()

    def _leave_out_old_rows(self) -> None:
        """Leave out rows that are older than they may be kept, counted from the first midnight after the last order."""
        retention = self.config.cleaning.retention_days
        self.violations += retention_mistakes(retention, self.config.tables)
        orders = next(
            (name for name in ("orders", "order_lines") if "ordered_at" in self.names.get(name, ())), ""
        )
        if not retention or self.violations or not orders:
            return
        ((last,),) = self.fetch(f"select max(ordered_at) from read_{orders} where reason is null")
        for name, days in retention.items():
            if TABLES[name].time_column not in self.names.get(name, ()) or last is None:
                continue
            until = Cutoff.after(int(last)).plus_days(-days)
            old = old_rows_sql(TABLES[name], until)
            ((count,),) = self.fetch(f"select count(*) from read_{name} where {old}")
            if count:
                self.connection.execute(f"update read_{name} set reason = '{PAST_RETENTION}' where {old}")
                self.reasons[name][PAST_RETENTION] = int(count)

    def _read_table(self, table: Table, source: TableSource, files: dict[str, list[Path]]) -> None:
        with_orders = "orders" in self.config.tables
        raw = self._raw(table, source, files)
        refuse_others = self.config.cleaning.undeclared_columns == "refuse"
        violations = check_mapping(table, source, raw, with_orders, refuse_others)
        if violations:
            raise UnreadableError(*violations)
        typed = typed_table(table, source, raw, self.config.time_zone)
        owns_orders = table.name != "order_lines" or not with_orders
        erased = erased_sql(self.config) if "customer_id" in typed.names else ""
        chosen = [Fate(ERASED, erased, "drop")] if erased else []
        chosen += fates(table, typed.names, self.config.cleaning, owns_orders)
        cleaned = cleaned_sql(typed.sql(), typed.names, chosen, self.config.cleaning)
        self.connection.execute(f"create or replace temp table read_{table.name} as {cleaned}")
        marks, rows = self.fetch(
            f"select coalesce(bit_or(marks), 0), coalesce(sum(copies), 0) from read_{table.name}"
        )[0]
        self.violations += typed.violations(self.fetch, int(marks))
        self.unread[table.name] = typed.unread_bits(int(marks))
        if not rows:
            self.violations.append(Violation("no rows", table.name))
        self.names[table.name], self.chosen[table.name] = typed.names, chosen
        self.rows_in[table.name] = int(rows)
        self._count_reasons(table)

    def _raw(self, table: Table, source: TableSource, files: dict[str, list[Path]]) -> RawTable:
        layout = layout_of(source, source.format)
        root = self.config.root
        if not source.query:
            return register_files(
                self.connection, table.name, f"raw_{table.name}", files[table.name], root, layout
            )
        named = {"source": files[table.name]}
        named |= {name: files[f"{table.name}/{name}"] for name in source.also}
        for name, found in named.items():
            register_files(self.connection, table.name, name, found, root, layout)
        relation = f"raw_{table.name}"
        try:
            self.connection.execute(f"create or replace temp table {relation} as {source.query}")
        except duckdb.Error as error:
            raise UnreadableError(Violation(f"its query fails: {first_line(error)}", table.name)) from error
        finally:
            for name in named:
                self.connection.execute(f"drop view if exists {name}")
        described = self.fetch(f"describe {relation}")
        return RawTable(relation, [], {row[0]: row[1] for row in described})

    def _count_reasons(self, table: Table) -> None:
        relation = f"read_{table.name}"
        counted: dict[str, int] = dict(
            self.fetch(
                f"select reason, count(*) from {relation} where reason is not null group by reason order by 1"
            )
        )
        actions = {fate.reason: fate.action for fate in self.chosen[table.name]}
        self.violations += [
            Violation(
                REASON_TEXTS[reason],
                table.name,
                "",
                int(count),
                self._rows_with(relation, table.name, reason),
            )
            for reason, count in counted.items()
            if actions[reason] == "refuse"
        ]
        copies = int(self.fetch(f"select coalesce(sum(copies - 1), 0) from {relation}")[0][0])
        self.reasons[table.name] = {reason: int(count) for reason, count in counted.items()}
        if copies:
            self.reasons[table.name][EXACT_DUPLICATE] = copies

    def _rows_with(self, relation: str, table: str, reason: str) -> tuple[str, ...]:
        shown = [name for name in ("order_id", "customer_id", "product_id") if name in self.names[table]]
        return first_rows(self.fetch, relation, table, Rule("", "", f"reason = '{reason}'", tuple(shown)))
