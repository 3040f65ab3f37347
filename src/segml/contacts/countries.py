"""Countries as people write them -> ISO 3166-1 alpha-2. What is not recognised is missing, never guessed."""

from __future__ import annotations

import functools

# alpha-2: alpha-3, then names in English and in the country's own languages, in lower case.
_NAMES = """
AE:ARE:united arab emirates  AR:ARG:argentina  AT:AUT:austria:österreich:østrig:österrike  AU:AUS:australia
BE:BEL:belgium:belgië:belgique:belgien  BG:BGR:bulgaria  BR:BRA:brazil:brasil  CA:CAN:canada
CH:CHE:switzerland:schweiz:suisse:svizzera  CL:CHL:chile  CN:CHN:china  CY:CYP:cyprus
CZ:CZE:czechia:czech republic:česko:tjekkiet  DE:DEU:germany:deutschland:tyskland  DK:DNK:denmark:danmark
EE:EST:estonia:eesti:estland  ES:ESP:spain:españa:spanien  FI:FIN:finland:suomi  FO:FRO:faroe islands:føroyar:færøerne
FR:FRA:france:frankrig:frankrike  GB:GBR:united kingdom:great britain:uk:england:scotland:wales:northern ireland
GL:GRL:greenland:grønland:kalaallit nunaat  GR:GRC:greece:ελλάδα:el:grækenland  HK:HKG:hong kong
HR:HRV:croatia:hrvatska  HU:HUN:hungary:magyarország  IE:IRL:ireland:éire:irland  IL:ISR:israel  IN:IND:india
IS:ISL:iceland:ísland:island  IT:ITA:italy:italia:italien  JP:JPN:japan  KR:KOR:south korea:korea, republic of
LI:LIE:liechtenstein  LT:LTU:lithuania:lietuva:litauen  LU:LUX:luxembourg:luxemburg  LV:LVA:latvia:latvija:letland
MT:MLT:malta  MX:MEX:mexico:méxico  NL:NLD:netherlands:the netherlands:nederland:holland:nederlandene
NO:NOR:norway:norge:noreg  NZ:NZL:new zealand  PL:POL:poland:polska:polen  PT:PRT:portugal
RO:ROU:romania:românia  RS:SRB:serbia:srbija  SE:SWE:sweden:sverige  SG:SGP:singapore
SI:SVN:slovenia:slovenija  SK:SVK:slovakia:slovensko  TR:TUR:turkey:türkiye  UA:UKR:ukraine:україна
US:USA:united states:united states of america:u.s.:u.s.a.  ZA:ZAF:south africa
"""
_NOT_COUNTRIES = {"AC", "TA", "XK"}  # regions of the numbering plans without an assigned ISO code


def country_code(text: str) -> str | None:
    """Return the alpha-2 code of a country, or None when it is not recognised.

    Examples
    --------
    >>> country_code("Danmark"), country_code("dnk"), country_code("UK"), country_code("Atlantis")
    ('DK', 'DK', 'GB', None)
    """
    known = text.strip().casefold()
    return _codes().get(known)


@functools.cache
def _codes() -> dict[str, str]:
    import phonenumbers

    codes = {code.casefold(): code for code in phonenumbers.SUPPORTED_REGIONS if code not in _NOT_COUNTRIES}
    for entry in _NAMES.replace("\n", "  ").split("  "):
        code, *names = entry.split(":")
        codes.update({name.casefold(): code for name in names})
    return codes
