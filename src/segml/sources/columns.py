"""A source's own columns -> canonical names and types, as one DuckDB query per table.

Each row carries `marks`: one bit for each column whose value could not be read, two for each text column of times
(written with an offset, written without), two for each column of ids (a whole number written with ``.0``, a number
with an exponent), and one for each text column of money whose decimal mark could group digits. The bits are gathered
once; only a bit that is set is looked into.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from segml.config import TableSource
from segml.engine.duckdb import quoted
from segml.errors import did_you_mean
from segml.sources.files import RawTable, delimiter_advice, identifier
from segml.sources.numbers import NumberForm, grouped_rule, number_advice
from segml.sources.time_hints import time_advice
from segml.sources.times import Clock, days, has_offset, has_two_digit_year, plausible_days
from segml.tables.checks import EARLIEST, LATEST, SHOWN_ROWS, Fetch, Violation, check_names
from segml.tables.ids import exponent_sql, fraction_sql, id_sql, shortened_sql
from segml.tables.schema import Column, Table
from segml.time_windows import SECONDS_PER_DAY

_EXACT = "decimal(18, 6)"  # a 64-bit integer inside: up to a trillion, half the time of wider ones
_SEEN = 300  # distinct values that advice is computed from
_NEAREST = 20  # names whose nearest is looked for
_TWO_DIGITS = "a year of two digits that may be of another century"
_STANDS_IN = "a day that systems write where they have none"
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
    parsed: str = ""  # of times and dates: the name of whatever the text says, plausible or not
    parsed_sql: str = ""  # ... and its SQL: computed once, used often
    form: NumberForm | None = None  # of numbers in text
    time_format: str = ""

    @property
    def may_group(self) -> bool:
        """Whether the decimal mark of these texts has to be held against the number of digits behind it."""
        return (
            self.form is not None and self.form.thousands != "" and self.column.type in ("money", "integer")
        )

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
        once = [(column.prepared, column.raw) for column in self.columns if column.prepared]
        once += [(column.parsed_sql, column.parsed) for column in self.columns if column.parsed]
        listed = "".join(f", {sql} as {name}" for sql, name in once)
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
        for column, bit in self._may_group():
            assert column.form is not None
            bits.append(f"case when {column.form.three_digits_sql(column.raw)} then {bit} else 0 end")
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

    def _may_group(self) -> list[tuple[TypedColumn, int]]:
        """Return the columns whose decimal mark may group digits, each with its bit."""
        first = len(self.columns) + 2 * len(self._time_texts()) + 2 * len(self._id_bits())
        listed = [column for column in self.columns if column.may_group]
        return [(column, 1 << first + place) for place, column in enumerate(listed)]

    def violations(self, fetch: Fetch, marks: int) -> list[Violation]:
        """Turn gathered marks into violations, each with its count and first values."""
        found = []
        for place, column in enumerate(self.columns):
            if marks >> place & 1:
                found += self._wrong_values(fetch, column)
        for place, column in enumerate(self._time_texts()):
            if marks >> (len(self.columns) + 2 * place) & 3 == 3:
                found.append(self._mixed_zones(fetch, column))
        for column, bit in self._may_group():
            if marks & bit:
                found += self._grouped(fetch, column)
        return found

    def unread_bits(self, marks: int) -> dict[str, int]:
        """Return the stored names of columns with values that could not be read, and their bits."""
        return {c.name: 1 << place for place, c in enumerate(self.columns) if marks >> place & 1}

    def _wrong_values(self, fetch: Fetch, column: TypedColumn) -> list[Violation]:
        """Return what is wrong with a column's values, kind by kind, with what to set."""
        wrong = f"{column.raw} is not null and {column.typed} is null"
        if column.column.type not in ("time", "date"):
            hint = ""
            if column.form is not None and not column.column.personal:
                hint = number_advice(self._values(fetch, column, wrong), column.form)
            return [self._violation(fetch, column, wrong, column.wrong or _WRONG[column.column.type], hint)]
        parsed, factor = column.parsed, 1 if column.column.type == "date" else SECONDS_PER_DAY
        outside = f"({parsed} < {EARLIEST.day * factor} or {parsed} >= {LATEST.day * factor})"
        two_digits = has_two_digit_year(column.time_format)
        kinds = {
            _WRONG[column.column.type]: f"{parsed} is null",
            f"not between {EARLIEST} and {LATEST}": outside,
            _TWO_DIGITS if two_digits else _STANDS_IN: f"not {outside}",
        }
        found = [self._violation(fetch, column, f"{wrong} and {kind}", text) for text, kind in kinds.items()]
        values = self._values(fetch, column, wrong)
        return [
            replace(violation, hint=self._time_hint(fetch, column, violation, values))
            for violation in found
            if violation.count
        ]

    def _time_hint(self, fetch: Fetch, column: TypedColumn, violation: Violation, values: list[str]) -> str:
        if violation.rule == _TWO_DIGITS:
            return "write years with four digits, and %Y for them"
        if violation.rule == _STANDS_IN:
            name = column.column.name
            return (
                f"leave these rows out with `where` in their table ({name} is needed)"
                if column.column.required
                else "name these texts under `missing` in their table"
            )
        return time_advice(fetch, values, column.time_format)

    def _values(self, fetch: Fetch, column: TypedColumn, wrong: str) -> list[str]:
        """Return values of a column, those that were not read first: what advice is computed from."""
        text = f"cast({column.raw} as varchar)"
        found = fetch(
            f"select value from (select distinct {text} as value, {wrong} as wrong from {self.relation}"
            f" where {column.raw} is not null) as seen order by wrong desc, value limit {_SEEN}"
        )
        return [value for (value,) in found]

    def _grouped(self, fetch: Fetch, column: TypedColumn) -> list[Violation]:
        """Refuse a column whose decimal mark groups digits; a few such values among others are decimals."""
        form = column.form
        assert form is not None
        three = form.three_digits_sql(column.raw)
        conditions = (form.marked_sql(column.raw), three, form.thousandths_sql(column.raw))
        counts = ", ".join(f"count(*) filter (where {condition})" for condition in conditions)
        marked, count, thousandths = fetch(f"select {counts} from {self.relation}")[0]
        if thousandths or 2 * count <= marked:
            return []
        text, hint = grouped_rule(int(count), int(marked), form)
        return [self._violation(fetch, column, three, text, hint)]

    def _mixed_zones(self, fetch: Fetch, column: TypedColumn) -> Violation:
        offset = has_offset(column.raw)
        text = "mixed time zones: some times have an offset, others none"
        return self._violation(fetch, column, f"{column.raw} is not null and {offset}", text)

    def _violation(
        self, fetch: Fetch, column: TypedColumn, condition: str, text: str, hint: str = ""
    ) -> Violation:
        matching = f"from {self.relation} where {condition}"
        count = int(fetch(f"select count(*) {matching}")[0][0])
        rows: tuple[str, ...] = ()
        if not column.column.personal:
            found = fetch(
                f"select distinct cast({column.raw} as varchar) {matching} order by 1 limit {SHOWN_ROWS}"
            )
            rows = tuple(f"{column.column.name}={value!r}" for (value,) in found)
        return Violation(text, self.table.name, column.column.name, count, rows, hint)


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
    absent = [(name, theirs) for name, theirs in mapped.items() if theirs not in raw.types]
    found += [
        Violation(
            f"the files have no column {theirs!r}{did_you_mean(theirs, raw.types) if at < _NEAREST else ''}",
            table.name,
            name,
            hint=delimiter_advice(tuple(raw.types), source.delimiter),
        )
        for at, (name, theirs) in enumerate(absent)
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
        if not source.missing:
            return expression
        named = ", ".join(quoted(text) for text in source.missing)
        return f"case when cast({expression} as varchar) not in ({named}) then {expression} end"
    nothing = ", ".join(quoted(text) for text in ("", *source.missing))
    return f"case when trim({expression}) not in ({nothing}) then trim({expression}) end"


def _typed(column: Column, raw: str, sql_type: str, source: TableSource, clock: Clock) -> TypedColumn:
    parsed = identifier(f"~{column.name} parsed")
    if column.type == "time":
        text = sql_type == "VARCHAR" and not clock.format
        return TypedColumn(
            column,
            raw,
            clock.plausible(parsed),
            text,
            parsed=parsed,
            parsed_sql=clock.seconds(raw, sql_type),
            time_format=clock.format,
        )
    if column.type == "date":
        typed = plausible_days(parsed, clock.format, births="birth" in column.name)
        return TypedColumn(
            column,
            raw,
            typed,
            parsed=parsed,
            parsed_sql=days(raw, sql_type, clock.format),
            time_format=clock.format,
        )
    if column.type == "flag":
        return TypedColumn(column, raw, _flag(raw))
    if column.type == "text":
        return TypedColumn(column, raw, _text(raw, sql_type))
    form = NumberForm(source.decimal, source.thousands) if sql_type == "VARCHAR" else None
    if column.type == "number":
        return TypedColumn(column, raw, _number(raw, form), form=form)
    exact = form.sql(raw, _EXACT) if form else f"try_cast({raw} as {_EXACT})"
    if column.type == "money":
        return TypedColumn(column, raw, _minor(exact), exact=exact, form=form)
    whole = f"case when {exact} = trunc({exact}) then cast({exact} as bigint) end"
    return TypedColumn(column, raw, whole, form=form)


def _with_amount(table: Table, columns: tuple[TypedColumn, ...]) -> tuple[TypedColumn, ...]:
    """Give lines that have a unit price and no amount the amount: exact, then rounded half up to minor units.

    The price itself is kept beside as an exact decimal until the lines are cleaned: a price of 0 can't be told from
    the amount of a line of no units.
    """
    by_name = {column.column.name: column for column in columns}
    if table.name != "order_lines" or "unit_price" not in by_name:
        return columns
    price = by_name["unit_price"]
    by_name["unit_price"] = replace(price, typed=price.exact, stored_name="unit_price", exact="")
    if "amount" not in by_name:
        quantity = by_name["quantity"].typed
        exact = f"cast({price.exact} as decimal(38, 6)) * try_cast({quantity} as decimal(38, 4))"
        readable = f"case when {price.exact} is not null and {quantity} is not null then {price.raw} end"
        by_name["amount"] = TypedColumn(table.column("amount"), readable, _minor(exact))
    return tuple(by_name[name] for name in table.column_names if name in by_name)


def _minor(exact: str) -> str:
    """Hundredths of the currency, rounded half away from nought."""
    return f"cast(try_cast(round({exact}, 2) as decimal(18, 2)) * 100 as bigint)"


def _number(raw: str, form: NumberForm | None) -> str:
    """A finite double; NULL where it is none."""
    number = form.sql(raw, "double") if form else f"try_cast({raw} as double)"
    return f"case when isfinite({number}) then {number} end"


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
