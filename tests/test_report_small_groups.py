"""A page of a base with tiny groups: no count of 1 to 9 people is on it, and none follows from what is (R57)."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from report_facts import made_up_facts
from segml.models.segments.languages import LANGUAGES, Language
from segml.pipelines.report import FACTS, REPORT, write_page
from segml.report.facts import Count, DriftFacts, ReasonFacts, ResultFacts, RunFacts, TableFacts, ValueFacts
from segml.report.findings import next_steps
from segml.report.groups import make_grouping
from segml.report.messages import Messages
from segml.report.small_counts import suppress_text
from segml.report.suppression import WITHHELD, few, suppress_counts, suppressed
from test_report_languages import Texts

MINIMUM = 10
SCORED = 68
# What the tiny base holds; none of these numbers, and no difference of what is shown, may be read off the page.
SMALL = {
    "segments": {"keen": 41, "slow": 20, "rare": 4, "odd": 3},
    "mixture": {"keen (mixture)": 45, "slow (mixture)": 20},  # three belong to none
    "activity": {"active": 40, "slipping": 12, "at_risk": 9, "dormant": 7},
    "tiers": {"vip": 3, "high": 11, "middle": 20, "low": 34},
}


def tiny_facts(language: Language = "en") -> RunFacts:
    """Return the facts of a run over 68 people, with a small group wherever people are counted."""
    facts = made_up_facts(language)
    first, second = facts.campaigns

    def parted(tag: str, groups: dict[str, int], criterion: str = "") -> Any:
        rows = pd.DataFrame({"value": list(groups), "people": list(groups.values())})
        rows = rows.assign(
            spent=rows["people"] * 10.0, expected=1.0, recency_days=3.0, gap_days=4.0, order_value=5.0
        )
        return make_grouping(
            tag, rows, criterion, descriptions={"rare": "night share higher (median 1, base 0)"}
        )

    holds = "and the smallest segment holds 4.4%"
    segments = (
        "4 segments, of 2 to 6 tried by k-means: two samples of the same customers agree with a median adjusted"
        f" Rand index of 0.9, {holds}; they are separate groups (clarity 0.5, a continuum reaches 0.2)."
    )
    return replace(
        facts,
        tables=(
            facts.tables[0],
            TableFacts("customers", 74, 71, {"merged_into_another_record": 5}, {"known from orders only": 2}),
        ),
        scored=SCORED,
        not_scored={"never bought": 3},
        groupings=(
            parted("behavioural.segment", SMALL["segments"], segments),
            parted("behavioural.segment_mixture", SMALL["mixture"]),
            parted("lifecycle.activity", SMALL["activity"]),
            parted("value.predicted_tier", SMALL["tiers"]),
        ),
        models=(
            replace(
                facts.models[0],
                reasons=("there are 8 positives, and the model needs 50: 42 are missing",),
                notes=(
                    "6 of 41 one-time buyers came back at the training cutoffs; 10 of 50 are needed for a next-order"
                    " day or a second-purchase probability of one-time buyers",
                    "2.9% belong to no segment in particular (membership below 0.6), 1.5% lie far from every segment",
                    "4 customers have too little history for a segment of this kind",
                    segments,
                ),
            ),
            *facts.models[1:],
        ),
        campaigns=(
            replace(
                first,
                listed=31,
                held_out=4,
                excluded={"not_in_audience": 25, "contact_cap": 8},
                power="at a base rate of 5.0 %, 4 held out of 35 can show no lift of any size",
                files={"csv": 31, "parquet": 31, "braze": 25, "klaviyo": 31},
            ),
            replace(
                second,
                reason="15 people would be listed; lists under 20 are refused",
                excluded={"not_in_audience": 46, "list_refused": 15, "contact_cap": 7},
            ),
        ),
        results=(
            ResultFacts(
                *("win_back", "2017-10-01", "measured"),
                "the campaign raised conversion: +4.1 points of conversion (95 %: +1.2 to +7.0), +21% relative",
                *(50, 14, 0.14, 0.5, 0.041, 0.012, 0.07),
            ),
            ResultFacts(
                *("vip_thanks", "2017-10-02", "no_holdout"),
                "41 of 44 ordered within the window; nobody was held out, so this is what followed, not an effect",
                *(44, 0, 41 / 44),
            ),
            ResultFacts(
                *("birthday", "2017-10-03", "refused"),
                "refused: 6 of 40 were held out where 10.0% should be (p = 0.0001); the arms can't be compared",
                *(34, 6),
            ),
        ),
        drift=(
            DriftFacts(
                *("dormancy", "segml.shop.dormancy v3"),
                (
                    "dormancy: of 62 customers scored as of 2017-11-06 21.0 % were expected, and 9.7 % found,"
                    " among those who placed no order in 56 days: read its probabilities as an order, not as numbers",
                ),
                *("", "2017-11-06", 62, 0.21, 0.097, 0.86, 0.88),
            ),
        ),
        value=ValueFacts(SCORED, 680.0, 68.0, 9.0, 1.0, 0.5, 2.0, 0.38, 0.31),
        reasons=(
            ReasonFacts("keen", 41, "repeat_orders", "lowers", 0.12, 46.0),
            ReasonFacts("keen", 41, "recency_days", "lowers", 0.9, 46.0),
            ReasonFacts("rare", 4, "orders_90d", "raises", 1.0, 80.0),
        ),
        warnings=(
            "the global holdout is off: its share of 5% is 3 of 68 people, and below 1,000 it would show nothing",
            "9 suppressions keep out 6 people; 3 entries are nobody of this base",
        ),
        proposals=(),
    )


def said(page: str) -> str:
    """Everything a reader sees or hears, a line a text."""
    return html.unescape("\n".join(Texts(page).found)).replace("\N{NO-BREAK SPACE}", " ")


def people_cells(page: str) -> list[str]:
    """What stands in the columns that count people, by their labels in the page's own language."""
    language = re.search(r'<html lang="(\w+)"', page)
    assert language
    words = Messages(language[1])
    labels = {
        words.say(key)
        for key in (
            "page.people",
            "lists.listed",
            "lists.held_out",
            "lists.held_out_all",
            "results.sent",
            "drift.customers",
        )
    }
    cells = re.findall(r'data-label="([^"]*)"[^>]*>([^<]*)<', page)
    return [html.unescape(text).strip() for label, text in cells if html.unescape(label) in labels]


