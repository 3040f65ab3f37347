"""Configurations: every mistake is named at once, and the shipped ones are whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from segml.config import Config, TableSource, load_config, project_root, validated
from segml.errors import ConfigurationError
from segml.tables.catalog import TABLES

PROJECT = Path(__file__).parents[1]
BASES = ("completejourney", "cdnow", "online_retail", "synthetic")
MINIMAL = """
base: shop
currency: EUR
tables:
  orders: {files: orders.csv, columns: [order_id, customer_id, ordered_at, amount]}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "shop.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("base", BASES)
def test_shipped_configurations_are_whole(base: str) -> None:
    config = load_config(PROJECT / "configs" / f"{base}.yaml")
    assert config.base == base
    assert config.root == PROJECT
    for name, source in config.tables.items():
        assert set(source.columns) <= set(TABLES[name].column_names)
    if not config.lists.consent.required:
        assert "no list" in config.lists.consent.basis


def test_the_synthetic_base_has_every_table_of_the_catalogue() -> None:
    config = load_config(PROJECT / "configs" / "synthetic.yaml")
    assert {name: tuple(source.columns) for name, source in config.tables.items()} == {
        name: table.column_names for name, table in TABLES.items()
    }


def test_horizons_of_complete_journey_divide_its_year() -> None:
    horizons = load_config(PROJECT / "configs" / "completejourney.yaml").horizons
    assert (horizons.dormancy, horizons.churn, horizons.clv, horizons.all_days) == (56, 84, 56, (56, 84))


def test_a_minimal_configuration_takes_defaults(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, MINIMAL))
    assert config.tables["orders"].files == ("orders.csv",)
    assert config.tables["orders"].columns["amount"] == "amount"
    assert config.data_path("validated", "x") == tmp_path / "data" / "validated" / "shop" / "x"


def test_all_mistakes_come_at_once_with_the_nearest_name(tmp_path: Path) -> None:
    text = (
        MINIMAL.replace("EUR", "euro")
        + "horizon: {churn: 3}\ncleaning: {exact_duplicate: drop}\ntime_zone: Europe/Berlim\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        load_config(written(tmp_path, text))
    message = str(caught.value)
    assert "has 4 mistakes" in message
    for said in ("'horizons'", "'exact_duplicates'", "'Europe/Berlin'", "currency"):
        assert said in message


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"files": "a.csv"}, "either `columns` or a `query`"),
        ({"files": "a.csv", "columns": ["order_id"], "query": "select 1"}, "either `columns` or a `query`"),
        ({"files": "a.csv", "columns": ["order_id"], "time_zone": "Mars"}, "unknown time zone 'Mars'"),
        ({"columns": ["order_id"]}, "missing key 'files'"),
        ({"files": "a.csv", "columns": ["order_id"], "decimal": ";"}, "decimal"),
    ],
)
def test_a_table_says_where_it_comes_from(source: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match="mistake") as caught:
        validated(TableSource, source, "shop.yaml")
    assert said in str(caught.value)


def test_more_files_may_be_one_or_many() -> None:
    source = validated(
        TableSource, {"files": ["a", "b"], "query": "q", "also": {"c": "d", "e": ["f", "g"]}}, "x"
    )
    assert source.also == {"c": ("d",), "e": ("f", "g")}


def test_a_base_needs_orders(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="needs `orders` or `order_lines`"):
        load_config(written(tmp_path, MINIMAL.replace("orders:", "customers:")))


def test_overrides_replace_single_settings(tmp_path: Path) -> None:
    file = written(tmp_path, MINIMAL)
    config = load_config(file, ["horizons.churn=90", "seed=7", "lists.consent.required=true"])
    assert (config.horizons.churn, config.horizons.dormancy, config.seed) == (90, 60, 7)
    for wrong, said in (("seed", "key=value"), ("seed.x=1", "holds no keys"), ("sed=1", "'seed'")):
        with pytest.raises(ConfigurationError, match="seed") as caught:
            load_config(file, ["seed=1", wrong])
        assert said in str(caught.value)


def test_dormancy_is_the_shorter_horizon(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="the short horizon"):
        load_config(written(tmp_path, MINIMAL), ["horizons.dormancy=200"])


def test_days_may_be_written_as_yaml_reads_them(tmp_path: Path) -> None:
    file = written(tmp_path, MINIMAL + "as_of: 2017-11-06\ncleaning: {events_before: 2018-01-01}\n")
    config = load_config(file)
    assert (config.as_of, config.cleaning.events_before) == ("2017-11-06", "2018-01-01")
    with pytest.raises(ConfigurationError, match="events_before"):
        load_config(file, ["cleaning.events_before=1.1.2018"])


def test_consent_that_is_not_required_needs_a_basis(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="must say why"):
        load_config(written(tmp_path, MINIMAL), ["lists.consent.required=false"])


@pytest.mark.parametrize("text", ["- a list", "a: [", "\t"])
def test_a_file_that_is_no_mapping_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"shop\.yaml"):
        load_config(written(tmp_path, text))


def test_a_missing_file_is_named_with_the_nearest(tmp_path: Path) -> None:
    written(tmp_path, MINIMAL)
    with pytest.raises(ConfigurationError, match=r"did you mean '.*shop\.yaml'"):
        load_config(tmp_path / "shopp.yaml")


def test_paths_start_from_the_folder_above_configs(tmp_path: Path) -> None:
    assert project_root(tmp_path / "configs" / "engine" / "spark.yaml") == tmp_path.resolve()
    assert project_root(tmp_path / "shop.yaml") == tmp_path.resolve()


def test_settings_are_frozen(tmp_path: Path) -> None:
    config: Config = load_config(written(tmp_path, MINIMAL))
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "base: other\n", "the key 'base' stands twice, in lines 2 and 6"),
        (MINIMAL + "lists: {budget: 1, budget: 2}\n", "the key 'budget' stands twice, in lines 6 and 6"),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_both_lines(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_config(written(tmp_path, text))


def test_anchors_and_merged_keys_are_no_duplicates(tmp_path: Path) -> None:
    text = MINIMAL + "horizons: &h {dormancy: 30, churn: 60}\ncutoffs: {every_days: 7}\nlists: {}\n"
    merged = text.replace("churn: 60}", "churn: 60, clv: 60}").replace(
        "lists: {}", "gone: {<<: *h, churn: 90}"
    )
    with pytest.raises(ConfigurationError, match="unknown key 'gone'"):
        load_config(written(tmp_path, merged))
