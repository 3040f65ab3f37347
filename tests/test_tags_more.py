"""R16, R17, R19: special categories, urbanity, season responders, and what each source of customers brings."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from segml.engine import Engine, open_engine
from segml.errors import ConfigurationError
from segml.features.plan import make_plan
from segml.features.snapshot import register_tables, snapshot_frame
from segml.scoring.places import load_places
from segml.scoring.seasons import register_seasons, season_prior, season_sql
from segml.scoring.source_table import source_frame
from segml.scoring.tag_sources import register_tag_sources
from segml.scoring.tag_table import available_columns, write_tags
from segml.scoring.tags import load_tags
from segml.terminal.making import sources_table
from segml.time_windows import Cutoff
from sources_base import ORDERS, MadeUpBase, csv_text

AS_OF = Cutoff.parse("2018-01-01")
DAY = 86_400
SPECIAL = ("gender", "marital_status", "occupation")


def tagged(engine: Engine, folder: Path, allow_special: bool = False) -> tuple[pd.DataFrame, dict[str, str]]:
    report = write_tags(engine, load_tags(), AS_OF, folder, allow_special)
    tags = pd.read_parquet(folder / "tags.parquet")
    names = tags["family"] + "." + tags["tag"]
    wide = tags.assign(name=names).pivot_table(
        index="customer_id", columns="name", values="value", aggfunc="first"
    )
    return wide, {f"{tag.family}.{tag.tag}": tag.reason for tag in report.unavailable}


# -- R17 and R19: seasons ---------------------------------------------------------------------------------------------


def test_r17_the_season_of_every_day_of_a_century_is_that_of_its_month() -> None:
    first, last = dt.date(1901, 3, 1), dt.date(2099, 12, 31)
    epoch = dt.date(1970, 1, 1)
    days = range((first - epoch).days, (last - epoch).days + 1)
    months = [(epoch + dt.timedelta(days=day)).month for day in days]
    wanted = [((month - 3) % 12) // 3 for month in months]
    frame = pd.DataFrame({"day": days})  # noqa: F841  (read by name)
    # Days before March 1968 are negative: every cycle is moved up by whole ones.
    found = duckdb.sql(f"select {season_sql('(day + 1461 * 100)')} as s from frame").fetchnumpy()["s"]
    assert found.tolist() == wanted


def orders_by_season(people: int, shares: np.ndarray, seed: int, a_year: float = 6.0) -> pd.DataFrame:
    """Draw order days over three years; `shares` (people, 4) is each person's share of the seasons."""
    rng = np.random.default_rng(seed)
    first = Cutoff.parse("2014-11-01").day
    rows = [pd.DataFrame({"who": np.arange(people), "day": first})]
    counts = rng.poisson(a_year * 3, people)
    who = np.repeat(np.arange(people), counts)
    season = (rng.random(len(who))[:, None] > shares[who].cumsum(axis=1)).sum(axis=1)
    start = np.array([59, 151, 243, 334])[season]  # days of a year at which they begin
    day = (
        Cutoff.parse("2015-01-01").day
        + (start + rng.integers(0, 89, len(who))) % 365
        + 365 * rng.integers(0, 3, len(who))
    )
    rows.append(pd.DataFrame({"who": who, "day": day}))
    orders = pd.concat(rows)
    return pd.DataFrame(
        {"customer_id": "c" + orders["who"].astype(str), "ordered_at": orders["day"] * DAY + 36_000}
    )


def seasons_of(orders: pd.DataFrame) -> pd.DataFrame:
    with open_engine(threads=1) as engine:
        engine.register("orders", orders)
        assert register_seasons(engine, AS_OF)
        return engine.fetch("select * from seasons").set_index("customer_id")


def test_r19_planted_season_responders_are_found_and_others_are_not() -> None:
    shares = np.full((4_000, 4), 0.25)
    shares[:400] = [0.1, 0.1, 0.1, 0.7]
    found = seasons_of(orders_by_season(4_000, shares, seed=1))
    strong = found[(found["lift"] >= 1.5) & (found["order_days"] >= 3)]
    planted = strong.index.isin([f"c{i}" for i in range(400)])
    assert planted.sum() > 300
    assert (strong.loc[planted, "season"] == "dec_feb").mean() > 0.95
    assert (~planted).sum() < 0.06 * 3_600


def test_r19_where_people_differ_by_chance_only_nobody_is_a_responder() -> None:
    uneven = np.tile([0.2, 0.2, 0.2, 0.4], (3_000, 1))  # a Christmas that is everybody's
    found = seasons_of(orders_by_season(3_000, uneven, seed=2))
    assert len(found) > 2_900
    assert (found["lift"] < 1.5).all()


