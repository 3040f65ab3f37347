"""Configurations: every mistake is named at once, and the shipped ones are whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from segml.campaigns.catalogue import load_campaigns
from segml.config import Config, TableSource, load_config, project_root, validated
from segml.errors import ConfigurationError
from segml.measurement.goals import load_goals
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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [*a]", "an alias that holds itself"),
        ("a: " + "[" * 3_000 + "]" * 3_000, "more than 40 levels"),
        ("{a: " * 3_000 + "1" + "}" * 3_000, "more than 40 levels"),
        ("seed: " + "9" * 5_000, "Exceeds the limit"),
        ("as_of: 2023-02-30", "2023-02-30 is no day there is"),
    ],
)
def test_yaml_that_can_not_be_meant_is_one_short_error(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        load_config(written(tmp_path, text))
    assert len(str(caught.value).splitlines()) <= 4


@pytest.mark.parametrize("inner", ["[{}]", "{{<<: [{}]}}"])
def test_aliases_that_unfold_without_end_are_refused(tmp_path: Path, inner: str) -> None:
    lines = ["a: &a {k: 1}"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} " + inner.format(", ".join([f"*{before}"] * 9)))
    with pytest.raises(ConfigurationError, match="aliases unfolded"):
        load_config(written(tmp_path, "\n".join(lines)))


def test_a_value_that_needs_quotes_is_shown_with_them(tmp_path: Path) -> None:
    text = MINIMAL.replace("{files: orders.csv", "{time_format: %d.%m.%Y, files: orders.csv")
    with pytest.raises(ConfigurationError, match="put the value in quotes"):
        load_config(written(tmp_path, text))
    with pytest.raises(ConfigurationError, match=r'put the value in quotes: time_format: "%d\.%m\.%Y"'):
        load_config(written(tmp_path, "tables:\n  orders:\n    time_format: %d.%m.%Y\n"))


def test_ten_thousand_mistakes_are_told_on_one_screen(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="has 10,000 mistakes") as caught:
        load_config(written(tmp_path, MINIMAL + "".join(f"key{i}: 1\n" for i in range(10_000))))
    assert len(str(caught.value).splitlines()) <= 30
    assert "and 9,980 more" in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("as_of=2023-02-30", "2023-02-30"),
        ("as_of='2023-02-30'", "2023-02-30 is not a day"),
        ("as_of=no", "is not a day"),
        ("cleaning.events_before=2023-02-30", "2023-02-30"),
        ("memory=4 gigs", "4 gigs is no amount of memory"),
        ("memory=4", "no amount of memory"),
        ("memory=80%", "no amount of memory"),
        ("memory=1KB", "too little memory"),
        ("tables.orders.delimiter=;;;;;", "up to 4 bytes"),
        ("tables.orders.thousands=.", "one mark can't be both"),
        ("tables.orders.encoding=windows-1253x", "did you mean 'windows-1252'"),
        ("tables.orders.time_format=dd.MM.yyyy", 'write "%d.%m.%Y"'),
        ("tables.orders.time_format=%Q", "'%Q', which no format has"),
    ],
)
def test_values_that_can_not_be_are_configuration_errors(tmp_path: Path, setting: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_config(written(tmp_path, MINIMAL), [setting])
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("day", ["2023-02-30", "'2023-02-30'"])
def test_a_goal_of_an_impossible_day_is_a_configuration_error(tmp_path: Path, day: str) -> None:
    goal = f"goals: [{{kpi: active_share, baseline: 1, target: 2, since: 2022-01-01, deadline: {day}}}]"
    (tmp_path / "goals.yaml").write_text(goal)
    with pytest.raises(ConfigurationError, match="2023-02-30"):
        load_goals(tmp_path / "goals.yaml")


def test_a_campaign_of_an_impossible_day_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "hello.yaml").write_text("name: hello\nbudget: 2023-02-30\n")
    with pytest.raises(ConfigurationError, match="2023-02-30 is no day there is"):
        load_campaigns(tmp_path)


def test_a_tab_and_an_amount_of_memory_are_read_in_their_spellings(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, MINIMAL), [r"tables.orders.delimiter=\t", "memory=1.5 gib"])
    assert (config.tables["orders"].delimiter, config.memory) == ("\t", "1.5GiB")


def test_a_configuration_that_can_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, MINIMAL)
    file.write_bytes("base: shåp".encode("latin-1"))
    with pytest.raises(ConfigurationError, match="not UTF-8 text: byte 0xe5"):
        load_config(file)

    def denied(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", denied)
    with pytest.raises(ConfigurationError, match=r"shop\.yaml can't be read: Permission denied"):
        load_config(file)