@pytest.mark.parametrize("language", LANGUAGES)
def test_r57_no_count_of_one_to_nine_people_is_on_the_page(language: Language, tmp_path: Path) -> None:
    facts = tiny_facts(language)
    write_page(facts, tmp_path)
    page = (tmp_path / REPORT).read_text(encoding="utf-8")
    cells = people_cells(page)
    assert len(cells) > 25
    assert not [cell for cell in cells if cell.isdigit() and 0 < int(cell) < MINIMUM]
    sentences = "\n".join(line for line in said(page).splitlines() if len(line) > 12)
    english = "people|customers?|positives|buyers|entries|suppressions|held out"
    people = rf"(?:{english}|personer|kunder|köpare|købere|positive|positiva)"
    assert not re.findall(rf"(?<![\d<.,-])(?<!end )(?<!än )(?<!than )\b[1-9] {people}\b", sentences)
    assert 'lang="en"' not in page or language == "en"
    for secret in (
        "42 ",
        "41 of 44",
        "41 af 44",
        "41 av 44",
        "night share",
        "4.4%",
        "4,4 %",
        "2,9 %",
        "2.9%",
    ):
        assert secret not in sentences, secret


@pytest.mark.parametrize("language", LANGUAGES)
def test_r57_the_facts_beside_the_page_tell_no_more(language: Language, tmp_path: Path) -> None:
    write_page(tiny_facts(language), tmp_path)
    facts = RunFacts.from_dict(json.loads((tmp_path / FACTS).read_text(encoding="utf-8")))
    for grouping in facts.groupings:
        counts = {group.name: group.people for group in grouping.groups}
        assert_not_revealed({**counts, "in none": WITHHELD}, SCORED)
    for campaign in facts.campaigns:
        arms = {
            "listed": campaign.listed,
            "held out": campaign.held_out,
            "of all": campaign.globally_held_out,
        }
        assert_not_revealed(arms | campaign.excluded, SCORED)
        shown = [count for count in (campaign.listed, *campaign.files.values()) if isinstance(count, int)]
        assert not [one for one, other in product(shown, shown) if 0 < one - other < MINIMUM]
    customers = facts.tables[1]
    assert (customers.rows_in, customers.rows_out) == (WITHHELD, WITHHELD)  # 71 less 68 is three
    assert set(customers.left_out.values()) | set(customers.added.values()) == {few(MINIMUM)}
    assert [result.treated for result in facts.results] == [WITHHELD, WITHHELD, WITHHELD]
    assert [result.held_out for result in facts.results] == [WITHHELD, 0, few(MINIMUM)]
    assert facts.drift[0].customers == WITHHELD
    assert facts.value is not None
    assert facts.value.historic_top is None
    assert facts.reasons == ()  # five of 41 have the one, and four lack the other
    assert suppressed(facts) == facts