def test_r19_orders_at_or_after_the_day_scored_and_row_order_change_no_season() -> None:
    orders = orders_by_season(300, np.full((300, 4), 0.25), seed=3)
    later = orders.assign(ordered_at=orders["ordered_at"] + (AS_OF.day * DAY - orders["ordered_at"].min()))
    mixed = pd.concat([orders, later]).sample(frac=1, random_state=4)
    pd.testing.assert_frame_equal(seasons_of(orders).sort_index(), seasons_of(mixed).sort_index())


def test_r19_somebody_known_for_less_than_a_year_has_no_season() -> None:
    orders = pd.DataFrame(
        {"customer_id": "new", "ordered_at": [(AS_OF.day - d) * DAY for d in (300, 30, 20, 10)]}
    )
    with open_engine(threads=1) as engine:
        engine.register("orders", orders)
        assert not register_seasons(engine, AS_OF)


def test_the_prior_of_a_season_is_that_of_its_beta_binomial() -> None:
    rng = np.random.default_rng(5)
    n = rng.poisson(12, 100_000) + 1
    x = rng.binomial(n, rng.beta(0.3 * 8, 0.7 * 8, len(n)))
    drawn = pd.DataFrame({"n": n, "x": x, "xx": x * x}).groupby("n")
    by = drawn.sum().assign(people=drawn.size())
    share, weight = season_prior(by.index, by["people"], by["x"], by["xx"])
    assert share == pytest.approx(0.3, abs=0.005)
    assert weight == pytest.approx(8, rel=0.05)


def test_r19_a_burst_within_one_winter_is_no_season(tmp_path: Path) -> None:
    shares = np.full((500, 4), 0.25)
    shares[:100] = [0.0, 0.0, 0.0, 1.0]
    orders = orders_by_season(500, shares, seed=8)
    first = Cutoff.parse("2014-06-01").day
    for who, days in (("burst", range(0, 60, 6)), ("comes_back", (0, 1, 365, 366, 730, 731))):
        winter = [
            first,
            *(Cutoff.parse("2015-12-05").day + day - 365 * (who == "comes_back") for day in days),
        ]
        mine = pd.DataFrame({"customer_id": who, "ordered_at": [day * DAY for day in winter]})
        orders = pd.concat([orders, mine])
    found = seasons_of(orders)
    assert found.loc["burst", ["season", "years"]].tolist() == ["dec_feb", 1.0]
    assert found.loc["comes_back", ["season", "years"]].tolist() == ["dec_feb", 2.0], (
        "the first of three winters lies outside"
    )
    with open_engine(threads=1) as engine:
        engine.register("orders", orders)
        engine.register("customers", pd.DataFrame({"customer_id": ["burst", "comes_back"]}))
        register_tag_sources(engine, AS_OF)
        wide, _ = tagged(engine, tmp_path / "tags")
    assert wide["behavioural.season"].to_dict() == {"comes_back": "dec_feb"}


# -- R17: places ------------------------------------------------------------------------------------------------------


def people(**columns: list[object]) -> pd.DataFrame:
    size = len(next(iter(columns.values())))
    return pd.DataFrame({"customer_id": [f"c{i}" for i in range(size)], **columns})


def test_r17_urbanity_is_that_of_the_longest_beginning_of_the_postcode(tmp_path: Path) -> None:
    (tmp_path / "places.csv").write_text(
        "country,postcode,people_per_km2,climate\nDK,1,6000,coast\nDK,15,299.9,\nSE,114 55,1500,inland\nDK,9-9,300,\n"
    )
    codes = ["1050", "15 00", "114 55", "11455", "99 80", "8000", None]
    lands = ["DK", "Danmark", "Sverige", "DK", "DK", "DK", "DK"]
    with open_engine(threads=1) as engine:
        engine.register("customers", people(postcode=codes, country=lands))
        found = register_tag_sources(engine, AS_OF, places=load_places(tmp_path / "places.csv"))
        assert found == ["places"]
        wide, _ = tagged(engine, tmp_path / "tags")
    urban, climate = (wide[f"geographic.{tag}"].dropna().to_dict() for tag in ("urbanity", "climate"))
    assert urban == {"c3": "city", "c0": "city", "c1": "rural", "c2": "city", "c4": "town"}
    assert climate == {"c0": "coast", "c1": "coast", "c2": "inland", "c3": "coast"}


def test_r17_without_a_list_urbanity_is_unavailable_with_the_reason(tmp_path: Path) -> None:
    with open_engine(threads=1) as engine:
        engine.register("customers", people(postcode=["1050"], country=["DK"], language=["da"]))
        register_tag_sources(engine, AS_OF)
        wide, unavailable = tagged(engine, tmp_path / "tags")
    assert "`places` in the configuration names a list of postcodes" in unavailable["geographic.urbanity"]
    assert "of order days over a whole year" in unavailable["behavioural.season"]
    assert wide["geographic.language"].tolist() == ["da"]


