"""What a campaign or a configuration says about one export."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from segml.campaigns.export.platform import Platform
from segml.campaigns.export.platforms import platform_named
from segml.config import ConsentSettings, Settings
from segml.contacts.countries import country_code
from segml.errors import ConfigurationError, did_you_mean
from segml.tables.partition import content_sha256

ADVERTISING_MINIMUM = 100
# Audience names are shown in advertising accounts, and some to the people themselves.
_TELLING = (
    *("active", "age", "at_risk", "best", "big", "churn", "clv", "customer", "debt", "discount", "divorced", "dormant"),
    *("female", "gay", "gender", "health", "high", "hibernating", "income", "lapsed", "lost", "low", "loyal", "male"),
    *("married", "old", "poor", "pregnant", "religion", "rich", "risk", "seed", "segment", "senior", "sick", "single"),
    *("sleeping", "slipping", "spender", "top", "value", "valuable", "vip", "winback", "young"),
)  # fmt: skip


class ListExport(Settings):
    """One list file for one platform.

    Examples
    --------
    >>> ListExport(platform="klaviyo", region="DK").channel
    'email'
    """

    platform: str
    channel: Literal["email", "sms", "push"] = Field(
        default="email", description="whose consent counts and which address identifies; not for advertising"
    )
    audience: str = Field(
        default="", description="a neutral name, also of the files; by default `audience` and part of a hash"
    )
    identify_by: Literal["contact", "id"] = Field(
        default="contact",
        description="id: no address is written, the tool finds people by the customer id it knows (Braze)",
    )
    region: str = Field(
        default="",
        description="country of people without one, ISO 3166-1 alpha-2; their phones are read in it",
    )
    details: tuple[str, ...] | None = Field(
        default=None, description="columns of customers that are written; the platform's own few by default"
    )
    properties: tuple[str, ...] = Field(
        default=("campaign", "action", "offer_class"),
        description="columns of the list that are written; never for advertising",
    )
    value: str = Field(
        default="score", description="column of the list that says what a person is worth (Meta)"
    )
    consent: ConsentSettings = ConsentSettings()
    minimum_people: int = Field(
        default=20, ge=1, description="smaller files are refused; advertising takes 100"
    )
    max_rows: int | None = Field(
        default=None, ge=2, description="of one file, when smaller than the platform's"
    )
    max_bytes: int | None = Field(default=None, ge=10_000)

    @field_validator("platform")
    @classmethod
    def _is_known_platform(cls, value: str) -> str:
        try:
            return platform_named(value).name
        except ConfigurationError as error:
            raise ValueError(error.message) from None

    @field_validator("region")
    @classmethod
    def _is_a_country(cls, value: str) -> str:
        code = country_code(value) if value else ""
        if code is None:
            raise ValueError("not a country of ISO 3166-1, such as DK")
        return code

    @field_validator("audience")
    @classmethod
    def _is_neutral(cls, value: str) -> str:
        if value and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,59}", value):
            raise ValueError("an audience name has letters, digits, blanks, - and _, at most 60")
        return value

    @model_validator(mode="after")
    def _fits_the_platform(self) -> ListExport:
        wrong = _mistakes(self, self.known_platform)
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @property
    def known_platform(self) -> Platform:
        """The platform itself."""
        return platform_named(self.platform)

    @property
    def needs_addresses(self) -> bool:
        """Whether people without an e-mail address or phone can't be in its files."""
        return self.identify_by == "contact" and self.channel != "push"

    @property
    def folder_name(self) -> str:
        """The folder of its files, beside the list: the platform, and the channel when it is not e-mail."""
        channel = "" if self.known_platform.advertising or self.channel == "email" else f"-{self.channel}"
        return self.platform + channel

    @property
    def chosen_details(self) -> tuple[str, ...]:
        """The columns of customers that are written."""
        return self.known_platform.default_details if self.details is None else self.details

    @property
    def minimum(self) -> int:
        """The fewest people a file may have."""
        floor = ADVERTISING_MINIMUM if self.known_platform.advertising else 1
        return max(floor, self.minimum_people)

    @property
    def definition_hash(self) -> str:
        """Sixteen hexadecimal digits that change when these settings do."""
        return content_sha256(self.model_dump(mode="json"))[:16]


def telling_words(name: str) -> list[str]:
    """Return the words of an audience name that say something about the people in it.

    Examples
    --------
    >>> telling_words("Win-back: rich dormant"), telling_words("audience 7f3a")
    (['dormant', 'rich'], [])
    """
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    return sorted(word for word in _TELLING if word in words or word + "s" in words)


def _mistakes(export: ListExport, platform: Platform) -> list[str]:
    found = []
    if export.identify_by == "id" and not platform.takes_ids:
        found.append(f"{platform.title} files identify people by contact, not by your customer id")
    for name in export.details or ():
        if name not in platform.details:
            found.append(
                f"{platform.title} takes no detail {name!r}{did_you_mean(name, platform.details)};"
                f" one of {list(platform.details)}"
            )
    if platform.advertising:
        return found + _advertising_mistakes(export, platform)
    if export.channel not in platform.channels:
        found.append(f"{platform.title} files are for {' or '.join(platform.channels)}, not {export.channel}")
    reserved = {header.casefold() for header in (*platform.details.values(), *platform.forbidden)}
    taken = [name for name in export.properties if name.casefold() in reserved]
    if taken:
        found.append(f"{taken} are {platform.title}'s own columns and can't be properties")
    return found


def _advertising_mistakes(export: ListExport, platform: Platform) -> list[str]:
    found: list[str] = []
    given: set[Any] = export.model_fields_set
    if not export.consent.required:
        found.append(f"{platform.title} takes a consent to sharing for advertising; a stated basis is none")
    if "properties" in given and export.properties:
        found.append(f"{platform.title} takes no properties of a list")
    telling = telling_words(export.audience)
    if telling:
        found.append(f"the audience name tells about people ({', '.join(telling)}); choose a neutral one")
    return found
