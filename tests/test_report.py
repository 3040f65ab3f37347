"""The page of a run: self-contained, accessible, the same bytes for the same facts, and silent about small groups."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from report_facts import made_up_facts, made_up_results
from segml.config import Config, load_config
from segml.engine.duckdb import DuckDBEngine
from segml.errors import DataError
from segml.pipelines.report import FACTS, REPORT, make_note, report, write_page, write_report
from segml.report.facts import NoteFacts, RunFacts
from segml.report.findings import findings
from segml.report.groups import make_grouping, read_groups
from segml.report.page import render_page
from segml.report.suppression import WITHHELD, few, suppress_counts, suppressed
from segml.tables.diagnostics import Diagnostic, Example


class Elements(HTMLParser):
    """Every start tag with its attributes, and the tags open around it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def page() -> str:
    return render_page(made_up_facts())


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "configs").mkdir()
    file = tmp_path / "configs" / "shop.yaml"
    file.write_text(
        "base: shop\ncurrency: EUR\ntables:\n  orders: {files: orders.csv, columns: [order_id]}\n"
    )
    return load_config(file)


# ---- facts


def test_facts_survive_json_and_give_the_same_page(page: str) -> None:
    facts = suppressed(made_up_facts())
    again = RunFacts.from_dict(json.loads(json.dumps(facts.to_dict(), allow_nan=False)))
    assert again == facts
    assert render_page(again) == page


def test_facts_of_another_form_are_refused_with_the_next_step() -> None:
    with pytest.raises(DataError, match="segml run CONFIG"):
        RunFacts.from_dict(made_up_facts().to_dict() | {"form": 0})


def test_damaged_facts_are_refused_by_the_name_of_the_field() -> None:
    content = made_up_facts().to_dict() | {"horizons": "fifty-six"}
    with pytest.raises(DataError, match="horizons"):
        RunFacts.from_dict(content)


# ---- suppression


@given(st.dictionaries(st.text("abcdef", min_size=1), st.integers(0, 200), max_size=8), st.integers(1, 30))
def test_r57_no_small_cell_is_shown_or_follows_from_the_total(counts: dict[str, int], minimum: int) -> None:
    shown = suppress_counts(counts, minimum)
    assert all(not isinstance(count, int) or count == 0 or count >= minimum for count in shown.values())
    hidden = [name for name, count in shown.items() if isinstance(count, str)]
    others = [name for name, count in counts.items() if count and name not in hidden]
    assert len(hidden) != 1 or not others
    assert suppress_counts(shown, minimum) == shown
    assert all(shown[name] == few(minimum) for name, count in counts.items() if 0 < count < minimum)


def test_r57_a_small_group_leaves_neither_money_nor_description_nor_habits() -> None:
    groups = {
        group.name: group for group in suppressed(made_up_facts()).grouping("behavioural.segment").groups
    }
    owls, next_smallest = groups["night owls"], groups["weekend shoppers"]
    assert owls.people == "< 10"
    assert next_smallest.people == WITHHELD
    for hidden in (owls, next_smallest):
        assert (hidden.share, hidden.spent, hidden.expected, hidden.recency_days) == (None, None, None, None)
        assert hidden.description == ""


def test_r57_small_numbers_are_in_no_sentence_of_the_page(page: str) -> None:
    text = re.sub(r"<[^>]+>", " ", page)
    for sentence in ("4 people would be listed", "4 customers have too little", "night share higher"):
        assert sentence not in text
    assert "fewer than 10 people would be listed" in text
    assert "Not scored: &lt; 10 never bought" in text


def test_r57_what_looks_wrong_is_told_without_small_numbers_of_customers() -> None:
    notes = (
        NoteFacts("placeholder_ids", "orders", "customer_id", rows=8, money=40.5),
        NoteFacts("dominating_spent", "orders", "customer_id", people=3),
        NoteFacts("refunds_without_order", "returns", "customer_id", people=1_234),
    )
    page = render_page(replace(made_up_facts(), notes=notes))
    assert "ids that stand for no customer (guest, NULL, 0 and the like) were left out (8 rows, 40.50" in page
    assert "Customers far above all others in money: &lt; 10." in page
    assert "Customers with refunds and no order: 1,234." in page
    for language, told in (("da", "Værd at se på"), ("sv", "Värt att titta på")):
        assert told in render_page(replace(made_up_facts(), notes=notes, language=language))


