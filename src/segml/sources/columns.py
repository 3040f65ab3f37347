"""A source's own columns -> canonical names and types, as one DuckDB query per table.

Each row carries `marks`: one bit for each column whose value could not be read, two for each text column of times
(written with an offset, written without), and two for each column of ids (a whole number written with ``.0``, a number
with an exponent). The bits are gathered once; only a bit that is set is looked into.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from segml.config import TableSource
from segml.engine.duckdb import quoted
from segml.errors import did_you_mean
from segml.sources.files import RawTable, identifier
from segml.sources.times import Clock, days, has_offset
from segml.tables.checks import SHOWN_ROWS, Fetch, Violation, check_names
from segml.tables.ids import exponent_sql, fraction_sql, id_sql, shortened_sql
from segml.tables.schema import Column, Table

_EXACT = "decimal(18, 6)"  # a 64-bit integer inside: up to a trillion, half the time of wider ones
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_WRONG = {
    "money": "not an amount of money",
    "number": "not a number",
    "integer": "not a whole number",
    "flag": "not yes or no",
    "time": "not a time",
    "date": "not a date",
}
_SHORTENED = "scientific notation is no id: a spreadsheet shortened it, and its last digits are lost"
_MOST_NAMED = 8  # columns
_LARGEST = {"DOUBLE": 2**53, "FLOAT": 2**24}  # from these on, neighbouring whole numbers are the same value


@dataclass(frozen=True)
class TypedColumn:
    """One canonical column as SQL: the raw value, the typed one, and whether it is text with times."""

    column: Column
    raw: str
    typed: str
    time_text: bool = False
    stored_name: str = ""
    exact: str = ""  # of money: major units, before they are rounded
    prepared: str = ""  # SQL of `raw`, when it is a name of its own: computed once, used often
    wrong: str = ""  # what is said of values that are there and can't be read, if not what its type says

    @property
    def name(self) -> str:
        """Name in the typed table."""
        return self.stored_name or self.column.stored_name


@dataclass(frozen=True)
class TypedTable:
    """The query of one table, and the meaning of its marks."""

    table: Table
    columns: tuple[TypedColumn, ...]
    raw: RawTable
    where: str
    beside: tuple[str, ...] = ()  # columns of the files that are carried along as they stand
    with_hash: bool = False  # whether each row bears a hash of all columns of the files

    @property
    def relation(self) -> str:
        """The rows that are read, with the values that are computed once."""
        listed = "".join(f", {column.prepared} as {column.raw}" for column in self.columns if column.prepared)
        condition = f" where {self.where}" if self.where else ""
        return f"(select *{listed} from {self.raw.relation}{condition}) as prepared"

    @property
    def names(self) -> list[str]:
        """Stored names, in catalogue order."""
        return [column.name for column in self.columns]

    def sql(self) -> str:
        """Return the query: typed columns, `marks`, and as far as they are asked for `row_hash` and `beside_<n>`."""
        listed = [f"{column.typed} as {column.name}" for column in self.columns]
        listed.append(f"{self._marks()} as marks")
        if self.with_hash:
            listed.append(f"hash({', '.join(map(identifier, self.raw.every_column))}) as row_hash")
        listed += [
            f"cast({identifier(name)} as varchar) as beside_{place}" for place, name in enumerate(self.beside)
        ]
        return f"select {', '.join(listed)} from {self.relation}"

    def _marks(self) -> str:
        bits = []
        for place, column in enumerate(self.columns):
            if column.column.type != "text" or column.wrong:
                wrong = f"{column.raw} is not null and {column.typed} is null"
                bits.append(f"case when {wrong} then {1 << place} else 0 end")
        for place, column in enumerate(self._time_texts()):
            offset = has_offset(column.raw)
            shift = len(self.columns) + 2 * place
            bits.append(
                f"case when {column.raw} is null then 0 when {offset} then {2 << shift} else {1 << shift} end"
            )
        for bit, column in self._id_bits():
            fraction, exponent = fraction_sql(column.raw), exponent_sql(column.raw)
            point, letter = (f"contains({column.raw}, '{mark}')" for mark in ".e")
            letter = f"({letter} or contains({column.raw}, 'E'))"
            bits.append(f"case when {point} and {fraction} then {bit} else 0 end")
            bits.append(f"case when {letter} and {exponent} then {2 * bit} else 0 end")
        return f"cast({' + '.join(bits) or '0'} as bigint)"

    def _id_bits(self) -> list[tuple[int, TypedColumn]]:
        """Return the columns of ids in text, each with the first of its two bits."""
        first = len(self.columns) + 2 * len(self._time_texts())
        texts = [column for column in self.columns if column.prepared]
        return [(1 << first + 2 * place, column) for place, column in enumerate(texts)]

    def id_forms(self, marks: int) -> dict[str, tuple[bool, bool]]:
        """Return of each column of ids in text whether gathered marks have a ``.0``, and an exponent."""
        return {column.name: (bool(marks & bit), bool(marks & 2 * bit)) for bit, column in self._id_bits()}

    def _time_texts(self) -> list[TypedColumn]:
        return [column for column in self.columns if column.time_text]

    def violations(self, fetch: Fetch, marks: int) -> list[Violation]:
        """Turn gathered marks into violations, each with its count and first values."""
        found = [
            self._wrong_values(fetch, column)
            for place, column in enumerate(self.columns)
            if marks >> place & 1
        ]
        for place, column in enumerate(self._time_texts()):
            if marks >> (len(self.columns) + 2 * place) & 3 == 3:
                found.append(self._mixed_zones(fetch, column))
        return found

    def unread_bits(self, marks: int) -> dict[str, int]:
        """Return the stored names of columns with values that could not be read, and their bits."""
        return {c.name: 1 << place for place, c in enumerate(self.columns) if marks >> place & 1}

    def _wrong_values(self, fetch: Fetch, column: TypedColumn) -> Violation:
        wrong = f"{column.raw} is not null and {column.typed} is null"
        return self._violation(fetch, column, wrong, column.wrong or _WRONG[column.column.type])

    def _mixed_zones(self, fetch: Fetch, column: TypedColumn) -> Violation:
        offset = has_offset(column.raw)
        text = "mixed time zones: some times have an offset, others none"
        return self._violation(fetch, column, f"{column.raw} is not null and {offset}", text)

    def _violation(self, fetch: Fetch, column: TypedColumn, condition: str, text: str) -> Violation:
        matching = f"from {self.relation} where {condition}"
        count = int(fetch(f"select count(*) {matching}")[0][0])
        rows: tuple[str, ...] = ()
        if not column.column.personal:
            found = fetch(
                f"select distinct cast({column.raw} as varchar) {matching} order by 1 limit {SHOWN_ROWS}"
            )
            rows = tuple(f"{column.column.name}={value!r}" for (value,) in found)
        return Violation(text, self.table.name, column.column.name, count, rows)


def mapping_of(source: TableSource, raw: RawTable) -> dict[str, str]:
    """Return canonical name -> column of the files; a query's columns bear canonical names already."""
    return {name: name for name in raw.types} if source.query else dict(source.columns)


