"""R03: one person is one person, whatever they wrote down about themselves, and nothing is lost on the way."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segml.campaigns.holdout import is_held_out
from segml.campaigns.list_files import list_history
from segml.cli import main
from segml.config import load_config
from segml.engine.duckdb import DuckDBEngine
from segml.errors import ConfigurationError, DataError, SegmlError
from segml.measurement.built import BuiltList
from segml.measurement.people import make_people
from segml.sources.erased import erased_digest, erased_digests, remember_erased
from segml.sources.identity import IdentityCount, component_roots, records_of
from segml.sources.ingest import ingest
from segml.sources.synthetic import SyntheticShop, write_shop
from segml.tables.consent import objectors_sql
from segml.time_windows import Cutoff, Window
from sources_base import ORDERS, MadeUpBase, csv_text
from test_cli import CAMPAIGN, CONFIGURATION, one_order_each

PROJECT = Path(__file__).parents[1]
PEOPLE = ["customer_id", "joined_at", "birth_date", "country", "email", "phone", "card", "source"]
ALL_KEYS = {"keys": ["email", "phone", "card"]}


@pytest.fixture
def base(tmp_path: Path) -> MadeUpBase:
    return MadeUpBase(tmp_path)


def with_people(base: MadeUpBase, *rows: str) -> MadeUpBase:
    """Add records, and one order of each: o1 of the first record for 1.00, o2 of the second for 2.00 ..."""
    ids = [row.partition(",")[0] for row in rows]
    orders = [f"o{i},{who},2017-01-{i:02d},{i}" for i, who in enumerate(ids, 1)]
    return base.add("customers", csv_text(PEOPLE, *rows)).add("orders", csv_text(ORDERS, *orders))


def persons(base: MadeUpBase) -> dict[str, str]:
    return dict(pd.read_parquet(base.file("identity"))[["customer_id", "person_id"]].itertuples(index=False))


def test_r03_records_that_share_a_key_in_any_spelling_are_one_person(base: MadeUpBase) -> None:
    with_people(
        base,
        "b,2016-01-02,,DK,Ann@X.dk,,,web",
        "a,2016-05-01,,Danmark,ann@x.DK,20 12 34 56,,shop",
        "c,2016-07-01,,,,0045 20123456,60 09-1,app",
        "d,,,SE,,,6009 1,",
        "e,2016-07-01,,SE,,20 12 34 56,,app",
    )
    report = base.ingest(identity=ALL_KEYS)
    assert persons(base) == {"a": "b", "b": "b", "c": "b", "d": "b", "e": "e"}
    assert str(report.identity) == "5 records are 2 people (joined by e-mail 1, phone 1, card 1)"
    assert report.tables["customers"].reasons == {"merged_into_another_record": 3}
    assert base.frame("orders").groupby("customer_id")["order_no"].apply(list).to_dict() == {
        "b": [1, 2, 3, 4],
        "e": [1],
    }


def test_r03_a_person_has_the_newest_word_and_the_first_beginning(base: MadeUpBase) -> None:
    with_people(
        base,
        "b,2016-01-02,1980-02-03,DK,ann@x.dk,,,web",
        "a,2016-05-01,,SE,Ann@x.dk,,,shop",
    ).ingest(identity=ALL_KEYS)
    (person,) = base.frame("customers").to_dict("records")
    assert (person["customer_id"], person["country"], person["email"]) == ("b", "SE", "Ann@x.dk")
    assert (person["source"], person["joined_at"]) == ("web", Cutoff.parse("2016-01-02").seconds)
    assert pd.notna(person["birth_date"])


def test_r03_a_chain_of_any_length_is_one_person() -> None:
    links = np.random.default_rng(1).permutation(5_000)
    nodes, roots = component_roots(links[:-1], links[1:])
    assert len(nodes) == 5_000
    assert set(roots) == {0}


def test_r03_nothing_is_merged_unless_keys_are_named(base: MadeUpBase) -> None:
    with_people(base, "a,,,DK,ann@x.dk,,,", "b,,,DK,ann@x.dk,,,")
    assert base.ingest().identity is None
    assert len(base.frame("customers")) == 2
    assert not base.file("identity").exists()


def test_r03_a_shop_s_own_number_joins_nobody_and_is_counted(base: MadeUpBase) -> None:
    rows = [f"c{i},,,DK,info@shop.dk,20 12 34 5{i // 3},," for i in range(5)]
    report = with_people(base, *(row + "," for row in rows)).ingest(
        identity={"keys": ["email", "phone"], "most_records": 3}
    )
    assert report.identity.left_alone == {"values of e-mail shared by more than 3 records": 1}
    assert (report.identity.records, report.identity.people) == (5, 2)


def test_r03_two_dates_of_birth_are_two_people(base: MadeUpBase) -> None:
    rows = ["a,,1980-01-01,DK,home@x.dk,,,", "b,,2010-01-01,DK,home@x.dk,,,", "c,,,DK,c@x.dk,,,"]
    report = with_people(base, *rows).ingest(identity=ALL_KEYS)
    assert persons(base) == {"a": "a", "b": "b", "c": "c"}
    assert "shared by records with different dates of birth" in str(report.identity)


def test_r03_what_can_not_be_read_is_no_key(base: MadeUpBase) -> None:
    rows = [
        "a,,,DK,none,0000,,",
        "b,,,DK,none,0000,,",
        "c,,,,x y@z.dk,12345678,,",
        "d,,,,x y@z.dk,12345678,,",
    ]
    assert with_people(base, *rows).ingest(identity=ALL_KEYS).identity.people == 4


def test_r03_a_phone_is_read_in_its_own_country_or_in_the_one_stated(base: MadeUpBase) -> None:
    with_people(
        base,
        "a,,,,,20123456,,",
        "b,,,,,+45 20 12 34 56,,",
        "c,,,SE,,070-123 45 67,,",
        "d,,,,,0046701234567,,",
    )
    assert base.ingest(identity={"keys": ["phone"]}).identity.people == 3
    assert base.ingest(identity={"keys": ["phone"], "region": "DK"}).identity.people == 2


def test_r03_the_id_of_a_person_outlives_later_records(base: MadeUpBase) -> None:
    late = "m,2016-06-01,,DK,ann@x.dk,,,"
    with_people(base, late, "z,2016-09-01,,DK,zoe@x.dk,,,").ingest(identity=ALL_KEYS)
    older = "a,2015-01-01,,DK,Ann@x.dk,,,"  # found later, though it is older: scores and arms go on under `m`
    with_people(base, late, "z,2016-09-01,,DK,zoe@x.dk,,,", older).ingest(identity=ALL_KEYS)
    assert persons(base) == {"a": "m", "m": "m", "z": "z"}
    bridge = "y,2017-01-01,,DK,zoe@x.dk,,7,", "x,2017-01-02,,DK,ann@x.dk,,7,"
    with_people(base, late, "z,2016-09-01,,DK,zoe@x.dk,,,", older, *bridge).ingest(identity=ALL_KEYS)
    assert set(persons(base).values()) == {"m"}, "of two people known before, the older record's id stays"
    assert base.ingest(identity=ALL_KEYS).skipped


def test_r03_a_split_gives_the_other_record_its_own_id_back(base: MadeUpBase) -> None:
    with_people(base, "a,,,DK,ann@x.dk,,,", "b,,,DK,ann@x.dk,,,").ingest(identity=ALL_KEYS)
    with_people(base, "a,,,DK,ann@x.dk,,,", "b,,,DK,bob@x.dk,,,").ingest(identity=ALL_KEYS)
    assert persons(base) == {"a": "a", "b": "b"}


def test_keys_that_are_not_there_are_named_with_everything_else(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, "1,ann,2017-01-01,-1"))
    with pytest.raises(DataError, match=r"identity\.keys needs a table `customers`") as caught:
        base.ingest(identity={"keys": ["email"]})
    assert "negative money" in str(caught.value)
    base.add("customers", csv_text(["customer_id", "email"], "ann,a@x.dk"))
    with pytest.raises(DataError, match=r"customers\.card: identity\.keys asks for it, and it is not mapped"):
        base.ingest(identity={"keys": ["email", "card"]})


def test_an_unknown_key_or_country_is_a_mistake_of_the_configuration(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, "1,ann,2017-01-01,1"))
    for wrong, said in (
        ({"keys": ["mail"]}, "identity.keys.0"),
        ({"keys": ["email", "email"]}, "a key is named twice"),
        ({"keys": ["phone"], "region": "Denmark"}, "identity.region"),
        ({"most_records": 1}, "identity.most_records"),
        ({"key": ["email"]}, "did you mean 'keys'?"),
    ):
        with pytest.raises(ConfigurationError, match=said.replace("?", r"\?")):
            base.config(identity=wrong)


def test_an_id_given_twice_is_refused_and_not_merged_away(base: MadeUpBase) -> None:
    with_people(base, "a,2016-01-01,,DK,ann@x.dk,,,", "a,2016-02-01,,DK,ann@x.dk,,,")
    base.add("orders", csv_text(ORDERS, "1,a,2017-01-01,1"))
    with pytest.raises(DataError, match=r"customers\.customer_id: duplicate key"):
        base.ingest(identity=ALL_KEYS)


def test_one_answer_of_a_person_a_moment_stays_and_the_other_is_counted(base: MadeUpBase) -> None:
    with_people(base, "a,2016-01-01,,DK,ann@x.dk,,,", "b,2016-02-01,,DK,ann@x.dk,,,")
    rows = ["b,2017-01-01,q1,1", "a,2017-01-01,q1,5", "b,2017-01-01,q2,2"]
    base.add("surveys", csv_text(["customer_id", "answered_at", "item", "answer"], *rows))
    counted = base.ingest(identity=ALL_KEYS).tables["surveys"]
    assert base.frame("surveys").set_index("item")["answer"].to_dict() == {"q1": 5, "q2": 2}
    assert counted.reasons == {"answered_under_two_records": 1}
    assert counted.rows_in == counted.rows_out + 1


# -- consent ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("log", "objects"),
    [
        (["a,2017-01-01,profiling,true", "b,2017-01-02,profiling,false"], True),
        (["a,2017-01-03,profiling,true", "b,2017-01-02,profiling,false"], False),
        (["a,2017-01-02,profiling,true", "b,2017-01-02,profiling,false"], True),
    ],
    ids=["a later objection", "a later consent", "the same second"],
)
def test_r03_the_last_word_of_any_record_is_the_person_s(
    base: MadeUpBase, log: list[str], objects: bool
) -> None:
    with_people(base, "a,2016-01-01,,DK,ann@x.dk,,,", "b,2016-02-01,,DK,ann@x.dk,,,")
    base.add("consents", csv_text(["customer_id", "changed_at", "purpose", "granted"], *log))
    base.ingest(identity=ALL_KEYS)
    with DuckDBEngine(threads=1) as engine:
        engine.register("consents", base.file("consents"))
        found = engine.fetch(objectors_sql(Cutoff.parse("2018-01-01")))
    assert len(found) == objects
    assert set(base.frame("consents")["customer_id"]) == {"a"}


# -- nothing is lost --------------------------------------------------------------------------------------------------

CONTACT = st.one_of(st.none(), st.integers(0, 4))
RECORDS = st.lists(st.tuples(CONTACT, CONTACT, CONTACT, st.integers(1, 28)), min_size=1, max_size=12)
BOUGHT = st.lists(
    st.tuples(st.integers(0, 11), st.integers(1, 28), st.integers(0, 9_999)), min_size=1, max_size=15
)


def partition(records: list[tuple[int | None, ...]], most: int) -> set[frozenset[int]]:
    """Join by hand: label every record with itself, and repeat the smallest label over shared keys until it rests."""
    labels = list(range(len(records)))
    keys = {(kind, record[kind]) for record in records for kind in range(3) if record[kind] is not None}
    sharing = [
        [i for i, record in enumerate(records) if record[kind] == value] for kind, value in sorted(keys)
    ]
    for _ in records:
        for who in sharing:
            if len(who) <= most:
                for i in who:
                    labels[i] = min(labels[j] for j in who)
    return {frozenset(i for i, label in enumerate(labels) if label == each) for each in labels}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=RECORDS, bought=BOUGHT)
def test_r03_merging_conserves_orders_and_revenue_and_is_the_closure_of_sharing(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[tuple[int | None, int | None, int | None, int]],
    bought: list[tuple[int, int, int]],
) -> None:
    def text(kind: int, value: int | None) -> str:
        forms = (f"p{value}@x.dk", f"+45 2012345{value}", f"60 {value}")
        return "" if value is None else forms[kind]

    people = [
        f"c{i},2016-01-{r[3]:02d},,DK,{','.join(text(kind, r[kind]) for kind in range(3))},"  # type: ignore[arg-type]
        for i, r in enumerate(records)
    ]
    orders = [
        f"o{i},c{who % len(records)},2017-01-{day:02d},{cents / 100:.2f}"
        for i, (who, day, cents) in enumerate(bought)
    ]
    bytes_of = []
    for turn in (1, -1):  # the rows in reverse are the same base
        base = MadeUpBase(tmp_path_factory.mktemp("merged"))
        base.add("customers", csv_text(PEOPLE, *people[::turn]))
        base.add("orders", csv_text(ORDERS, *orders[::turn]))
        base.ingest(identity={**ALL_KEYS, "most_records": 3})
        bytes_of.append(base.bytes_of())
    assert bytes_of[0] == bytes_of[1]
    found = base.frame("orders")
    assert sorted(found["order_id"]) == sorted(f"o{i}" for i in range(len(bought)))
    assert found["amount_minor"].sum() == sum(cents for _, _, cents in bought)
    for _, mine in found.groupby("customer_id"):
        assert mine["order_no"].tolist() == list(range(1, len(mine) + 1))
        assert mine["ordered_at"].is_monotonic_increasing
    assert base.frame("customers")["customer_id"].is_unique
    joined = pd.read_parquet(base.file("identity")).groupby("person_id")["customer_id"]
    assert {frozenset(int(c[1:]) for c in group) for _, group in joined} == partition(records, 3)
    oldest = {min((records[i][3], f"c{i}") for i in group)[1] for group in partition(records, 3)}
    assert set(joined.groups) == oldest


def test_r03_the_people_planted_in_the_synthetic_shop_come_back(tmp_path: Path) -> None:
    wanted = ("customers", "orders")
    paths = write_shop(SyntheticShop(n_customers=4_000, days=400, tables=wanted), tmp_path / "shop")
    shipped = load_config(PROJECT / "configs" / "synthetic.yaml")
    tables = {name: shipped.tables[name].model_copy(update={"files": (f"shop/{name}",)}) for name in wanted}
    config = shipped.model_copy(update={"tables": tables, "root": tmp_path})
    with DuckDBEngine(threads=1) as engine:
        folder = ingest(config, engine).folder
    found = pd.read_parquet(folder / "identity.parquet").set_index("customer_id")["person_id"]
    truth = pd.read_parquet(paths["truth/customers"]).set_index("customer_id")["person_id"]
    together = pd.DataFrame({"found": found, "truth": truth})
    assert len(together) == 4_000
    assert truth.nunique() < 3_990
    assert found.nunique() == truth.nunique() == len(together.drop_duplicates())
    raw = pd.read_parquet(paths["orders"])
    orders = pd.read_parquet(folder / "orders.parquet")
    assert len(orders) == len(raw)
    assert orders["amount_minor"].sum() == (raw["amount"] * 100).round().sum()


# -- lists and erasure ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a shop in which every tenth person has a second account that bought too; run it."""
    root = tmp_path_factory.mktemp("double")
    (root / "campaigns").mkdir()
    tables = """
  customers: {files: people.csv, columns: [customer_id, joined_at, email]}
identity: {keys: [email]}
"""
    (root / "corner.yaml").write_text(CONFIGURATION.replace("horizons:", tables.strip("\n") + "\nhorizons:"))
    one_order_each().to_csv(root / "orders.csv", index=False)
    numbers = range(120)
    pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in numbers],
            "joined_at": [f"2023-01-{1 + i % 28:02d}" if i % 10 else "2023-06-01" for i in numbers],
            "email": [f"Person{i + 1 - i % 10 if i % 10 < 2 else i}@x.dk" for i in numbers],
        }
    ).to_csv(root / "people.csv", index=False)
    campaign = CAMPAIGN.replace("value: 0", "value: 9") + "holdout: 0.3\n"
    (root / "campaigns" / "hello_again.yaml").write_text(campaign)
    assert main(["run", str(root / "corner.yaml"), "--quiet"]) == 0
    return root


