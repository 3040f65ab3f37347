"""segml: segments, predictions and campaign lists from a company's own customer data.

Nothing heavy is imported here; names load when they are first used.

>>> import segml
>>> sorted(name for name in dir(segml) if not name.startswith("_"))[:3]
['BehaviouralSegmenter', 'CustomerBase', 'InterestSegmenter']
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "load": "segml.workbench",
    "CustomerBase": "segml.workbench",
    "load_config": "segml.config",
    "BehaviouralSegmenter": "segml.models.segments.behavioural",
    "InterestSegmenter": "segml.models.segments.interests",
    "RfmScorer": "segml.models.segments.rfm",
    "ReturnClassifier": "segml.models.returning",
    "ReturnCurve": "segml.models.returning",
    "ValueRegressor": "segml.models.value",
    "LifetimeValue": "segml.models.value",
    "SyntheticShop": "segml.sources.synthetic",
    "make_shop": "segml.sources.synthetic",
    "write_shop": "segml.sources.synthetic",
    "plots": "segml.plots",
    "measure": "segml.measure",
}
_MODULES = ("plots", "measure")
__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'segml' has no attribute {name!r}")
    module = importlib.import_module(_PUBLIC[name])
    return module if name in _MODULES else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
