"""Write a shop of any size: one Parquet file a chunk and table, written beside and renamed into place."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from segml.errors import ConfigurationError, OutputError
from segml.sources.synthetic.rhythm import Rhythm
from segml.sources.synthetic.shop import TRUTH, block_tables, shop_tables
from segml.sources.synthetic.world import BLOCK_CUSTOMERS, SyntheticShop

SHOP_FILE = f"{TRUTH}/shop.json"


def write_shop(
    shop: SyntheticShop,
    folder: str | Path,
    chunk_customers: int = 100_000,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Path]:
    """Write a shop as the raw Parquet files a company would have, with the truth beside them.

    Parameters
    ----------
    shop : SyntheticShop
        What to write.
    folder : str or Path
        Where; a shop that is there already is replaced as a whole, anything else is left alone with an error.
    chunk_customers : int, default 100_000
        Customers a file, a multiple of 5000; memory grows with it (about 1 GB for all tables), rows do not
        depend on it.
    progress : callable, optional
        Called with (customers done, customers in all) after each chunk.

    Returns
    -------
    dict of str to Path
        The folder of each table (`orders` -> `folder/orders`, files `part-00000.parquet`, ...) and of each truth
        table (`truth/customers` -> `folder/truth/customers`).

    Raises
    ------
    ConfigurationError
        When `chunk_customers` is not a positive multiple of 5000.
    OutputError
        When the folder holds something else than a synthetic shop.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     paths = write_shop(SyntheticShop(n_customers=2, tables=("orders",)), f"{place}/shop")
    ...     sorted(path.name for path in paths["orders"].iterdir())
    ['part-00000.parquet']
    """
    if chunk_customers <= 0 or chunk_customers % BLOCK_CUSTOMERS:
        raise ConfigurationError(
            f"chunk_customers is a positive multiple of {BLOCK_CUSTOMERS}, got {chunk_customers}"
        )
    target = Path(folder)
    _check_replaceable(target)
    draft = target.with_name(f".{target.name}.unfinished")
    shutil.rmtree(draft, ignore_errors=True)
    names = _write_draft(shop, draft, chunk_customers, progress)
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
    return {name: target / name for name in sorted(names)}


def _check_replaceable(target: Path) -> None:
    if target.exists() and not (target / SHOP_FILE).exists() and (target.is_file() or any(target.iterdir())):
        raise OutputError(
            f"{target} holds something that is not a synthetic shop",
            "name an empty or new folder for the shop",
        )


def _write_draft(
    shop: SyntheticShop, draft: Path, chunk_customers: int, progress: Callable[[int, int], None] | None
) -> set[str]:
    rhythm = Rhythm.of(shop)
    whole = shop_tables(rhythm)
    for name, table in whole.items():
        _write_part(table, draft / name, 0)
    names = set(whole)
    per_chunk = chunk_customers // BLOCK_CUSTOMERS
    for chunk, first in enumerate(range(0, shop.blocks, per_chunk)):
        blocks = range(first, min(first + per_chunk, shop.blocks))
        parts = [block_tables(rhythm, block) for block in blocks]
        for name in parts[0]:
            _write_part(pa.concat_tables([part[name] for part in parts]), draft / name, chunk)
        names |= set(parts[0])
        if progress:
            progress(min((blocks.stop) * BLOCK_CUSTOMERS, shop.n_customers), shop.n_customers)
    text = json.dumps(dataclasses.asdict(shop), indent=2, sort_keys=True)
    (draft / SHOP_FILE).write_text(text + "\n", encoding="utf-8")
    return names


def _write_part(table: pa.Table, folder: Path, chunk: int) -> None:
    """Write one file; coded columns are plain text to every reader."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"part-{chunk:05d}.parquet"
    pq.write_table(table, path, store_schema=False, compression="zstd", compression_level=1)
