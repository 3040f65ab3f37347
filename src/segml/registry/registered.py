"""A model that came out of the registry, with what every row it scores must say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from segml.errors import ModelError, did_you_mean


@dataclass(frozen=True)
class RegisteredModel:
    """One version of a registered model, loaded.

    Attributes
    ----------
    name : str
        ``segml.<base>.<task>``.
    version : int
    task : str
    cutoff : str
        ISO date of the last cutoff it was trained at.
    fingerprint : str
        Of everything it was made from.
    feature_contract : str
        Hash it shares with the feature tables it can score.
    features : tuple of str
        Columns it reads.
    metadata : dict
        As registered.
    model : object
        The fitted model itself.
    verified : bool
        Whether its files were compared with the hashes of those registered; False for a version of before they
        were kept.
    """

    name: str
    version: int
    task: str
    cutoff: str
    fingerprint: str
    feature_contract: str
    features: tuple[str, ...]
    metadata: dict[str, Any] = field(repr=False)
    model: Any = field(repr=False)
    verified: bool = True

    @property
    def label(self) -> str:
        """Name, version and cutoff in one text, as written on scored rows.

        Examples
        --------
        >>> RegisteredModel("segml.shop.churn", 3, "churn", "2017-11-06", "f", "c", ("a",), {}, None).label
        'segml.shop.churn/3@2017-11-06'
        """
        return f"{self.name}/{self.version}@{self.cutoff}"

    def check_features(self, features: pd.DataFrame, contract: str | None = None) -> None:
        """Raise unless the model can score these features.

        Parameters
        ----------
        features : DataFrame
            One row a customer.
        contract : str, optional
            The feature table's own contract hash; compared when given.

        Raises
        ------
        ModelError
            Names every missing column with the nearest one there, and tells when the table was built by other
            definitions than the model was trained on.
        """
        missing = [name for name in self.features if name not in features.columns]
        if missing:
            present = [str(name) for name in features.columns]
            listed = ", ".join(f"{name}{did_you_mean(name, present)}" for name in missing)
            raise ModelError(
                f"{self.label} needs {len(self.features)} features, and {len(missing)} are missing: {listed}",
                "build the features with the configuration the model was trained on, or train again",
            )
        if contract is not None and contract != self.feature_contract:
            raise ModelError(
                f"the features were built by contract {contract[:12]}, and {self.label} was trained on "
                f"{self.feature_contract[:12]}: same names, other definitions",
                "train again on the present features, then score",
            )

    def score(
        self, features: pd.DataFrame, contract: str | None = None, as_of: str | None = None
    ) -> pd.DataFrame:
        """Return the model's scores after `check_features`, on the same index; columns are picked by name.

        `as_of`, the features' cutoff, is told to a model whose total knows seasons.
        """
        self.check_features(features, contract)
        scores: pd.DataFrame = self.model.score(features, **self.season_of(as_of))
        return scores

    def season_of(self, as_of: str | None) -> dict[str, str]:
        """Return `as_of` as the keyword of a model that knows seasons, nothing for another."""
        knows = getattr(self.model, "knows_seasons", False)
        return {"as_of": as_of} if knows and as_of is not None else {}
