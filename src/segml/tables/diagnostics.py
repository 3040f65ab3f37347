"""What looks wrong in a base's files and is no error: kept as values, said in words by whoever shows it.

A diagnostic is written into the manifest of the validated tables, so a second run shows it without reading a file
again. Its examples may be ids of customers: the terminal shows them, the report's page never does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Example:
    """One value that a diagnostic is about.

    Attributes
    ----------
    value : str
        A customer's id, a day, or a value of the files.
    rows : int
        Rows that have it.
    money : int or None
        Their money in minor units; None where the table has none.
    """

    value: str
    rows: int = 0
    money: int | None = None


@dataclass(frozen=True)
class Diagnostic:
    """One thing that looks wrong.

    Attributes
    ----------
    kind : str
        Which rule found it, such as ``placeholder_ids``.
    table, column : str
        Where; the column is as the files call it when it is not mapped.
    rows : int
        Rows it is about.
    customers : int
        Customers it is about; 0 where nobody is counted.
    money : int or None
        Money of the rows in minor units; None where the table has none.
    examples : tuple of Example
        The first few values, the most frequent first.
    values : dict of str to int, float or str
        Further numbers and days of the sentence.
    """

    kind: str
    table: str = ""
    column: str = ""
    rows: int = 0
    customers: int = 0
    money: int | None = None
    examples: tuple[Example, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Diagnostic:
        """Rebuild from `to_dict`, also after a way through JSON.

        Examples
        --------
        >>> found = Diagnostic("placeholder_ids", "orders", "customer_id", 8, examples=(Example("guest", 8),))
        >>> Diagnostic.from_dict(found.to_dict()) == found
        True
        """
        examples = tuple(Example(**each) for each in content["examples"])
        return cls(**{**content, "examples": examples})
