"""Cleaned tables -> validated tables: keys, order numbers, what was not given, and every check across tables."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import duckdb

from segml.config import Config
from segml.engine.duckdb import quoted
from segml.engine.keys import hash_sql
from segml.sources.cleaning import ORDER_NOT_KEPT, REASON_TEXTS, UNKNOWN_CUSTOMER, returned_sql
from segml.sources.diagnose import diagnose_tables
from segml.sources.read import Reading
from segml.sources.strangers import find_strangers
from segml.tables.catalog import TABLES
from segml.tables.checks import (
    MISSING_VALUE,
    Rule,
    Violation,
    check_known,
    check_rows,
    check_unique,
    row_rules,
)
from segml.tables.schema import Table
from segml.time_windows import Cutoff

_SUMMED = ("amount_minor", "discount_minor", "coupon_minor")
_RETURN_COLUMNS = ("customer_id", "returned_at", "order_id", "product_id", "amount_minor")


class Derivation:
    """Builds the validated tables of a base from what was read.

    `derive` returns the violations; `write` may be called when there are none.
    """

    def __init__(
        self,
        config: Config,
        connection: duckdb.DuckDBPyConnection,
        reading: Reading,
        say: Callable[[str], None],
    ) -> None:
        self.config = config
        self.connection = connection
        self.reading = reading
        self.say = say
        self.names: dict[str, list[str]] = dict(reading.names)  # of the relations clean_<table>
        self.reasons = {name: dict(counts) for name, counts in reading.reasons.items()}
        self.money = {name: dict(amounts) for name, amounts in reading.money.items()}
        self.diagnostics = list(reading.diagnostics)
        self.added: dict[str, dict[str, int]] = {}
        self.violations: list[Violation] = []

    def derive(self) -> list[Violation]:
        """Make ``clean_<table>`` for every table, keys and order numbers; return all violations."""
        self.say("deriving orders, customers and keys")
        for name, names in self.reading.names.items():
            self._view(f"clean_{name}", f"select {', '.join(names)} from read_{name} where reason is null")
        self._derive_returns()
        if "orders" not in self.config.tables and "order_lines" in self.names:
            self._derive_orders()
        self._settle_customers()
        self.say("checking")
        for name in self.names:
            self._check_table(TABLES[name])
        if "orders" in self.names and "order_lines" in self.names:
            self._check_lines_have_orders()
        whole = {"orders", "customers"} <= self.names.keys()
        if whole and not self._refuses_unknown():
            nearly, unknown = find_strangers(self._rows, self.names)
            self.violations += nearly
            self.diagnostics += unknown
        if whole and not self.violations and not self.reading.violations:
            self._key_people()
            self._number_orders()
            self.diagnostics += diagnose_tables(self._rows, self.names, self.reasons)
        return self.violations

    def write(self, folder: Path) -> dict[str, Any]:
        """Write all validated tables; return their part of the manifest."""
        tables = {}
        for name in sorted(self.names):
            self.say(f"writing {name}")
            query = self._lines_sql() if name == "order_lines" else self._table_sql(TABLES[name])
            place = quoted(str(folder / f"{name}.parquet"))
            copied = self.connection.execute(f"copy ({query}) to {place} (format parquet, compression zstd)")
            tables[name] = self._count(name, int(copied.fetchall()[0][0]))
        first, last = self._rows("select min(ordered_at), max(ordered_at) from numbered_orders")[0]
        return {
            "base": self.config.base,
            "tables": tables,
            "unavailable": self._unavailable(),
            "first_event": int(first),
            "last_event": int(last),
            "gaps": self.reading.gaps,
            "diagnostics": [found.to_dict() for found in self.diagnostics],
        }

    # -- what was not given ---------------------------------------------------------------------------------------

    def _derive_returns(self) -> None:
        """Cancelled orders and negative quantities are returns, beside those the base has a table of."""
        parts, added = [], {}
        for name in ("orders", "order_lines"):
            if name not in self.names:
                continue
            moved = self._moved_sql(name)
            count, money = self._size_and_money(f"({moved}) as moved") if moved else (0, 0)
            if count:
                parts.append(moved)
                added[f"from {name}"] = count
                self.money.setdefault("returns", {})[f"from {name}"] = money
        if not parts:
            return
        if "returns" in self.names:
            parts.insert(
                0, f"select {', '.join(self.names['returns'])} from read_returns where reason is null"
            )
        self._view("clean_returns", " union all by name ".join(parts))
        self.names["returns"] = _stored_names("returns", _RETURN_COLUMNS)
        self.added["returns"] = added

    def _moved_sql(self, name: str) -> str:
        chosen = [fate for fate in self.reading.chosen[name] if fate.action == "return"]
        if not chosen:
            return ""
        relation, names = f"read_{name}", self.reading.names[name]
        if name == "order_lines" and "orders" in self.reading.names:
            others = ", ".join(n for n in names if n not in ("customer_id", "ordered_at"))
            relation = (
                f"(select l.{others.replace(', ', ', l.')}, l.reason, o.customer_id, o.ordered_at"
                " from read_order_lines as l join read_orders as o on o.order_id = l.order_id"
                " where o.reason is null) as of_orders"
            )
        return returned_sql(relation, names, chosen)

    def _derive_orders(self) -> None:
        """An order is its lines: the first line's moment, the sums of their money."""
        lines = self.names["order_lines"]
        sums = [f"cast(sum({name}) as bigint) as {name}" for name in _SUMMED if name in lines]
        store = ["min(store_id) as store_id"] if "store_id" in lines else []
        listed = ", ".join(
            ["order_id", "min(customer_id) as customer_id", "min(ordered_at) as ordered_at", *sums, *store]
        )
        several = "min(customer_id) <> max(customer_id)"
        self.connection.execute(
            f"create or replace temp table clean_orders as select {listed}, {several} as several"
            " from clean_order_lines group by order_id"
        )
        rule = Rule("an order of several customers", "customer_id", "several", ("order_id", "customer_id"))
        self.violations += check_rows(self._rows, "clean_orders", "order_lines", [rule])
        present = {"order_id", "customer_id", "ordered_at", "store_id", *_SUMMED} & {*lines}
        self.names["orders"] = _stored_names("orders", present)
        self.added["orders"] = {"from order_lines": self._size("clean_orders")}

    def _settle_customers(self) -> None:
        """Customers as given, and those the orders add; without a table of customers, all who ordered."""
        if "orders" not in self.names:
            return
        if "customers" not in self.config.tables:
            self._view("clean_customers", "select distinct customer_id from clean_orders")
            self.names["customers"] = ["customer_id"]
            self.added["customers"] = {"from orders": self._size("clean_customers")}
            return
        if "customers" not in self.names:
            return
        policy = self.config.cleaning.unknown_customer
        unknown = (
            "not exists (select 1 from read_customers as c"
            " where c.reason is null and c.customer_id = others.customer_id)"
        )
        if policy == "add":
            missing = (
                "select distinct customer_id from clean_orders as others"
                f" where customer_id is not null and {unknown}"
            )
            self.added["customers"] = {"from orders": self._size(f"({missing}) as missing")}
            listed = ", ".join(self.names["customers"])
            kept = f"select {listed} from read_customers where reason is null"
            self._view("clean_customers", f"{kept} union all by name {missing}")
            return
        for name in [n for n in self.names if n != "customers" and "customer_id" in self.names[n]]:
            if name == "order_lines":
                continue
            if policy == "refuse":
                text = REASON_TEXTS[UNKNOWN_CUSTOMER]
                self.violations += check_known(
                    self._rows, f"clean_{name}", name, "customer_id", "clean_customers", text
                )
            else:
                self._drop_unknown(name, unknown)

    def _refuses_unknown(self) -> bool:
        """Whether an unknown customer is a violation already, wherever the id stands."""
        return "customers" in self.config.tables and self.config.cleaning.unknown_customer == "refuse"

    def _drop_unknown(self, name: str, unknown: str) -> None:
        listed = ", ".join(self.names[name])
        stranger = f"(select * from clean_{name} as others where {unknown}) as strangers"
        count = self._size(stranger)
        if count and "amount_minor" in self.names[name]:
            self.money.setdefault(name, {})[UNKNOWN_CUSTOMER] = self._size_and_money(stranger)[1]
        self.connection.execute(
            f"create temp table known_{name} as select {listed} from clean_{name} as others where not ({unknown})"
        )
        self.connection.execute(f"drop {'table' if self._is_table(f'clean_{name}') else 'view'} clean_{name}")
        self._view(f"clean_{name}", f"select * from known_{name}")
        if count:
            self.reasons.setdefault(name, {})[UNKNOWN_CUSTOMER] = count

    # -- checks ---------------------------------------------------------------------------------------------------

    def _check_table(self, table: Table) -> None:
        relation, names = f"clean_{table.name}", self.names[table.name]
        day = self.config.cleaning.events_before
        rules = row_rules(table, names, Cutoff.parse(day) if day else None)
        if table.name == "order_lines":
            needed = ["amount_minor"] + ([] if "orders" in self.config.tables else ["ordered_at"])
            rules += [
                Rule(MISSING_VALUE, name.removesuffix("_minor"), f"{name} is null", ("order_id",))
                for name in needed
            ]
        unread = self.reading.unread.get(table.name)
        if unread:  # a value that could not be read is reported as that, and not as a missing one
            relation = f"(select * from read_{table.name} where reason is null) as {relation}"
            rules = [_not_for_unread(rule, unread) for rule in rules]
        self.violations += check_rows(self._rows, relation, table.name, rules)
        if table.key and not {*table.key} & {*(unread or ())}:
            self.violations += check_unique(self._rows, f"clean_{table.name}", table.name, table.key)
        was_empty = self.reading.rows_in.get("orders", 1) == 0
        if table.name == "orders" and not self._size("clean_orders") and not was_empty:
            self.violations.append(Violation("no rows are left after cleaning", "orders"))

    def _check_lines_have_orders(self) -> None:
        if "orders" in self.config.tables:
            self.violations += check_known(
                self._rows, "clean_order_lines", "order_lines", "order_id", "read_orders", "an unknown order"
            )

    # -- keys -----------------------------------------------------------------------------------------------------

    def _key_people(self) -> None:
        """One row a person with the integer key; two people with one key would be counted as one: refused."""
        tables = [n for n in self.names if "customer_id" in self.names[n] and n != "order_lines"]
        ids = " union ".join(f"select customer_id from clean_{name}" for name in tables)
        self.connection.execute(
            f"create temp table people as select customer_id, {hash_sql('customer_id')} as customer_key"
            f" from ({ids}) as ids"
        )
        self.violations += check_unique(self._rows, "people", "customers", ["customer_key"], "customer_id")

    def _number_orders(self) -> None:
        listed = ", ".join(f"o.{name}" for name in self.names["orders"])
        number = "row_number() over (partition by p.customer_key order by o.ordered_at, o.order_id)"
        self.connection.execute(
            f"create temp table numbered_orders as select p.customer_key, {listed},"
            f" cast({number} as integer) as order_no"
            " from clean_orders as o join people as p on p.customer_id = o.customer_id"
        )

    # -- output ---------------------------------------------------------------------------------------------------

    def _table_sql(self, table: Table) -> str:
        names = self.names[table.name]
        if table.name == "orders":
            rest = [name for name in names if name not in ("customer_id", "order_id")]
            columns = ["customer_key", "customer_id", "order_id", "order_no", *rest]
            return f"select {', '.join(columns)} from numbered_orders order by customer_key, ordered_at, order_no"
        if "customer_id" not in names:
            first = [*table.key, *(n for n in names if n not in table.key)]
            return f"select {', '.join(names)} from clean_{table.name} order by {', '.join(first)}"
        time = [table.time_column] if table.time_column in names else []
        sort = ["p.customer_key", *(f"t.{name}" for name in dict.fromkeys([*time, *names]))]
        listed = ", ".join(["p.customer_key", *(f"t.{name}" for name in names)])
        return (
            f"select {listed} from clean_{table.name} as t join people as p on p.customer_id = t.customer_id"
            f" order by {', '.join(sort)}"
        )

    def _lines_sql(self) -> str:
        """Lines bear customer, number and moment of their order: no cutoff falls between them."""
        taken = ("order_id", "customer_id", "ordered_at", "product_id", "category", "unit_price")
        rest = [name for name in self.names["order_lines"] if name not in taken]
        category, join = [], ""
        if "category" in self.names["order_lines"]:
            category = ["l.category"]
        elif "products" in self.names:
            category = ["c.category"]
            join = " left join clean_products as c on c.product_id = l.product_id"
        listed = ["o.customer_key", "o.order_no", "o.ordered_at", "l.product_id", *category]
        listed += [f"l.{name}" for name in rest]
        return (
            f"select {', '.join(listed)} from clean_order_lines as l"
            f" join numbered_orders as o on o.order_id = l.order_id{join}"
            f" order by o.customer_key, o.ordered_at, o.order_no, {', '.join(listed[3:])}"
        )

    def _count(self, name: str, rows_out: int) -> dict[str, Any]:
        rows_in = self.reading.rows_in.get(name, 0)
        reasons, added = dict(self.reasons.get(name, {})), self.added.get(name, {})
        lost = rows_in + sum(added.values()) - sum(reasons.values()) - rows_out
        money = dict(self.money.get(name, {}))
        if name == "order_lines" and lost:
            reasons[ORDER_NOT_KEPT] = lost
            money[ORDER_NOT_KEPT] = self._money_of_lost_lines()
        return {"rows_in": rows_in, "rows_out": rows_out, "reasons": reasons, "added": added, "money": money}

    def _money_of_lost_lines(self) -> int:
        lost = (
            "(select * from clean_order_lines as l where not exists"
            " (select 1 from numbered_orders as o where o.order_id = l.order_id)) as lost"
        )
        return self._size_and_money(lost)[1]

    def _unavailable(self) -> dict[str, str]:
        """Say of every table and column that is not there why."""
        found = {}
        for table in TABLES.values():
            if table.name not in self.names:
                found[table.name] = "not in the configuration"
                if table.name == "returns":
                    found["returns"] += ", and no cancelled order or negative quantity in the orders"
                continue
            present = [*self.names[table.name], "unit_price_minor", "order_id", "customer_id"]
            for column in table.columns:
                if column.stored_name not in present:
                    found[f"{table.name}.{column.name}"] = "not mapped in the configuration"
        if "products" in self.names:
            found.pop("order_lines.category", None)
        return found

    # -- small things ---------------------------------------------------------------------------------------------

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()

    def _size(self, relation: str) -> int:
        return int(self._rows(f"select count(*) from {relation}")[0][0])

    def _size_and_money(self, relation: str) -> tuple[int, int]:
        ((rows, money),) = self._rows(
            f"select count(*), coalesce(cast(sum(amount_minor) as bigint), 0) from {relation}"
        )
        return int(rows), int(money)

    def _view(self, name: str, sql: str) -> None:
        self.connection.execute(f"create or replace temp view {name} as {sql}")

    def _is_table(self, name: str) -> bool:
        return bool(
            self._rows(f"select count(*) from duckdb_tables() where table_name = {quoted(name)}")[0][0]
        )


def _stored_names(table: str, wanted: Collection[str]) -> list[str]:
    return [column.stored_name for column in TABLES[table].columns if column.stored_name in wanted]


def _not_for_unread(rule: Rule, unread: dict[str, int]) -> Rule:
    bit = next((bit for name, bit in unread.items() if name.removesuffix("_minor") == rule.column), 0)
    if rule.text != MISSING_VALUE or not bit:
        return rule
    return Rule(rule.text, rule.column, f"{rule.condition} and marks & {bit} = 0", rule.shown)
