"""What is known of a postcode: how densely people live there, and the climate, from a list that the user gives.

segml ships no such list: none is free for every country, and a guess from the first digit of a postcode would be one.
A list is a CSV file with `postcode` (whole, or the beginning that a region shares) and, as far as they are known,
`country`, `people_per_km2` and `climate`. The longest beginning that fits a person's postcode counts.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from segml.contacts.countries import country_code
from segml.engine import Engine
from segml.errors import ConfigurationError, did_you_mean

PLACE_FACTS = ("people_per_km2", "climate")
_COLUMNS = ("country", "postcode", *PLACE_FACTS)
_SHOWN = 3
_MOST_COUNTRIES = 10_000


def load_places(file: Path) -> pd.DataFrame:
    """Read a list of places.

    Parameters
    ----------
    file : Path
        CSV with a header; UTF-8, decimal point.

    Returns
    -------
    DataFrame
        country (alpha-2, or empty for a list of one country), postcode (upper case, without blanks and dashes),
        people_per_km2, climate.

    Raises
    ------
    ConfigurationError
        All mistakes at once.
    """
    if not file.is_file():
        raise ConfigurationError(f"places: no file {file}", "correct the path in the configuration")
    raw = pd.read_csv(file, dtype="str", keep_default_na=False, skipinitialspace=True)
    names = [str(name) for name in raw.columns]
    mistakes = [
        f"unknown column {name!r}{did_you_mean(name, _COLUMNS)}" for name in names if name not in _COLUMNS
    ]
    mistakes += [] if "postcode" in raw else ["no column 'postcode'"]
    mistakes += [] if set(PLACE_FACTS) & set(raw) else [f"neither of the columns {' and '.join(PLACE_FACTS)}"]
    places = raw.reindex(columns=list(_COLUMNS), fill_value="")
    if not mistakes:
        mistakes = _row_mistakes(places)
    if mistakes:
        raise ConfigurationError(
            f"{file} is no list of places:\n  - " + "\n  - ".join(mistakes), "correct the list"
        )
    density = pd.to_numeric(places["people_per_km2"].replace("", np.nan)).astype("float64")
    return places.assign(
        country=places["country"].map(lambda text: country_code(text) or ""),
        postcode=_plain(places["postcode"]),
        people_per_km2=density,
        climate=places["climate"].str.strip(),
    )


def register_places(engine: Engine, places: pd.DataFrame) -> bool:
    """Make ``places`` readable, one row a person whose postcode is on the list; false without postcodes."""
    known = engine.columns("customers") if engine.exists("customers") else []
    by_country = bool((places["country"] != "").any())
    if "postcode" not in known or (by_country and "country" not in known):
        return False
    engine.register("place_list", places)
    if by_country:
        written = engine.fetch(
            "select distinct country from customers where country is not null", _MOST_COUNTRIES
        )
        codes = written.assign(code=written["country"].map(lambda text: country_code(text) or ""))
        engine.register("place_countries", codes)
    lengths = sorted({len(code) for code in places["postcode"]}, reverse=True)
    engine.run(places_sql(lengths, by_country), "places")
    return True


def places_sql(lengths: list[int], by_country: bool) -> str:
    """Return the query for what the list says of everybody's postcode, the longest beginning first."""
    code = "replace(replace(upper(c.postcode), ' ', ''), '-', '')"
    joins = " left join place_countries on place_countries.country = c.country" if by_country else ""
    for length in lengths:
        same = f"p{length}.postcode = substr({code}, 1, {length})"
        place = f" and p{length}.country = place_countries.code" if by_country else ""
        joins += f" left join place_list p{length} on {same}{place}"
    facts = {
        "people_per_km2": ", ".join(f"p{length}.people_per_km2" for length in lengths),
        "climate": ", ".join(f"nullif(p{length}.climate, '')" for length in lengths),
    }
    listed = ", ".join(f"coalesce({columns}, null) as {name}" for name, columns in facts.items())
    return f"select c.customer_id, {listed} from customers c{joins} where c.postcode is not null"


def _row_mistakes(places: pd.DataFrame) -> list[str]:
    found = []
    country, code = places["country"].str.strip(), _plain(places["postcode"])
    density = pd.to_numeric(places["people_per_km2"].replace("", "0"), errors="coerce")
    stated = country != ""
    rules = {
        "a row without a postcode": code == "",
        "a country that is not recognised": stated & country.map(country_code).isna(),
        "rows with a country and rows without one": ~stated if stated.any() else stated,
        "a density that is no number of people": ~(density >= 0) | np.isinf(density),
        "a postcode twice": pd.DataFrame({"country": country, "code": code}).duplicated(),
    }
    for rule, broken in rules.items():
        if broken.any():
            rows = ", ".join(str(place + 2) for place in np.flatnonzero(broken)[:_SHOWN])
            found.append(f"{rule}: {int(broken.sum()):,}, first in line {rows}")
    return found


def _plain(codes: pd.Series) -> pd.Series:
    return codes.str.upper().str.replace(r"[\s\-]", "", regex=True)
