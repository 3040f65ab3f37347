"""Generic CSV: UTF-8, RFC 4180 quoting, line feeds, ISO dates, decimal points, NFC text.

Text that a spreadsheet would run as a formula gets a leading apostrophe; identifiers, numbers and hashes never do,
because a changed identifier matches nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from segml.campaigns.export.delimited import delimited_rows
from segml.contacts.text import composed, guarded_text

CHUNK_ROWS = 100_000


def write_csv(parquet: Path, csv: Path, free_text: Sequence[str] = ()) -> int:
    """Write a Parquet file as CSV, chunk by chunk, rows in the same order.

    Parameters
    ----------
    parquet : Path
        The list.
    csv : Path
        The file to write.
    free_text : sequence of str
        Columns of free text; they are guarded against formula injection.

    Returns
    -------
    int
        Rows written.
    """
    source = pq.ParquetFile(parquet)
    rows = 0
    with csv.open("wb") as stream:
        stream.write((",".join(source.schema_arrow.names) + "\n").encode())
        for batch in source.iter_batches(batch_size=CHUNK_ROWS):
            table = _readable(batch, free_text)
            lines = delimited_rows([_written(column.combine_chunks()) for column in table.columns])
            stream.write("".join(lines.to_pylist()).encode())
            rows += table.num_rows
    return rows


def _written(values: pa.Array) -> pa.Array:
    """Return a column as text; a float has the fewest digits that read back as the same number, NaN is nothing.

    Examples
    --------
    >>> _written(pa.array([12.0, 0.1, 1e16, float("nan"), None])).to_pylist()
    ['12.0', '0.1', '1e+16', None, None]
    """
    if pa.types.is_string(values.type) or pa.types.is_integer(values.type):
        return values.cast(pa.string())
    text = [None if each is None or each != each else str(each) for each in values.to_pylist()]
    return pa.array(text, pa.string())


def _readable(batch: pa.RecordBatch, free_text: Sequence[str]) -> pa.Table:
    table = pa.Table.from_batches([batch])
    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(
            field.type
        ):  # pandas writes the large kind
            values = composed(table.column(place).cast(pa.string()))
            table = table.set_column(
                place, field.name, guarded_text(values) if field.name in free_text else values
            )
    return table