@pytest.fixture
def double_shop(run_shop: Path, tmp_path: Path) -> Path:
    """Return the configuration of a copy of that shop."""
    return shutil.copytree(run_shop, tmp_path / "shop") / "corner.yaml"


def test_r03_one_person_is_on_a_list_once_under_the_merged_identity(
    double_shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = next(double_shop.parent.glob("data/lists/corner/hello_again/*/"))
    listed = pd.read_parquet(folder / "list.parquet")["customer_id"]
    held_out = pd.read_parquet(folder / "holdout.parquet")["customer_id"]
    everybody = pd.concat([listed, held_out])
    assert len(everybody) == everybody.nunique() == 108
    assert not set(everybody) & {f"c{i}" for i in range(0, 120, 10)}, "the older account's id is the person's"
    salt = load_config(double_shop).lists.holdout_salt
    assert all(is_held_out(salt, "hello_again", 0.3, person) for person in held_out)
    assert not any(is_held_out(salt, "hello_again", 0.3, person) for person in listed)
    capsys.readouterr()
    assert main(["data", str(double_shop), "--quiet"]) == 0
    assert "120 records are 108 people (joined by e-mail 12)" in capsys.readouterr().out


def test_r03_r59_erasing_by_any_id_takes_all_records_and_remembers_every_id(double_shop: Path) -> None:
    config = load_config(double_shop)
    assert records_of(config.data_path("validated"), "c20") == ("c21", ["c20", "c21"])
    assert main(["erase", str(double_shop), "c20", "--quiet"]) == 0
    key = bytes.fromhex((config.data_path("erased") / "key").read_text())
    names = ("c20", "c21", "email\x1fperson21@x.dk")  # both records, and what made them one person
    assert set(erased_digests(config)) == {erased_digest(key, name) for name in names}
    files = [
        f for f in (double_shop.parent / "data").rglob("*.parquet") if "customer_id" in pd.read_parquet(f)
    ]
    assert len(files) > 5
    for file in files:
        assert not set(pd.read_parquet(file)["customer_id"].astype(str)) & {"c20", "c21"}, file
    with (double_shop.parent / "orders.csv").open("a") as stream:
        stream.write("new,c20,2024-12-29 10:00:00,5.0\n")
    assert main(["data", str(double_shop), "--quiet"]) == 0
    orders = pd.read_parquet(config.data_path("validated") / "orders.parquet")
    assert not set(orders["customer_id"]) & {"c20", "c21"}
    assert not (config.data_path("erased") / "unfinished").exists()


def test_r59_an_interrupted_erasure_is_finished_for_every_record(
    double_shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(double_shop)

    def stop(*_: object) -> list[Path]:
        raise SegmlError("the power went")

    with monkeypatch.context() as patched:
        patched.setattr("segml.pipelines.erase._erase_below", stop)
        assert main(["erase", str(double_shop), "c20", "--quiet"]) != 0
    left = config.data_path("erased") / "unfinished"
    assert stat.S_IMODE(left.stat().st_mode) == 0o600
    scores = next(double_shop.parent.glob("data/scores/corner/*/scores.parquet"))
    assert "c21" in set(pd.read_parquet(scores)["customer_id"])
    assert main(["erase", str(double_shop), "c20", "--quiet"]) == 0
    assert "c21" not in set(pd.read_parquet(scores)["customer_id"])
    assert not left.exists()


# -- lists of before the merge ----------------------------------------------------------------------------------------


def test_r03_a_list_of_before_the_merge_is_measured_by_people_and_nobody_in_two_arms(tmp_path: Path) -> None:
    day = Cutoff.parse("2017-06-01")
    for name, people in (("list", ["a", "b", "c", "e"]), ("holdout", ["d", "f"])):
        arm = {"list": "treated", "holdout": "holdout"}[name]
        rows = pd.DataFrame({"customer_id": people, "arm": arm, "score": 1.0})
        rows.to_parquet(tmp_path / f"{name}.parquet", index=False)
    today = pd.DataFrame({"customer_id": list("abcdef"), "person_id": list("aacdee")})  # b is a; f is e
    orders = pd.DataFrame(
        {"customer_id": ["a", "d", "e"], "ordered_at": day.seconds + 9, "amount_minor": [700, 5, 5]}
    )
    built = BuiltList(tmp_path, "hello", day, Window(day, day.plus_days(30)), 0.1)
    with DuckDBEngine(threads=1) as engine:
        engine.register("identity", today)
        engine.register("orders", orders)
        make_people(engine, built, net_of_returns=False)
        found = engine.fetch("select customer_id, arm, revenue from measured_people order by customer_id")
    assert found.to_numpy().tolist() == [["a", "treated", 700], ["c", "treated", 0], ["d", "holdout", 5]]


def test_r03_an_earlier_list_is_a_contact_of_the_person_of_today(tmp_path: Path) -> None:
    day = Cutoff.parse("2017-06-01")
    place = tmp_path / "hello" / f"as_of={day.label}"
    place.mkdir(parents=True)
    rows = pd.DataFrame({"customer_id": ["b"], "campaign": ["hello"], "measure_from": [day.label]})
    rows.to_parquet(place / "list.parquet", index=False)
    with DuckDBEngine(threads=1) as engine:
        engine.register("identity", pd.DataFrame({"customer_id": ["a", "b"], "person_id": ["a", "a"]}))
        assert list_history(engine, tmp_path, day.plus_days(1))
        assert engine.fetch("select customer_id, happened_at from list_history").to_numpy().tolist() == [
            ["a", day.seconds]
        ]


def test_what_joined_records_is_told_in_one_order_whether_counted_or_read_again() -> None:
    counted = IdentityCount(5, 2, {"email": 2, "card": 1}, {"b": 1, "a": 1})
    read_again = IdentityCount(5, 2, {"card": 1, "email": 2}, {"a": 1, "b": 1})
    assert (
        str(counted)
        == str(read_again)
        == ("5 records are 2 people (joined by e-mail 2, card 1); left alone: 1 a; left alone: 1 b")
    )


# -- who was erased does not come back --------------------------------------------------------------------------------


def _customers(base: MadeUpBase) -> list[str]:
    base.ingest(identity=ALL_KEYS)
    return sorted(pd.read_parquet(base.file("customers"))["customer_id"])


def test_r59_an_erased_person_comes_back_under_no_id_that_shares_a_key(base: MadeUpBase) -> None:
    old, other = "a,2016-01-01,,DK,ann@x.dk,20123456,,web", "z,2016-01-01,,DK,zoe@x.dk,,,web"
    remember_erased(with_people(base, old, other).config(identity=ALL_KEYS), ["a"])
    assert _customers(base) == ["z"]
    by_email = "b,2017-01-01,,DK,ANN@x.dk,20999999,,web"
    assert _customers(with_people(base, old, other, by_email)) == ["z"]
    # the files have forgotten both records: the memory has the second phone too
    by_phone = "c,2017-02-01,,DK,new@x.dk,+4520999999,,web"
    report = with_people(base, other, by_phone).ingest(identity=ALL_KEYS)
    assert sorted(pd.read_parquet(base.file("customers"))["customer_id"]) == ["z"]
    assert report.tables["orders"].reasons == {"erased": 1}
    assert with_people(base, other, by_phone).ingest(identity=ALL_KEYS).skipped


def test_r59_a_number_of_many_records_erases_nobody_else(base: MadeUpBase) -> None:
    shared = [f"{name},2016-01-0{at},,DK,{name}@x.dk,20123456,,web" for at, name in enumerate("abcdef", 1)]
    remember_erased(with_people(base, *shared).config(identity=ALL_KEYS), ["a"])
    assert _customers(base) == list("bcdef")
    assert _customers(with_people(base, *shared[1:])) == list("bcdef")
