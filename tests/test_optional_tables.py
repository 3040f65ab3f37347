"""R01: without any one optional table, everything that does not depend on it is the same, byte for byte."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from segml.config import Config, load_config
from segml.engine import open_engine
from segml.engine.duckdb import DuckDBEngine
from segml.features.plan import make_plan
from segml.features.snapshot import snapshot_frame
from segml.scoring.tag_sources import register_tag_sources
from segml.scoring.tag_table import write_tags
from segml.scoring.tags import load_tags
from segml.sources.ingest import ingest
from segml.sources.synthetic import SyntheticShop, write_shop
from segml.tables.catalog import TABLES
from segml.time_windows import Cutoff

PROJECT = Path(__file__).parents[1]
OPTIONAL = sorted(name for name, table in TABLES.items() if not table.mandatory)
# Who is in the base at all: prospects are known from `customers`, and who objected to profiling from `consents`.
WHO_IS_IN = ("customers", "consents")
# What a table says of another's rows, beside its own: nothing but these.
DERIVED = {"customers": {"customers"}}
Outputs = tuple[dict[str, bytes], pd.DataFrame, pd.DataFrame, dict[str, str]]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Outputs]:
    """Return what a base gives without one table ('' for none left out)."""
    root = tmp_path_factory.mktemp("optional")
    write_shop(SyntheticShop(n_customers=150, days=500, seed=5), root / "data" / "raw" / "synthetic")
    shipped = load_config(PROJECT / "configs" / "synthetic.yaml")
    unmerged = shipped.identity.model_copy(
        update={"keys": ()}
    )  # merging reads `customers`: see test_identity

    @functools.cache
    def made(left_out: str) -> Outputs:
        tables = {name: source for name, source in shipped.tables.items() if name != left_out}
        changes = {"tables": tables, "identity": unmerged, "root": root, "data_folder": f"without_{left_out}"}
        return _outputs(shipped.model_copy(update=changes), root / f"tags_{left_out}")

    return made


def _outputs(config: Config, folder: Path) -> Outputs:
    with DuckDBEngine(threads=1) as reader:
        report = ingest(config, reader)
    validated = {name: (report.folder / f"{name}.parquet").read_bytes() for name in report.tables}
    as_of = Cutoff.after(report.last_event)
    with open_engine(threads=1) as engine:
        for name in report.tables:
            engine.register(name, report.folder / f"{name}.parquet")
        features, _ = snapshot_frame(engine, make_plan(engine, as_of), as_of)
        engine.register("features", features.reset_index())
        register_tag_sources(engine, as_of)
        written = write_tags(engine, load_tags(), as_of, folder)
    tags = pd.read_parquet(folder / "tags.parquet")
    return validated, features, tags, {f"{tag.family}.{tag.tag}": tag.reason for tag in written.unavailable}


@pytest.mark.parametrize("left_out", OPTIONAL)
def test_r01_without_an_optional_table_what_does_not_depend_on_it_is_the_same(
    outputs: Callable[[str], Outputs], left_out: str
) -> None:
    whole, whole_features, whole_tags, whole_reasons = outputs("")
    part, features, tags, reasons = outputs(left_out)
    assert set(part) == set(whole) - ({left_out} - DERIVED.get(left_out, set()))
    for name in set(part) - DERIVED.get(left_out, set()):
        assert part[name] == whole[name], name
    common = whole_features.index.intersection(features.index)
    if left_out not in WHO_IS_IN:
        assert whole_features.index.equals(features.index)
    names = [name for name in whole_features if name in features]
    assert set(features) <= set(whole_features)
    pd.testing.assert_frame_equal(
        whole_features.loc[common, names], features.loc[common, names], check_exact=True
    )
    lost = set(reasons) - set(whole_reasons)
    assert all(left_out in reasons[name] or "features." in reasons[name] for name in lost), lost
    if left_out in WHO_IS_IN:
        return
    kept = ~(whole_tags["family"] + "." + whole_tags["tag"]).isin(lost)
    order = ["customer_id", "family", "tag"]
    pd.testing.assert_frame_equal(
        whole_tags[kept].sort_values(order, ignore_index=True), tags.sort_values(order, ignore_index=True)
    )


def test_r01_every_optional_table_is_there_to_be_left_out(outputs: Callable[[str], Outputs]) -> None:
    assert set(outputs("")[0]) == set(TABLES)
