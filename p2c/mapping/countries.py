"""Countries by ISO 3166 code, or by name in English or Norwegian.

Names come from pycountry and from the CLDR data in babel. Spellings that are neither belong into
a template's value map.
"""

import unicodedata
from collections.abc import Iterator
from functools import cache

import pycountry
from babel import Locale

LANGUAGES = ("en", "nb", "nn")


def country_code(text: str) -> str | None:
    """Return the ISO 3166-1 alpha-2 code of a country, or None when it is not recognised.

    Takes alpha-2, alpha-3 and three-digit numeric codes and names; case, accents, punctuation
    and a leading "the" do not count.
    """
    return _codes().get(_folded(text))


def _folded(text: str) -> str:
    """Fold a spelling; letters such as ø that are no accented form of another stay.

    Spaces go too: "U.S.A.", "U. S. A." and "USA" are one spelling.
    """
    words = unicodedata.normalize("NFKD", text.casefold()).split()
    if len(words) > 1 and words[0] == "the":
        words = words[1:]
    return "".join(character for word in words for character in word if character.isalnum())


def _spellings() -> Iterator[tuple[str, str]]:
    """Yield code and spelling. A test holds that no spelling stands for two countries."""
    for country in pycountry.countries:
        for attribute in ("alpha_2", "alpha_3", "numeric", "name", "official_name", "common_name"):
            spelling = getattr(country, attribute, None)
            if spelling:
                yield country.alpha_2, spelling
    for language in LANGUAGES:
        for code, name in Locale(language).territories.items():
            if pycountry.countries.get(alpha_2=code) is not None:
                yield code, name


@cache
def _codes() -> dict[str, str]:
    return {_folded(spelling): code for code, spelling in _spellings()}
