"""`segml data`, `check` and `run` tell what looks wrong, with its money; a second call reads nothing again."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from segml.cli import main
from test_cli import Shop, one_order_each, shop

__all__ = ["shop"]


def said_by(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main([*arguments, "--quiet"]) in (0, 4)
    return " ".join(capsys.readouterr().out.split())


@pytest.fixture
def doubtful(shop: Shop) -> Path:
    """Write a shop with guests, an order of 2099 and a status, and return its configuration."""
    orders = one_order_each().assign(status="paid")
    orders.loc[:4, "customer_id"] = "guest"
    orders.loc[5:7, "status"] = "cancelled"
    far = pd.DataFrame(
        {
            "order_id": ["z"],
            "customer_id": ["c99"],
            "ordered_at": ["2099-01-01"],
            "amount": [7.0],
            "status": ["paid"],
        }
    )
    return shop(pd.concat([orders, far]))


def test_data_and_check_tell_the_same_and_a_second_call_too(
    doubtful: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    screens = [said_by(capsys, command, str(doubtful)) for command in ("data", "data", "check")]
    for said in screens:
        assert "5 rows, 62.50 EUR of ids that stand for no customer, left out: guest (5)" in said
        assert "1 row, 7.00 EUR lie alone, far from all other orders" in said
        assert "2099-01-01 (1)" in said
        assert "cancelled (3 rows, 42.50 EUR)" in said
    assert screens[0] == screens[1]
    assert "placeholder_customer: 5 (62.50 EUR)" in screens[0]
    assert "far_from_all_orders: 1 (7.00 EUR)" in screens[0]


def test_a_run_is_of_the_day_after_the_bulk_and_its_page_tells_why(
    doubtful: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = said_by(capsys, "run", str(doubtful))
    assert "2099-01-01 (1)" in said
    days = [path.name for path in doubtful.parent.glob("data/scores/corner/as_of=*")]
    assert days == ["as_of=2024-12-29"]
    page = next(doubtful.parent.glob("data/reports/corner/*/report.html")).read_text()
    assert "Worth a look" in page
    assert "guest (5)" not in page