def test_r17_a_list_that_is_none_is_refused_with_every_mistake(tmp_path: Path) -> None:
    file = tmp_path / "places.csv"
    file.write_text(
        "country,postcode,people_per_km2\nDK,1,many\nAtlantis,2,5\n,3,5\nDK,,5\nDK,0-4,5\nDK,04,-5\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        load_places(file)
    for said in (
        "a row without a postcode: 1, first in line 5",
        "a country that is not recognised: 1, first in line 3",
        "rows with a country and rows without one: 1, first in line 4",
        "a density that is no number of people: 2, first in line 2, 7",
        "a postcode twice: 1, first in line 7",
    ):
        assert said in str(caught.value)
    file.write_text("post_code,density\n1,2\n")
    with pytest.raises(
        ConfigurationError, match="unknown column 'post_code' \\(did you mean 'postcode'\\?\\)"
    ):
        load_places(file)
    with pytest.raises(ConfigurationError, match="no file"):
        load_places(tmp_path / "nowhere.csv")


# -- R19: touches and sources -----------------------------------------------------------------------------------------


def test_r19_the_last_touch_is_the_last_visit_that_tells_before_the_day_scored(tmp_path: Path) -> None:
    web = pd.DataFrame(
        [
            ("c0", 9, "newsletter"), ("c0", 3, "search_ads"), ("c0", 2, None), ("c0", -1, "organic"),
            ("c1", 5, "b"), ("c1", 5, "a"), ("c2", 1, None),
        ],
        columns=["customer_id", "before", "source"],
    )  # fmt: skip
    web = web.assign(
        occurred_at=[(AS_OF.day - before) * DAY for before in web["before"]], event="visit", category=None
    )
    with open_engine(threads=1) as engine:
        engine.register("customers", people(source=["shop", None, "app"]))
        engine.register(
            "orders", pd.DataFrame({"customer_id": ["c9"], "ordered_at": [(AS_OF.day - 5) * DAY]})
        )
        engine.register("web_events", web.astype({"category": "str"}))
        register_tag_sources(engine, AS_OF)
        wide, _ = tagged(engine, tmp_path / "tags")
    assert wide["source.last_touch"].dropna().to_dict() == {"c0": "search_ads", "c1": "b"}
    assert wide["source.first_touch"].dropna().to_dict() == {"c0": "shop", "c2": "app"}


def source_base(engine: Engine, size: int = 3_000) -> pd.DataFrame:
    rng = np.random.default_rng(6)
    source = rng.choice(["ads", "shop", "odd"], size, p=[0.6, 0.398, 0.002])
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(size)],
            "source": source,
            "orders_total": np.where(rng.random(size) < 0.1, 0.0, 1.0 + rng.poisson(1.0, size)),
            "tenure_days": rng.integers(0, 800, size).astype("float64"),
            "clv_historic": rng.gamma(2.0, np.where(source == "ads", 20.0, 40.0)),
        }
    )
    frame["repeat_orders"] = (frame["orders_total"] - 1).clip(lower=0)
    engine.register("customers", frame[["customer_id", "source"]])
    engine.register("features", frame[["customer_id", "orders_total", "repeat_orders", "tenure_days"]])
    engine.register("scores", frame[["customer_id", "clv_historic"]])
    return frame


def test_r19_one_timer_rate_and_value_by_source_have_their_intervals() -> None:
    with open_engine(threads=1) as engine:
        truth = source_base(engine)
        table = source_frame(engine, available_columns(engine), 180, 365, 10)
    assert table is not None
    assert table["source"].tolist() == ["ads", "shop", "odd"]
    ads = truth[(truth["source"] == "ads") & (truth["orders_total"] > 0)]
    mature = ads[ads["tenure_days"] >= 180]
    row = table.iloc[0]
    assert (row["buyers"], row["mature_buyers"]) == (len(ads), len(mature))
    # Wilson's interval, written out (Brown, Cai and DasGupta 2001, equation 4)
    n, p, z = len(mature), (mature["orders_total"] == 1).mean(), 1.959964
    middle, reach = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    bounds = (middle - reach) / (1 + z**2 / n), (middle + reach) / (1 + z**2 / n)
    found = row[["one_timer_rate", "one_timer_rate_low", "one_timer_rate_high"]].tolist()
    assert found == pytest.approx([p, *bounds], abs=1e-6)
    assert row["clv_historic_mean"] == pytest.approx(ads["clv_historic"].mean(), abs=0.01)
    error = ads["clv_historic"].std() / np.sqrt(len(ads))
    low, high = row["clv_historic_mean_low"], row["clv_historic_mean_high"]
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.02)
    assert high - row["clv_historic_mean"] > row["clv_historic_mean"] - low  # the skew of spend is in it
    assert table.iloc[2].filter(like="_rate").isna().all(), "six people are too few for a figure"


