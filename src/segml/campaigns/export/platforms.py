"""The platforms there are, by name."""

from __future__ import annotations

from segml.campaigns.export import braze, google, hubspot, klaviyo, mailchimp, meta
from segml.campaigns.export.platform import Platform
from segml.errors import ConfigurationError, did_you_mean

PLATFORMS: dict[str, Platform] = {
    platform.name: platform
    for platform in (
        klaviyo.PLATFORM,
        mailchimp.PLATFORM,
        braze.PLATFORM,
        hubspot.PLATFORM,
        meta.PLATFORM,
        google.PLATFORM,
    )
}


def platform_named(name: str) -> Platform:
    """Return a platform; an unknown name is a ConfigurationError with the nearest one.

    Examples
    --------
    >>> platform_named("klaviyo").title
    'Klaviyo'
    """
    if name not in PLATFORMS:
        raise ConfigurationError(
            f"unknown platform {name!r}{did_you_mean(name, PLATFORMS)}; one of {list(PLATFORMS)}",
            "list.csv and list.parquet beside the list are for every other tool",
        )
    return PLATFORMS[name]
