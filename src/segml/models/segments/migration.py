"""Who moved where between two runs, in people and in money.

Every customer of the earlier run is in exactly one row of the matrix, so its rows add up to the earlier sizes, and
its columns to the later ones; people who came or left have a row or column of their own. Money moves with them: what
they were worth before and after, so that a flow can be read as gained or lost.
"""

from __future__ import annotations

import pandas as pd

from segml.models.segments.preparation import FeatureError

JOINED, LEFT = "(came)", "(left)"
"""Where people come from whom the earlier run did not know, and where those go whom the later one does not."""

FLOW_COLUMNS = ("before", "after", "people", "money_before", "money_after")


def migration_frame(
    before: pd.Series,
    after: pd.Series,
    money_before: pd.Series | None = None,
    money_after: pd.Series | None = None,
) -> pd.DataFrame:
    """Count the flows between two labellings.

    Parameters
    ----------
    before, after : Series of text, index customer_id
        Segments or stages at two days; missing labels count as not known.
    money_before, money_after : Series, optional
        Value of each customer at the two days, in major units.

    Returns
    -------
    DataFrame, one row a flow
        `before, after, people, money_before, money_after, share` (of the row's earlier size), largest first.

    Raises
    ------
    FeatureError
        A customer stands twice.

    Examples
    --------
    >>> flows = migration_frame(pd.Series({"a": "new", "b": "new"}), pd.Series({"a": "loyal", "c": "new"}))
    >>> flows[["before", "after", "people", "share"]].values.tolist()
    [['(came)', 'new', 1, 1.0], ['new', '(left)', 1, 0.5], ['new', 'loyal', 1, 0.5]]
    """
    for name, labels in (("earlier", before), ("later", after)):
        if not labels.index.is_unique:
            raise FeatureError(
                f"customers stand twice in the {name} run", next_step="give one label for each customer"
            )
    both = pd.DataFrame({"before": before.dropna(), "after": after.dropna()})
    both = both.assign(
        before=both["before"].astype(object).fillna(JOINED),
        after=both["after"].astype(object).fillna(LEFT),
        money_before=_money(money_before, both.index),
        money_after=_money(money_after, both.index),
    )
    grouped = both.groupby(["before", "after"], sort=True)
    flows = grouped.agg(
        people=("before", "size"), money_before=("money_before", "sum"), money_after=("money_after", "sum")
    ).reset_index()
    return with_shares(flows)


def with_shares(flows: pd.DataFrame) -> pd.DataFrame:
    """Add `share` of the earlier size, and put the largest flows first."""
    sizes = flows.groupby("before")["people"].transform("sum")
    ordered = flows.assign(share=flows["people"] / sizes)
    keys = ["people", "before", "after"]
    return ordered.sort_values(keys, ascending=[False, True, True], ignore_index=True)


def migration_matrix(flows: pd.DataFrame, values: str = "people") -> pd.DataFrame:
    """Lay flows out as a matrix: earlier segments down, later ones across; rows sum to the earlier sizes.

    Examples
    --------
    >>> flows = migration_frame(pd.Series({"a": "x", "b": "y"}), pd.Series({"a": "x", "b": "x"}))
    >>> migration_matrix(flows).to_dict("index")
    {'x': {'x': 1}, 'y': {'x': 1}}
    """
    return flows.pivot_table(index="before", columns="after", values=values, aggfunc="sum", fill_value=0)


def net_flows(flows: pd.DataFrame) -> pd.DataFrame:
    """Size and money of each segment before and after, with who came in, who went out, and the difference.

    Returns
    -------
    DataFrame, index segment
        `people_before, people_after, came_in, went_out, net, money_before, money_after`; `money_before` is what
        the segment's people of the earlier day were worth then, `money_after` those of the later day now.

    Examples
    --------
    >>> flows = migration_frame(pd.Series({"a": "x", "b": "y"}), pd.Series({"a": "x", "b": "x"}))
    >>> net_flows(flows)[["people_before", "people_after", "net"]].to_dict("index")
    {'x': {'people_before': 1, 'people_after': 2, 'net': 1}, 'y': {'people_before': 1, 'people_after': 0, 'net': -1}}
    """
    stayed = flows[flows["before"] == flows["after"]].set_index("before")["people"]
    out, into = flows.groupby("before"), flows.groupby("after")
    net = pd.DataFrame(
        {
            "people_before": out["people"].sum(),
            "people_after": into["people"].sum(),
            "money_before": out["money_before"].sum(),
            "money_after": into["money_after"].sum(),
        }
    ).fillna(0)
    net = net.drop(index=[JOINED, LEFT], errors="ignore").astype({"people_before": int, "people_after": int})
    still = stayed.reindex(net.index).fillna(0).astype(int)
    net.insert(2, "came_in", net["people_after"] - still)
    net.insert(3, "went_out", net["people_before"] - still)
    net.insert(4, "net", net["people_after"] - net["people_before"])
    return net


def _money(money: pd.Series | None, index: pd.Index) -> pd.Series | float:
    return 0.0 if money is None else money.reindex(index).fillna(0.0)