def assert_not_revealed(counts: dict[str, Count], total: int) -> None:
    """What is hidden of a partition is nobody, or no small group and not one number only."""
    shown = [count for count in counts.values() if isinstance(count, int)]
    assert not [count for count in shown if 0 < count < MINIMUM]
    assert not 0 < total - sum(shown) < MINIMUM, counts


def test_r57_a_withheld_number_is_in_no_sentence_beside_it() -> None:
    campaign = suppressed(tiny_facts()).campaigns[1]
    assert campaign.excluded == {"not_in_audience": 46, "list_refused": WITHHELD, "contact_cap": few(MINIMUM)}
    assert campaign.reason == "some people would be listed; lists under 20 are refused"
    assert Messages("da").remark(campaign.reason).startswith("nogle")
    refused = suppressed(tiny_facts()).results[2].statement
    assert refused.startswith("refused: fewer than 10 of some were held out")


def test_r57_next_steps_speak_of_a_list_whose_number_is_withheld() -> None:
    facts = tiny_facts("da")
    one = replace(facts.campaigns[0], listed=12, held_out=51, excluded={"contact_cap": 5})
    steps = " ".join(next_steps(suppressed(replace(facts, campaigns=(one,)))))
    assert "dem på listen" in steps
    assert WITHHELD not in steps
    assert "12" not in steps


@given(
    st.dictionaries(st.text("abcdef", min_size=1), st.integers(0, 60), min_size=1, max_size=7),
    st.integers(2, 20),
)
def test_r57_no_sum_of_hidden_cells_is_a_small_group(counts: dict[str, int], minimum: int) -> None:
    shown = suppress_counts(counts, minimum)
    hidden = [name for name, count in shown.items() if isinstance(count, str)]
    left = [name for name, count in counts.items() if count and name not in hidden]
    total = sum(counts[name] for name in hidden)
    if hidden and left:
        assert total >= minimum
        small = [name for name in hidden if shown[name] == few(minimum)]
        withheld = [name for name in hidden if shown[name] == WITHHELD]
        # The cells have more than one solution within what their words say
        assert total > len(small) + minimum * len(withheld)
        assert withheld or total < (minimum - 1) * len(small)
    assert suppress_counts(shown, minimum) == shown


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("4 of 35 were held out", "fewer than 10 of 35 were held out"),
        ("31 of 35 ordered", "nearly all of 35 ordered"),
        ("3 of 9 one-time buyers came back", "fewer than 10 of fewer than 10 one-time buyers came back"),
        ("only 7 distinct customers", "only fewer than 10 distinct customers"),
        ("12 customers, 7.5 % of 1,200", "12 customers, 7.5 % of 1,200"),
        ("lists under 20 are refused", "lists under 20 are refused"),
        (
            "there are 2 negatives, and the model needs 50: 48 are missing",
            "there are fewer than 10 negatives, and the model needs 50: more than 40 are missing",
        ),
    ],
)
def test_r57_sentences_say_no_small_count_nor_what_it_follows_from(sentence: str, shown: str) -> None:
    assert suppress_text(sentence, MINIMUM) == shown
    assert suppress_text(shown, MINIMUM) == shown


@pytest.mark.parametrize(
    ("language", "said_so"),
    [
        ("da", "ingen kolonne 'x' i ordrer; ingen tabel returneringer"),
        ("sv", "ingen kolumn 'x' i order; ingen tabell returer"),
    ],
)
def test_r66_joined_reasons_are_translated_to_the_last(language: Language, said_so: str) -> None:
    assert Messages(language).remark("no column 'x' in orders; no table returns") == said_so
    assert Messages(language).remark("no table returns; a fuse blew") == "no table returns; a fuse blew"
