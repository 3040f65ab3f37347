"""Files are what their bytes say: read, or refused in words; and a query reaches the declared ones only."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from segml.engine.duckdb import DuckDBEngine
from segml.errors import DataError
from segml.sources.files import fingerprints
from sources_base import ORDERS, MadeUpBase, csv_text

GOOD = csv_text(ORDERS, "1,Åse,2023-01-01,1")


@pytest.fixture
def base(tmp_path: Path) -> MadeUpBase:
    return MadeUpBase(tmp_path)


def with_file(base: MadeUpBase, name: str, content: bytes | str, **source: str) -> MadeUpBase:
    file = base.root / "raw" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    base.tables["orders"] = {"files": f"raw/{name}", "columns": ORDERS, **source}
    return base


def refused(base: MadeUpBase) -> str:
    with pytest.raises(DataError) as caught:
        base.ingest()
    return str(caught.value)


def as_parquet(text: str) -> bytes:
    header, *rows = (line.split(",") for line in text.splitlines())
    out = io.BytesIO()
    pq.write_table(pa.table(dict(zip(header, zip(*rows, strict=True), strict=True))), out)
    return out.getvalue()


def zipped(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, "x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "source"),
    [
        ("orders.csv.gz", gzip.compress(GOOD.encode()), {}),
        ("orders.csv", gzip.compress(GOOD.encode()), {}),
        ("orders.csv.bz2", bz2.compress(GOOD.encode()), {}),
        ("orders.csv.xz", lzma.compress(GOOD.encode()), {}),
        ("orders.csv.zst", pa.compress(GOOD.encode(), codec="zstd", asbytes=True), {}),
        ("orders.csv", GOOD.encode("utf-16"), {}),
        ("orders.csv", GOOD.encode("utf-32"), {}),
        ("orders.csv", GOOD.encode("utf-8-sig"), {}),
        ("orders.csv.gz", gzip.compress(GOOD.encode("utf-16")), {}),
        ("orders.csv", GOOD.encode("utf-16-le"), {"encoding": "utf-16-le"}),
        ("orders.csv", GOOD.encode("cp1252"), {"encoding": "windows-1252"}),
        ("orders.csv", GOOD.encode("cp850"), {"encoding": "cp850"}),
        ("orders.csv", as_parquet(GOOD), {}),
        ("orders.parquet", GOOD, {"format": "csv"}),
        ("orders.csv", GOOD.replace(",", "\t"), {"delimiter": r"\t"}),
        ("orders.csv", GOOD.replace(",", "||"), {"delimiter": "||"}),
    ],
)
def test_text_and_parquet_are_read_whatever_their_name_and_letters(
    base: MadeUpBase, name: str, content: bytes | str, source: dict[str, str]
) -> None:
    with_file(base, name, content, **source).ingest()
    assert base.frame("orders")["customer_id"].tolist() == ["Åse"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("orders.xlsx", zipped("xl/workbook.xml"), "is an Excel workbook"),
        ("orders.csv", zipped("xl/workbook.xml"), "is an Excel workbook"),
        ("orders.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "is an Excel workbook (97-2003)"),
        ("orders.zip", zipped("orders.csv"), "unpack it and name the files in it"),
        ("orders.csv", b"%PDF-1.7 x", "is a PDF"),
        ("orders.csv", "\n<!DOCTYPE html><html>", "is a web page (HTML)"),
        ("orders.csv", '{"order_id": 1}\n', "is JSON"),
        ("orders.csv", b"SQLite format 3\x00" + bytes(99), "is an SQLite database"),
        ("orders.csv", "version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("orders.csv", bytes(range(256)), "is a binary file"),
        ("orders.csv", GOOD.encode("utf-16-le"), "set `encoding: utf-16-le`"),
        ("orders.csv", GOOD.encode("cp1252"), "`encoding`, such as windows-1252"),
        ("orders.csv.gz", gzip.compress(as_parquet(GOOD)), "is a Parquet file, compressed by gzip"),
        ("orders.parquet", GOOD, "text under a name of Parquet is read with `format: csv`"),
        ("orders.csv", "sep=,\n" + GOOD, "meant for Excel"),
        ("orders.csv", GOOD.replace(",", ";"), 'the header is parted by semicolons: set `delimiter: ";"`'),
        ("orders.csv", GOOD.replace("amount", "AMOUNT,amount"), "with the same column twice: AMOUNT and amount"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_called_what_it_is(
    base: MadeUpBase, name: str, content: bytes | str, said: str
) -> None:
    assert said in refused(with_file(base, name, content))


def test_a_parquet_column_that_differs_in_case_only_is_refused(base: MadeUpBase) -> None:
    base.add("orders", pa.table({**{name: ["1"] for name in ORDERS}, "Amount": ["2"]}), ORDERS)
    assert "with the same column twice: amount and Amount" in refused(base)


def test_text_of_another_encoding_than_its_table_says_is_refused(base: MadeUpBase) -> None:
    report = refused(with_file(base, "orders.csv", GOOD, encoding="windows-1252"))
    assert "it is UTF-8 text, and its table says `encoding: cp1252`" in report


def test_a_folder_of_other_kinds_names_them(base: MadeUpBase) -> None:
    with_file(base, "in/orders.xlsx", zipped("xl/workbook.xml"))
    with_file(base, "in/readme.pdf", b"%PDF-1.7")
    base.tables["orders"]["files"] = "raw/in"
    assert "orders.xlsx is an Excel workbook" in refused(base)
    with_file(base, "in/orders.csv", GOOD)
    base.tables["orders"]["files"] = "raw/in"
    assert "has tables that are not read: orders.xlsx" in refused(base)  # half of the data is not all of it
    (base.root / "raw/in/orders.xlsx").unlink()
    base.ingest()
    (base.root / "raw/in/orders.csv").unlink()
    assert "has no file ending in .csv, .txt, .tsv, .parquet, .pq (readme.pdf is a PDF)" in refused(base)


@pytest.mark.parametrize(
    "name", ["orders[1].csv", "a*.csv", "w?.csv", "it's.csv", "[deep]/x.csv", "a{b,c}.csv"]
)
def test_a_file_name_is_never_a_pattern_to_the_engine(base: MadeUpBase, name: str) -> None:
    for other in ("orders1.csv", "ab.csv", "w1.csv", "d/x.csv"):
        with_file(base, other, GOOD.replace("1,", "9,", 1))
    with_file(base, name, GOOD).ingest()
    assert base.frame("orders")["order_id"].tolist() == ["1"]


def test_a_registered_parquet_file_is_read_as_itself(tmp_path: Path) -> None:
    for name in ("a*.parquet", "ab.parquet"):
        pq.write_table(pa.table({"name": [name]}), tmp_path / name)
    with DuckDBEngine(threads=1) as engine:
        engine.register("one", tmp_path / "a*.parquet")
        assert engine.fetch("select name from one")["name"].tolist() == ["a*.parquet"]


@pytest.mark.parametrize(
    "query",
    [
        "select source.* from source, read_csv('{root}/raw/other.csv')",
        "select source.* from source, '{root}/raw/other.csv'",
        "select source.* from source, read_text('{root}/raw/other.csv')",
        "select source.* from source, glob('{root}/raw/*')",
        "select source.* from source, read_csv('https://example.com/a.csv')",
        "select * from source; copy (select 1) to '{root}/out.csv'",
        "select * from source; install httpfs",
    ],
)
def test_a_query_reaches_the_declared_files_only(base: MadeUpBase, query: str) -> None:
    (base.root / "raw" / "other.csv").write_text("x\n1\n")
    with_file(base, "orders.csv", GOOD)
    base.tables["orders"] = {"files": "raw/orders.csv", "query": query.format(root=base.root)}
    assert "which the configuration does not declare" in refused(base)
    assert not (base.root / "out.csv").exists()


def test_a_condition_reaches_the_declared_files_only_and_a_query_reads_them(base: MadeUpBase) -> None:
    (base.root / "raw" / "other.csv").write_text("x\n1\n")
    inside = f"order_id in (select x from '{base.root}/raw/other.csv')"
    assert "does not declare" in refused(with_file(base, "orders.csv", GOOD, where=inside))
    base.tables["orders"] = {
        "files": "raw/orders.csv",
        "also": {"other": "raw/other.csv"},
        "query": "select source.* from source join other on order_id = x",
    }
    base.ingest()
    assert len(base.frame("orders")) == 1


def test_the_engine_fetches_and_loads_nothing_by_itself() -> None:
    names = ("autoinstall_known_extensions", "autoload_known_extensions", "allow_community_extensions")
    with DuckDBEngine(threads=1) as engine:
        asked = ", ".join(f"current_setting('{name}')" for name in names)
        assert engine.connection.execute(f"select {asked}").fetchone() == (False, False, False)


def test_files_that_can_not_be_read_are_named_all_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for file in files:
        file.write_text("x")

    def denied(file: Path) -> str:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr("segml.sources.files.file_sha256", denied)
    with pytest.raises(DataError, match=r"a\.csv: Permission denied\n.*b\.csv: Permission denied"):
        fingerprints(files, tmp_path)
