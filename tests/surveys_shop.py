"""The survey of the synthetic shop: answers, what was asked, and what each respondent truly is."""

from __future__ import annotations

import pandas as pd

from segml.sources.surveys import BatterySettings, ScaleSettings, SurveySettings, read_answers
from segml.sources.synthetic import ShopTables, SyntheticShop, make_shop

TABLES = ("customers", "orders", "surveys")


def survey_shop(n_customers: int = 5_000, seed: int = 3) -> ShopTables:
    return make_shop(SyntheticShop(n_customers=n_customers, seed=seed, survey_share=0.3, tables=TABLES))


def shop_survey(shop: ShopTables) -> SurveySettings:
    """The questionnaire as its truth has it: four scales of five items, the last of each reversed."""
    batteries = {
        str(battery): BatterySettings(
            items=tuple(items["item"]), kind="scale", reversed=tuple(items["item"][items["direction"] < 0])
        )
        for battery, items in shop.truth["survey_items"].groupby("battery", sort=False)
    }
    scale = ScaleSettings(low=1, high=5)
    return SurveySettings(name="shop", layout="long", person="customer_id", scale=scale, batteries=batteries)


def shop_answers(shop: ShopTables) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Answers (people, items), and the truth about the same people."""
    answers = read_answers(shop_survey(shop), shop["surveys"])
    return answers, shop.truth["psychographics"].set_index("customer_id").loc[answers.index]