def test_r19_the_order_of_rows_changes_no_source() -> None:
    with open_engine(threads=1) as engine:
        source_base(engine)
        once = source_frame(engine, available_columns(engine), 180, 365, 10)
        for name in ("customers", "features", "scores"):
            engine.run(f"select * from {name} order by md5(customer_id)", f"{name}_mixed")
            engine.register(name, engine.fetch(f"select * from {name}_mixed"))
        again = source_frame(engine, available_columns(engine), 180, 365, 10)
    assert once is not None
    pd.testing.assert_frame_equal(once, again)


def test_r19_without_a_source_there_is_no_table() -> None:
    with open_engine(threads=1) as engine:
        source_base(engine)
        engine.register("customers", people(country=["DK"]))
        assert source_frame(engine, available_columns(engine), 180, 365, 10) is None


# -- R16 --------------------------------------------------------------------------------------------------------------


def test_r16_special_fields_are_tags_only_when_asked_for(tmp_path: Path) -> None:
    with open_engine(threads=1) as engine:
        engine.register("customers", people(**{name: ["x"] for name in SPECIAL}, age_band=["18-29"]))
        off, unavailable = tagged(engine, tmp_path / "off")
        on, _ = tagged(engine, tmp_path / "on", allow_special=True)
    assert list(off.columns) == ["demographic.age_band"]
    assert all("opt in" in unavailable[f"demographic.{name}"] for name in SPECIAL)
    assert {f"demographic.{name}" for name in SPECIAL} <= set(on.columns)


def test_r16_no_feature_changes_with_any_field_about_the_person(tmp_path: Path) -> None:
    fields = [
        "birth_date",
        "age_band",
        *SPECIAL,
        "income_band",
        "household_size",
        "children",
        "language",
        "first_name",
    ]
    orders = [f"o{i},c{i % 7},2017-{1 + i % 9:02d}-{1 + i % 28:02d},{i}" for i in range(60)]
    features = []
    for turn in range(2):
        base = MadeUpBase(tmp_path / str(turn))
        born = [f"1980-0{1 + i if turn else 1}-01" for i in range(7)]
        told = [f"c{i},{born[i]}," + ",".join([f"{turn * i}"] * (len(fields) - 1)) for i in range(7)]
        base.add("customers", csv_text(["customer_id", *fields], *told))
        base.add("orders", csv_text(ORDERS, *orders)).ingest()
        with open_engine(threads=1) as engine:
            register_tables(engine, base.file("orders").parent)
            plan = make_plan(engine, AS_OF)
            features.append(snapshot_frame(engine, plan, AS_OF)[0])
        assert not {name for name in plan.meanings if any(field in name for field in SPECIAL)}
    pd.testing.assert_frame_equal(features[0], features[1])
    assert len(features[0]) == 7


def test_r19_the_score_screen_tells_each_source_with_intervals_and_who_is_too_few() -> None:
    with open_engine(threads=1) as engine:
        source_base(engine)
        table = source_frame(engine, available_columns(engine), 180, 365, 10)
    assert table is not None
    console = Console(record=True, width=160)
    console.print(sources_table(table, 180, "EUR"))
    lines = {
        line.split()[0]: " ".join(line.split()) for line in console.export_text().splitlines() if line.split()
    }
    first = table.iloc[0]
    rate = f"{first['one_timer_rate']:.0%} ({first['one_timer_rate_low']:.0%} to {first['one_timer_rate_high']:.0%})"
    assert rate in lines["ads"]
    assert "too few" in lines["odd"]
    assert "EUR" in " ".join(lines.values())


def test_events_and_tickets_without_optional_columns_are_read() -> None:
    moments = pd.DataFrame({"customer_id": ["a"], "occurred_at": [5], "event": ["search"]})
    tickets = pd.DataFrame({"customer_id": ["a"], "ticket_id": ["t"], "opened_at": [5]})
    orders = pd.DataFrame({"customer_id": ["a"], "customer_key": [1], "ordered_at": [1], "order_no": [1]})
    with open_engine(threads=1) as engine:
        for name, frame in (("web_events", moments), ("support_tickets", tickets), ("orders", orders)):
            engine.register(name, frame)
        found = register_tag_sources(engine, Cutoff(1))
        assert "web" in found
        assert "support" not in found
        assert pd.isna(engine.fetch("select last_category from web")["last_category"][0])