def needed_names(table: Table, mapped: Mapping[str, str], with_orders: bool) -> list[str]:
    """Return the names that a source of this table has to give.

    Lines may leave customer and time to `orders`, and give a unit price and a quantity in place of an amount.
    """
    needed = list(table.required_names)
    if table.name == "order_lines":
        needed += [] if with_orders else ["customer_id", "ordered_at"]
        needed += ["quantity"] if "unit_price" in mapped and "amount" not in mapped else ["amount"]
    return needed


def check_mapping(
    table: Table, source: TableSource, raw: RawTable, with_orders: bool, refuse_others: bool
) -> list[Violation]:
    """Check one table's mapping against the catalogue and against the columns its files have."""
    mapped = mapping_of(source, raw)
    given = {**mapped, **source.constants}
    found = check_names(table.name, given, needed_names(table, given, with_orders))
    found += [
        Violation("is both a column and a constant", table.name, name)
        for name in source.constants
        if name in mapped
    ]
    found += [
        Violation(f"the files have no column {theirs!r}{did_you_mean(theirs, raw.types)}", table.name, name)
        for name, theirs in mapped.items()
        if theirs not in raw.types
    ]
    if refuse_others and not source.query:
        found += _undeclared(table, [name for name in raw.types if name not in mapped.values()])
    return found


