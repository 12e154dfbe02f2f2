"""The transforms a field's value passes through between its source and its conversion.

Each takes a value and returns another, or a `Rejection`. They run in the order of the template;
blanks pass through all but `Default` and a value map with a blank left side.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from p2c.mapping.countries import country_code
from p2c.mapping.values import Rejection, as_text, cut_text, is_blank, shown


def left_side(text: str) -> str:
    """Return a value map's left side as it is compared: without outer blanks and case."""
    return text.strip().casefold()


@dataclass(frozen=True, slots=True)
class Default:
    """Fills blanks; any other value wins."""

    value: object

    def apply(self, value: object) -> object:
        """Return the value, or the default in place of a blank."""
        return self.value if is_blank(value) else value


@dataclass(frozen=True, slots=True)
class ValueMap:
    """Replaces values by a table.

    Attributes:
        name: How reasons call the map.
        entries: Left side as `left_side` gives it to right side; the left side "" is for blanks.
        pass_through: Leave values alone that the table lacks, instead of rejecting them.
    """

    name: str
    entries: Mapping[str, str]
    pass_through: bool = False

    def find(self, value: object) -> str | None:
        """Return the right side, or None when the table has none for the value."""
        text = "" if is_blank(value) else as_text(value)
        return None if text is None else self.entries.get(left_side(text))

    def apply(self, value: object) -> object:
        """Return the right side, or the rejection that names the value."""
        found = self.find(value)
        if found is not None or self.pass_through or is_blank(value):
            return value if found is None else found
        text = as_text(value)
        return Rejection(
            "value-not-mapped",
            f"{'the value' if text is None else shown(text)} is not in {self.name}",
            "add it there or correct the row in Sales",
        )


@dataclass(frozen=True, slots=True)
class Country:
    """Turns country codes and names into ISO 3166-1 alpha-2 codes.

    Attributes:
        spellings: A value map that is asked first; what it says is not questioned.
    """

    spellings: ValueMap | None = None

    def apply(self, value: object) -> object:
        """Return the code, or the rejection that names the value."""
        if self.spellings is not None:
            found = self.spellings.find(value)
            if found is not None:
                return found
        if is_blank(value):
            return None
        text = as_text(value)
        code = None if text is None else country_code(text)
        if code is not None:
            return code
        if self.spellings is not None and self.spellings.pass_through:
            return value
        return Rejection(
            "value-not-mapped",
            f"{'the value' if text is None else shown(text)} is no country code or name in "
            "English or Norwegian",
            "add it to the value map or correct the row in Sales",
        )


@dataclass(frozen=True, slots=True)
class Truncate:
    """Cuts text to a length in UTF-16 code units."""

    length: int

    def apply(self, value: object) -> object:
        """Return the beginning of text that is too long; other values stay."""
        if isinstance(value, str):
            return cut_text(value, self.length)
        return value


Transform = Default | ValueMap | Country | Truncate


def apply_all(value: object, transforms: tuple[Transform, ...]) -> object:
    """Pass a value through transforms; the first rejection ends it."""
    for transform in transforms:
        if isinstance(value, Rejection):
            return value
        value = transform.apply(value)
    return value
