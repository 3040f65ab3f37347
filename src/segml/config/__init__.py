"""configs/*.yaml -> frozen, checked settings.

Every key has one meaning and is used; a key nobody knows is an error that names the nearest one. Paths are relative
to the project folder: the parent of the `configs` folder the file lies in, or the file's own folder.
"""

from segml.config.base import Config, load_config
from segml.config.lists import ConsentSettings, ContactCap, CountryRules, ListSettings, SendTimeSettings
from segml.config.loyalty import LoyaltySettings, TierSettings
from segml.config.models import (
    BandSettings,
    CutoffSettings,
    FeatureSettings,
    FloorSettings,
    GateSettings,
    HorizonSettings,
    ModelSettings,
    OfferSettings,
    ScoringSettings,
    SegmentSettings,
)
from segml.config.reading import (
    Settings,
    project_root,
    read_configuration,
    read_settings_file,
    validated,
)
from segml.config.tables import (
    CleaningSettings,
    IdentitySettings,
    Memory,
    TableSource,
    checked_zone,
    day_text,
    memory_text,
)
from segml.config.text_form import TextForm

__all__ = [
    "BandSettings",
    "CleaningSettings",
    "Config",
    "ConsentSettings",
    "ContactCap",
    "CountryRules",
    "CutoffSettings",
    "FeatureSettings",
    "FloorSettings",
    "GateSettings",
    "HorizonSettings",
    "IdentitySettings",
    "ListSettings",
    "LoyaltySettings",
    "Memory",
    "ModelSettings",
    "OfferSettings",
    "ScoringSettings",
    "SegmentSettings",
    "SendTimeSettings",
    "Settings",
    "TableSource",
    "TextForm",
    "TierSettings",
    "checked_zone",
    "day_text",
    "load_config",
    "memory_text",
    "project_root",
    "read_configuration",
    "read_settings_file",
    "validated",
]