def _undeclared(table: Table, names: list[str]) -> list[Violation]:
    """Return one violation a column, or one for the many that no screen holds."""
    text = "a column of the files that the mapping does not name"
    if len(names) <= _MOST_NAMED:
        return [Violation(text, table.name, name) for name in names]
    listed = f"{', '.join(names[:_MOST_NAMED])} and {len(names) - _MOST_NAMED:,} more"
    return [
        Violation(f"{len(names):,} columns of the files that the mapping does not name: {listed}", table.name)
    ]


def typed_table(
    table: Table,
    source: TableSource,
    raw: RawTable,
    zone: str,
    beside: tuple[str, ...] = (),
    with_hash: bool = False,
) -> TypedTable:
    """Write the query that reads one table with canonical names and types.

    Parameters
    ----------
    table : Table
        The canonical table.
    source : TableSource
        Its mapping.
    raw : RawTable
        Its files.
    zone : str
        The base's time zone.
    beside : tuple of str
        Columns of the files to carry along.
    with_hash : bool
        Whether each row bears a hash of all columns of the files.
    """
    mapped = mapping_of(source, raw)
    columns = []
    for column in table.columns:
        if column.name in mapped and column.is_id:
            columns.append(_id(column, mapped[column.name], raw.types[mapped[column.name]], source))
        elif column.name in mapped:
            theirs = mapped[column.name]
            clock = Clock(zone, source.time_zone, source.time_format)
            columns.append(
                _typed(
                    column,
                    present(identifier(theirs), raw.types[theirs], source),
                    raw.types[theirs],
                    source,
                    clock,
                )
            )
        elif column.name in source.constants:
            value = quoted(source.constants[column.name])
            columns.append(_typed(column, value, "VARCHAR", source, Clock(zone, source.time_zone)))
    return TypedTable(table, _with_amount(table, tuple(columns)), raw, source.where, beside, with_hash)


def present(expression: str, sql_type: str, source: TableSource) -> str:
    """Return SQL for the value, NULL where the file has nothing or a text that stands for nothing."""
    if sql_type in ("DOUBLE", "FLOAT"):
        return f"case when not isnan({expression}) then {expression} end"
    if sql_type != "VARCHAR":
        return expression
    nothing = ", ".join(quoted(text) for text in ("", *source.missing))
    return f"case when trim({expression}) not in ({nothing}) then trim({expression}) end"


def _typed(column: Column, raw: str, sql_type: str, source: TableSource, clock: Clock) -> TypedColumn:
    if column.type == "time":
        text = sql_type == "VARCHAR" and not clock.format
        return TypedColumn(column, raw, clock.seconds(raw, sql_type), text)
    if column.type == "date":
        return TypedColumn(column, raw, days(raw, sql_type, clock.format))
    if column.type == "flag":
        return TypedColumn(column, raw, _flag(raw))
    if column.type == "text":
        return TypedColumn(column, raw, _text(raw, sql_type))
    if column.type == "number":
        return TypedColumn(column, raw, _number(raw, sql_type, source.decimal))
    exact = _exact(raw, sql_type, source.decimal)
    if column.type == "money":
        return TypedColumn(column, raw, _minor(exact), exact=exact)
    whole = f"case when {exact} = trunc({exact}) then cast({exact} as bigint) end"
    return TypedColumn(column, raw, whole)


