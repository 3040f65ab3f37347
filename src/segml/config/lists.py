"""What a configuration says of all campaigns: consent, caps, holdouts, formats."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from segml.config.reading import Settings


class ConsentSettings(Settings):
    """How consent is known. Without a consents table the basis has to be stated in words."""

    required: bool = True
    basis: str = Field(
        default="", description="why these people may be contacted, when there is no consents table"
    )

    @model_validator(mode="after")
    def _basis_is_stated(self) -> ConsentSettings:
        if not self.required and not self.basis.strip():
            raise ValueError(
                "consent is not required here, so `basis` must say why these people may be contacted"
            )
        return self


class ContactCap(Settings):
    """At most so many contacts in so many days."""

    contacts: int = Field(ge=1)
    days: int = Field(ge=1)


Channel = Literal["email", "sms", "post", "push"]


class CountryRules(Settings):
    """What a country's law, or the company's caution, allows; engineering settings, no legal advice."""

    double_opt_in: tuple[Channel, ...] = Field(
        default=(), description="channels for which a consent counts only with `confirmed` (a second step)"
    )
    not_allowed: tuple[Channel | Literal["ads_sharing"], ...] = Field(
        default=(), description="channels that are not used, or ads_sharing"
    )
    minimum_age: int | None = Field(default=None, ge=1, le=120, description="years, by customers.birth_date")


class SendTimeSettings(Settings):
    """When to send: learnt from opens and clicks by e-mail."""

    window_days: int = Field(default=365, ge=7, description="of reactions that are counted")
    minimum_clicks: int = Field(
        default=10, ge=1, description="of a person, before the hour may be the person's own"
    )
    hours: tuple[int, int] = Field(default=(7, 21), description="first and last hour at which mail is sent")
    count_opens: bool | None = Field(
        default=None, description="by default only where the log tells machine opens apart"
    )

    @model_validator(mode="after")
    def _hours_of_a_day(self) -> SendTimeSettings:
        if not 0 <= self.hours[0] <= self.hours[1] <= 23:
            raise ValueError("hours are two from 0 to 23, the first not after the last")
        return self


class ListSettings(Settings):
    """Rules over all campaigns."""

    folder: str = "configs/campaigns"
    consent: ConsentSettings = ConsentSettings()
    caps: tuple[ContactCap, ...] = (ContactCap(contacts=2, days=7), ContactCap(contacts=6, days=30))
    holdout_salt: str = "segml"
    global_holdout: float = Field(default=0.05, ge=0, lt=0.5)
    global_holdout_minimum: int = Field(
        default=1_000, ge=0, description="people; below it the global holdout is off"
    )
    campaign_holdout: float = Field(default=0.10, ge=0, lt=0.9)
    minimum_list: int = Field(default=20, ge=1)
    minimum_cell: int = Field(default=10, ge=1, description="smaller groups are suppressed in reports")
    quiet_days: int = Field(default=7, ge=0, description="after a complaint or a return")
    countries: dict[str, CountryRules] = Field(
        default_factory=dict, description="alpha-2 code of customers.country -> its rules"
    )
    unknown_country: str = Field(
        default="",
        pattern="^([A-Z]{2})?$",
        description="country of people without one; else they are on no list where countries have rules",
    )
    suppressions: tuple[str, ...] = Field(
        default=(),
        description="files of people who are on no list: customer_id, email, phone, or their hashes",
    )
    retention_days: int | None = Field(
        default=None, ge=1, description="people without a sign of life for so long are on no list"
    )
    send_time: SendTimeSettings = SendTimeSettings()
    budget: float | None = Field(
        default=None,
        gt=0,
        description="of one run over all campaigns with a `cost`, in the base's currency",
    )
    exports: tuple[dict[str, Any], ...] = Field(
        default=(), description="files for platforms, made of every list whose campaign names none itself"
    )
    formats: tuple[Literal["csv", "parquet"], ...] = ("csv", "parquet")

    @field_validator("countries", mode="before")
    @classmethod
    def _codes_are_text(cls, value: Any) -> Any:
        if isinstance(value, dict) and False in value:
            raise ValueError('YAML reads the country NO as "false": write it in quotes, "NO"')
        return value