def test_r57_of_customers_that_look_wrong_the_facts_hold_only_their_number() -> None:
    top = (Example("c77", 400, 9_000),)
    found = Diagnostic("dominating_orders", "orders", "customer_id", 400, 1, 9_000, top, {"share": 0.4})
    note = make_note(found)
    assert (note.people, note.rows, note.money) == (1, None, None)
    assert "c77" not in json.dumps(asdict(note))


def test_r57_a_holdout_under_the_minimum_takes_its_power_statement_with_it() -> None:
    facts = made_up_facts()
    small = replace(
        facts.campaigns[0], held_out=6, power="at a base rate of 5.0 %, 6 held out of 437 show no lift"
    )
    shown = suppressed(replace(facts, campaigns=(small,))).campaigns[0]
    assert shown.held_out == "< 10"
    assert "437" not in shown.power
    assert shown.listed == 431  # the list itself is withheld last


def test_r57_the_minimum_comes_from_the_facts() -> None:
    shown = suppressed(replace(made_up_facts(), minimum_cell=130)).grouping("value.predicted_tier").groups
    assert [group.people for group in shown] == ["< 130", WITHHELD, 741, 1_234]


# ---- the page


def test_the_page_is_the_same_bytes_in_another_process(page: str, tmp_path: Path) -> None:
    code = (
        "from report_facts import made_up_facts; from segml.report.page import render_page; import sys;"
        "sys.stdout.buffer.write(render_page(made_up_facts()).encode())"
    )
    here = Path(__file__).parent
    environment = os.environ | {
        "PYTHONHASHSEED": "77",
        "PYTHONPATH": os.pathsep.join([str(here), str(here.parent / "src")]),
        "TZ": "Asia/Tokyo",
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment)
    assert done.stdout.decode() == page