def _with_amount(table: Table, columns: tuple[TypedColumn, ...]) -> tuple[TypedColumn, ...]:
    """Give lines that have a unit price and no amount the amount: exact, then rounded half up to minor units.

    The price itself is kept beside as an exact decimal until the lines are cleaned: a price of 0 can't be told from
    the amount of a line of no units.
    """
    by_name = {column.column.name: column for column in columns}
    if table.name != "order_lines" or "unit_price" not in by_name:
        return columns
    price = by_name["unit_price"]
    by_name["unit_price"] = TypedColumn(price.column, price.raw, price.exact, stored_name="unit_price")
    if "amount" not in by_name:
        quantity = by_name["quantity"].typed
        exact = f"cast({price.exact} as decimal(38, 6)) * try_cast({quantity} as decimal(38, 4))"
        readable = f"case when {price.exact} is not null and {quantity} is not null then {price.raw} end"
        by_name["amount"] = TypedColumn(table.column("amount"), readable, _minor(exact))
    return tuple(by_name[name] for name in table.column_names if name in by_name)


def _minor(exact: str) -> str:
    """Hundredths of the currency, rounded half away from nought."""
    return f"cast(try_cast(round({exact}, 2) as decimal(18, 2)) * 100 as bigint)"


def _exact(raw: str, sql_type: str, decimal: str) -> str:
    """An exact decimal number; NULL where it is none."""
    if sql_type != "VARCHAR":
        return f"try_cast({raw} as {_EXACT})"
    return _from_text(raw, decimal, _EXACT)


def _number(raw: str, sql_type: str, decimal: str) -> str:
    """A finite double; NULL where it is none."""
    number = f"try_cast({raw} as double)" if sql_type != "VARCHAR" else _from_text(raw, decimal, "double")
    return f"case when isfinite({number}) then {number} end"


def _from_text(raw: str, decimal: str, sql_type: str) -> str:
    """A number from text; a comma is the decimal mark only where the configuration says so, digits are not grouped."""
    if decimal == ",":
        plain = f"not contains({raw}, '_') and not contains({raw}, '.')"
        return f"case when {plain} then try_cast(replace({raw}, ',', '.') as {sql_type}) end"
    return f"case when not contains({raw}, '_') then try_cast({raw} as {sql_type}) end"


def _id(column: Column, theirs: str, sql_type: str, source: TableSource) -> TypedColumn:
    """Give a column of ids its normal form; what can be no id any more is unread and named.

    A missing value makes a column of whole numbers one of doubles (17850.0): they are whole numbers again, as far as a
    double tells one from its neighbour.
    """
    value = identifier(theirs)
    if sql_type in _LARGEST:
        raw, largest = present(value, sql_type, source), _LARGEST[sql_type]
        typed = f"case when abs({raw}) < {largest} then {_text(raw, sql_type)} end"
        wrong = f"a floating-point number of {largest:,} or more is no id: its last digits are lost"
        return TypedColumn(column, raw, typed, wrong=wrong)
    if sql_type != "VARCHAR" and not sql_type.startswith("DECIMAL"):
        return TypedColumn(column, value, _text(value, sql_type))
    known = id_sql(value if sql_type == "VARCHAR" else f"cast({value} as varchar)")
    if source.missing:
        nothing = ", ".join(quoted(text) for text in source.missing)
        known = f"case when {known} not in ({nothing}) then {known} end"
    raw = identifier(f"~{column.name}")
    typed = f"case when contains({raw}, '+') and {shortened_sql(raw)} then null else {raw} end"
    return TypedColumn(column, raw, typed, prepared=known, wrong=_SHORTENED)


def _text(raw: str, sql_type: str) -> str:
    if sql_type in _LARGEST:
        whole = f"try_cast(case when {raw} = trunc({raw}) then {raw} end as bigint)"
        return f"coalesce(cast({whole} as varchar), cast({raw} as varchar))"
    return raw if sql_type == "VARCHAR" else f"cast({raw} as varchar)"


def _flag(raw: str) -> str:
    word = f"lower(cast({raw} as varchar))"
    true, false = (", ".join(f"'{text}'" for text in words) for words in (_TRUE, _FALSE))
    return f"case when {word} in ({true}) then true when {word} in ({false}) then false end"
