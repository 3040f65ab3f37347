"""Generic CSV: UTF-8, RFC 4180 quoting, line feeds, ISO dates, decimal points, NFC text.

Text that a spreadsheet would run as a formula gets a leading apostrophe; identifiers, numbers and hashes never do,
because a changed identifier matches nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

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
    with csv.open("w", encoding="utf-8", newline="") as stream:
        stream.write(",".join(source.schema_arrow.names) + "\n")
        for batch in source.iter_batches(batch_size=CHUNK_ROWS):
            frame = _readable(batch, free_text).to_pandas(integer_object_nulls=True)
            frame.to_csv(stream, header=False, index=False, lineterminator="\n")
            rows += len(frame)
    return rows


def _readable(batch: pa.RecordBatch, free_text: Sequence[str]) -> pa.Table:
    table = pa.Table.from_batches([batch])
    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            values = composed(table.column(place))
            table = table.set_column(
                place, field.name, guarded_text(values) if field.name in free_text else values
            )
    return table