def test_the_page_asks_nothing_of_the_network(page: str) -> None:
    for tag, attributes in Elements(page).found:
        for name in ("src", "href", "action", "xlink:href", "srcset"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
    assert not re.search(r"url\(\s*['\"]?(?!#)|@import|fetch\(|XMLHttpRequest", page)
    assert "default-src 'none'" in page


def test_names_from_the_data_are_text_and_never_markup(page: str) -> None:
    assert len(Elements(page).named("script")) == 1
    assert "Shop &lt;script&gt;alert(1)&lt;/script&gt; &amp; Søn" in page
    hostile = made_up_facts().groupings[0]
    hostile = replace(
        hostile, groups=tuple(replace(g, name=f'<img src="x"> $y^2$ "{g.name}') for g in hostile.groups)
    )
    drawn = render_page(replace(made_up_facts(), groupings=(hostile,)))
    assert not Elements(drawn).named("img")


def test_the_page_can_be_read_without_seeing_it(page: str) -> None:
    elements = Elements(page)
    assert elements.named("html") == [{"lang": "en"}]
    assert len(elements.named("caption")) == len(elements.named("table")) > 5
    assert all("scope" in head for head in elements.named("th"))
    charts = elements.named("svg")
    kinds = [chart["aria-label"].split(". ")[0] for chart in charts]
    assert (kinds.count("Bar chart"), kinds.count("Line chart"), len(kinds)) == (3, 2, 5)
    assert all(chart["role"] == "img" for chart in charts)
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for link in elements.named("a"):
        assert link["href"].removeprefix("#") in ids
    levels = [int(tag[1]) for tag, _ in elements.found if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(levels))


def palettes(page: str) -> Iterator[dict[str, str]]:
    style = page[page.index("<style>") : page.index("</style>")]
    for block in re.findall(r":root \{(.*?)\}", style, flags=re.DOTALL):
        yield dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, relative luminance and contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_and_bars_have_contrast_in_light_dark_and_print(page: str) -> None:
    found = list(palettes(page))
    assert len(found) == 3
    text = [("ink", "paper"), ("ink", "panel"), ("muted", "paper"), ("muted", "panel"), ("link", "paper")]
    text += [("good", "good-paper"), ("warn", "warn-paper"), ("off", "off-paper")]
    for colours in found:
        assert all(contrast(colours[ink], colours[paper]) >= 4.5 for ink, paper in text)
        assert all(contrast(colours[bar], colours["paper"]) >= 3 for bar in ("first", "second"))


def test_a_run_with_nothing_in_it_still_has_a_page() -> None:
    empty = render_page(RunFacts("shop", "", "EUR", "2018-01-01", "2017-01-01", "2018-01-01"))
    assert "<h1>shop</h1>" in empty
    assert "no such tag in this run" in empty


def test_a_course_over_months_has_its_figures_in_words(page: str) -> None:
    (label,) = re.findall(r'aria-label="(Line chart\. Retention[^"]*)"', page)
    assert "8 months: 71 % at the end of May 2017, 76 % at the end of December 2017; lowest 70 %" in label
    assert 'class="badge behind"' in page
    assert "until 1 July 2018, so far +0.5" in page


def test_r61_what_past_lists_earned_is_told_in_the_words_of_its_evidence(page: str) -> None:
    assert "the campaign raised conversion: +4.1 points of conversion" in page
    assert "not yet: the window ends on 26 February 2018" in page
    assert "Send “Win back people who have fallen silent” to the 431 people listed" in page


def test_r62_a_proposal_is_told_with_its_evidence_and_small_numbers_stay_hidden() -> None:
    text = "win_back, holdout: 0.1 -> 0.2; 7 people answered (p = 0.01 after 12 questions)"
    shown = render_page(replace(made_up_facts(), proposals=(text,)))
    assert "Proposal: win_back, holdout: 0.1 -&gt; 0.2; fewer than 10 people answered" in shown
    danish = render_page(replace(made_up_facts("da"), proposals=(text,)))
    assert 'Forslag: <span lang="en">win_back, holdout' in danish


def test_r43_drift_speaks_when_it_matters_and_is_silent_else(page: str) -> None:
    assert "share of value discounted (PSI 0.41, usual up to 0.20) and 2 more" in page
    calm = [replace(one, sentences=()) for one in made_up_facts().drift]
    quiet = render_page(replace(made_up_facts(), drift=tuple(calm)))
    assert "Nothing that matters has moved" in quiet
    assert "Nothing that matters has moved" not in page


def test_findings_are_sentences_with_the_numbers_of_the_run() -> None:
    found = findings(suppressed(made_up_facts()))
    # 1,900 of 2,469 active; 269 at risk or dormant; 120,000 of 399,003 expected; 2.4 of 3.24 million spent
    assert found[1].startswith("77 % of buyers are active")
    assert "11 % are at risk or dormant" in found[1]
    assert "30 % of the value of the next 56 days (120,000 EUR)" in found[2]
    assert "25 % of the people, 74 % of the money" in found[3]
    assert found[5].startswith("1 of 3 models passed their gate; not: lifetime value (refused)")
    assert not any("caus" in sentence for sentence in found)


# ---- counting


def test_groups_are_counted_as_pandas_would_count_them(tmp_path: Path) -> None:
    people = [f"c{i:02d}" for i in range(30)]
    tiers = ["vip"] * 5 + ["low"] * 25
    frames = {
        "scores": pd.DataFrame(
            {"customer_id": people, "clv_historic": range(30), "clv_56d": [0.1] * 29 + [None]}
        ),
        "features": pd.DataFrame({"customer_id": people, "recency_days": range(30), "order_value_mean": 2.5}),
        "tags": pd.DataFrame(
            {"customer_id": people, "family": "value", "tag": "predicted_tier", "value": tiers}
        ),
    }
    for name, frame in frames.items():
        frame.to_parquet(tmp_path / f"{name}.parquet", index=False)
    with DuckDBEngine(threads=1) as engine:
        scores, features, tags = (tmp_path / f"{name}.parquet" for name in ("scores", "features", "tags"))
        rows = read_groups(engine, scores, features, tags, clv_days=56)
    vip, low = make_grouping("value.predicted_tier", rows).groups
    assert (vip.name, vip.people, vip.spent, vip.expected, vip.recency_days) == ("vip", 5, 10.0, 0.5, 2.0)
    assert (low.people, low.spent, low.expected, low.order_value) == (25, 425.0, 2.4, 2.5)
    assert low.gap_days is None  # the column is not there
    assert vip.share == pytest.approx(5 / 30)


# ---- on disk


def test_r58_a_page_written_twice_is_the_same_bytes(config: Config) -> None:
    folder = config.data_path("reports", "as_of=2018-01-01")
    first = {file.name: file.read_bytes() for file in write_page(made_up_facts(), folder).parent.iterdir()}
    again = report(config)
    assert again.file == folder / REPORT
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == first
    assert set(first) == {REPORT, FACTS}


def test_the_report_is_of_the_last_run_or_of_the_day_asked_for(config: Config) -> None:
    for day in ("2017-12-01", "2018-01-01"):
        write_page(replace(made_up_facts(), as_of=day), config.data_path("reports", f"as_of={day}"))
    assert report(config).file.parent.name == "as_of=2018-01-01"
    assert report(config.model_copy(update={"as_of": "2017-12-01"})).file.parent.name == "as_of=2017-12-01"


def test_a_base_without_a_run_is_told_to_run(config: Config) -> None:
    with pytest.raises(DataError, match="no run") as caught:
        report(config)
    assert caught.value.next_step == "segml run CONFIG"


def test_r57_the_facts_on_disk_are_suppressed_too(config: Config) -> None:
    file = write_page(made_up_facts(), config.data_path("reports", "as_of=2018-01-01")).with_name(FACTS)
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    counts = [group["people"] for grouping in content["groupings"] for group in grouping["groups"]]
    for campaign in content["campaigns"]:
        counts += [campaign["listed"], campaign["held_out"], *campaign["excluded"].values()]
    assert not [count for count in counts if isinstance(count, int) and 0 < count < 10]


def test_r57_a_higher_minimum_set_later_holds_for_the_next_report(config: Config) -> None:
    write_page(made_up_facts(), config.data_path("reports", "as_of=2018-01-01"))
    strict = config.model_copy(update={"lists": config.lists.model_copy(update={"minimum_cell": 130})})
    page = report(strict).file.read_text(encoding="utf-8")
    assert "&lt; 130" in page
    assert 'data-value="123"' not in page  # the VIP tier


# ---- from the results of a run


def test_the_results_of_a_run_become_its_facts(config: Config) -> None:
    file = write_report(*made_up_results(config))
    facts = RunFacts.from_dict(json.loads(file.with_name(FACTS).read_text(encoding="utf-8")))
    eager, owls = facts.grouping("behavioural.segment").groups
    assert (eager.people, eager.spent, owls.spent_share) == (40, 400.0, pytest.approx(1 / 3))
    assert eager.description == "orders total higher (median 9, base 5)"
    assert facts.models[1].notes == (
        "new since the champion: B1",
    )  # what describes a segment stands beside it
    assert facts.models[0].scored_by == "m v1"
    assert facts.models[1].not_scored == "old"
    assert facts.grouping("lifecycle.activity").unavailable == "missing: scores.dormancy_probability"
    assert facts.not_scored == {"never bought": "< 10"}
    assert facts.campaigns[0].excluded == {"not_in_audience": 20}
    assert facts.places["scores"] == "data/scores/shop/as_of=2018-01-01/scores.parquet"
    assert str(config.root) not in file.read_text(encoding="utf-8")


def test_r58_a_rerun_that_trains_nothing_writes_the_same_page(config: Config) -> None:
    first = write_report(*made_up_results(config)).read_bytes()
    assert write_report(*made_up_results(config, new=False)).read_bytes() == first
