"""Buy-till-you-die models: how many orders a customer will place, and whether they are still a customer at all.

`BetaGeoNBD`, `ModifiedBetaGeoNBD` and `ParetoNBD` forecast orders from three numbers a customer: repeat orders,
recency (first order to last) and age (first order to now), in one unit of time. `GammaGamma` forecasts the value of an
order; `customer_lifetime_value` puts the two together. `ShiftedBetaGeometric` is for contracts that are renewed,
`BetaGeometricBetaBinomial` for purchases that can happen once a season.
"""

from segml.models.btyd.beta_geo import BetaGeoNBD, ModifiedBetaGeoNBD
from segml.models.btyd.contracts import BetaGeometricBetaBinomial, ShiftedBetaGeometric
from segml.models.btyd.gamma_gamma import GammaGamma
from segml.models.btyd.lifetime_value import customer_lifetime_value, discounted_expected_purchases
from segml.models.btyd.pareto import ParetoNBD

__all__ = [
    "BetaGeoNBD",
    "BetaGeometricBetaBinomial",
    "GammaGamma",
    "ModifiedBetaGeoNBD",
    "ParetoNBD",
    "ShiftedBetaGeometric",
    "customer_lifetime_value",
    "discounted_expected_purchases",
]
