"""Payloads: property names, JSON types, enum members, lengths and foreign keys."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pycountry

from p2c.sandbox.filters import fold
from p2c.sandbox.fno.errors import bad_request, field_failed, not_in_table
from p2c.sandbox.fno.schema import LABELS, LENGTHS, Entity, Property
from p2c.sandbox.fno.store import Store
from p2c.sandbox.switches import Switches

_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")


def typed_values(entity: Entity, body: dict[str, Any], switches: Switches) -> dict[str, Any]:
    """Check names and JSON types of a payload, as the OData layer does before X++ runs.

    Raises:
        Refused: An unknown property, a wrong type, an unknown enum member, or a null that is not
            allowed.
    """
    values = {}
    for name, value in body.items():
        if "@" in name:
            continue
        prop = entity.properties.get(name)
        if prop is None:
            raise bad_request(
                f"The property '{name}' does not exist on type '{entity.type_name}'. Make sure to "
                "only use property names that are defined by the type."
            )
        checked = _typed(prop, value)
        if isinstance(checked, str) and switches.fno_trailing_spaces == "trim":
            checked = checked.rstrip(" ")
        values[name] = checked
    return values


def _typed(prop: Property, value: Any) -> Any:
    if value is None:
        if prop.nullable:
            return prop.empty
        raise bad_request(
            f"A null value was found for the property named '{prop.name}', which has the expected "
            f"type '{prop.full_type}[Nullable=False]'. The expected type "
            f"'{prop.full_type}[Nullable=False]' does not allow null values."
        )
    if prop.members is not None:
        if isinstance(value, str) and value in prop.members:
            return value
    elif prop.type == "Edm.DateTimeOffset":
        if isinstance(value, str) and _DATE.fullmatch(value):
            moment = datetime.fromisoformat(value).astimezone(UTC)
            return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    elif _fits(prop.type, value):
        return value
    raise bad_request(
        f"Cannot convert a primitive value to the expected type '{prop.full_type}'. See the inner "
        f"exception for more details. ---> Cannot convert the literal '{str(value)[:60]}' to the "
        f"expected type '{prop.full_type}' of property '{prop.name}'."
    )


def _fits(kind: str, value: Any) -> bool:
    if kind == "Edm.String":
        return isinstance(value, str)
    if isinstance(value, bool):
        return False
    if kind == "Edm.Decimal":
        return isinstance(value, (int, float))
    return isinstance(value, int) and abs(value) < 2 ** (31 if kind == "Edm.Int32" else 63)


@cache
def iso_codes() -> dict[str, str]:
    """Three-letter country ids of the address hierarchy by two-letter ISO code."""
    return {country.alpha_2: country.alpha_3 for country in pycountry.countries}


Check = Callable[[str, str, Store, Switches], bool]

# Which table a field's value must be found in, and how that is looked up (value, company, …).
FOREIGN_KEYS: dict[str, tuple[str, Check]] = {
    "CustomerGroupId": (
        "Customer groups",
        lambda value, company, store, _switches: (
            store.find("groups", {"dataAreaId": company, "CustomerGroupId": value}) is not None
        ),
    ),
    "SalesCurrencyCode": (
        "Currencies",
        lambda value, _c, _s, switches: value.upper() in switches.fno_currencies,
    ),
    "LanguageId": (
        "Languages",
        lambda value, _c, _s, switches: value.lower() in switches.fno_languages,
    ),
    "SiteId": ("Sites", lambda value, _c, _s, switches: value in switches.fno_sites),
    "WarehouseId": ("Warehouses", lambda value, _c, _s, switches: value in switches.fno_warehouses),
    **{
        f"{prefix}CountryRegionISOCode": (
            "Country/region",
            lambda value, _c, _s, _w: value.upper() in iso_codes(),
        )
        for prefix in ("Address", "DeliveryAddress", "InvoiceAddress", "PrimaryAddress")
    },
    "AssociatedPartyNumber": (
        "Parties",
        lambda value, _c, store, _w: store.party(value) is not None,
    ),
}


def validate_fields(
    entity: Entity, values: dict[str, Any], company: str, store: Store, switches: Switches
) -> None:
    """Run validateField on each field that a write sets, in the order of the payload.

    Raises:
        InfologError: A text that is too long, or a value that its related table lacks.
    """
    for name, value in values.items():
        if not isinstance(value, str) or not value:
            continue
        limit = LENGTHS.get(name)
        if limit is not None and len(value) > limit:
            raise field_failed(
                entity,
                name,
                f"The value in field '{LABELS.get(name, name)}' is too long: {len(value)} "
                f"characters where {limit} are allowed.",
                "Error",
            )
        related = FOREIGN_KEYS.get(name) if entity.table in {"customers", "contacts"} else None
        if related is not None and not related[1](value, company, store, switches):
            raise not_in_table(entity, name, value, related[0])


def same(left: Any, right: Any) -> bool:
    """Whether two values are equal as the database compares them."""
    return bool(fold(left) == fold(right))
