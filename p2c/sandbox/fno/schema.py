"""The data entities of the simulated environment.

Properties, types and keys come from ``data/fno_entities.json``, which was taken from an
environment's metadata. What metadata does not tell is in the tables here; the string lengths are
assumptions from the standard application's extended data types.
"""

import json
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

NAMESPACE = "Microsoft.Dynamics.DataEntities"

# The entity's public name, its X++ name, the stored table, and the table's label in messages.
_NAMES = {
    "Companies": ("Company", "CompanyInfoEntity", "companies", "Companies (CompanyInfo)"),
    "CustomerGroups": (
        "CustomerGroup",
        "CustCustomerGroupEntity",
        "groups",
        "Customer groups (CustGroup)",
    ),
    "OperationalSitesV2": (
        "OperationalSiteV2",
        "InventOperationalSiteV2Entity",
        "sites",
        "Sites V2 (InventSite)",
    ),
    "Warehouses": (
        "Warehouse",
        "InventWarehouseEntity",
        "warehouses",
        "Warehouses (InventLocation)",
    ),
    "CustomersV2": ("CustomerV2", "CustCustomerV2Entity", "customers", "Customers (CustTable)"),
    "CustomersV3": ("CustomerV3", "CustCustomerV3Entity", "customers", "Customers (CustTable)"),
    "CDSContactPersons": (
        "CDSContactPerson",
        "smmContactPersonCDSEntity",
        "contacts",
        "Contacts (ContactPerson)",
    ),
    "CDSContactPersonsV2": (
        "CDSContactPersonV2",
        "smmContactPersonCDSV2Entity",
        "contacts",
        "Contacts (ContactPerson)",
    ),
    "CDSParties": ("CDSParty", "DirPartyCDSEntity", "parties", "Parties (DirPartyTable)"),
}

# Assumed: extended data types of the standard application.
LENGTHS: dict[str, int] = {
    "dataAreaId": 4,
    "CustomerAccount": 20,
    "PartyNumber": 40,
    "InvoiceAccount": 20,
    "OrganizationName": 100,
    "NameAlias": 100,
    "KnownAs": 100,
    "PersonFirstName": 25,
    "PersonMiddleName": 25,
    "PersonLastName": 25,
    "FirstName": 25,
    "MiddleName": 25,
    "LastName": 25,
    "CustomerGroupId": 10,
    "Description": 60,
    "SalesCurrencyCode": 3,
    "LanguageId": 7,
    "SiteId": 10,
    "WarehouseId": 10,
    "AddressDescription": 60,
    "AddressStreet": 250,
    "AddressCity": 60,
    "AddressState": 10,
    "AddressZipCode": 10,
    "AddressCountryRegionISOCode": 2,
    "AddressLocationRoles": 255,
    "DeliveryAddressDescription": 60,
    "DeliveryAddressStreet": 250,
    "DeliveryAddressCity": 60,
    "DeliveryAddressState": 10,
    "DeliveryAddressZipCode": 10,
    "DeliveryAddressCountryRegionISOCode": 2,
    "PrimaryContactEmail": 255,
    "PrimaryContactPhone": 255,
    "PrimaryContactFax": 255,
    "PrimaryContactURL": 255,
    "ContactPersonPartyNumber": 40,
    "AssociatedPartyNumber": 40,
    "AssociatedContactNumber": 20,
    "EmploymentDepartment": 60,
    "EmploymentProfession": 60,
    "GovernmentIdentificationNumber": 50,
    "PrimaryAddressStreet": 250,
    "PrimaryAddressCity": 60,
    "PrimaryAddressStateId": 10,
    "PrimaryAddressZipCode": 10,
    "PrimaryAddressCountryRegionISOCode": 2,
    "PrimaryEmailAddress": 255,
    "PrimaryPhoneNumber": 255,
    "PrimaryURL": 255,
}

LABELS: dict[str, str] = {
    "dataAreaId": "Company",
    "CustomerAccount": "Customer account",
    "CustomerGroupId": "Customer group",
    "SalesCurrencyCode": "Currency",
    "LanguageId": "Language",
    "SiteId": "Site",
    "WarehouseId": "Warehouse",
    "OrganizationName": "Name",
    "PersonFirstName": "First name",
    "PersonLastName": "Last name",
    "PartyType": "Type",
    "PartyNumber": "Party ID",
    "ContactPersonPartyNumber": "Contact person party number",
    "AssociatedPartyNumber": "Associated party number",
    "LastName": "Last name",
    "FirstName": "First name",
    "AddressCountryRegionISOCode": "ISO code",
    "DeliveryAddressCountryRegionISOCode": "ISO code",
    "PrimaryAddressCountryRegionISOCode": "ISO code",
    "AssociatedContactNumber": "Associated contact number",
}

MANDATORY: dict[str, tuple[str, ...]] = {
    "customers": ("CustomerGroupId", "SalesCurrencyCode", "PartyType"),
    "contacts": ("ContactPersonPartyNumber", "AssociatedPartyNumber"),
    "groups": ("CustomerGroupId",),
}

READ_ONLY = frozenset({"companies", "sites", "warehouses"})
"""Sites and warehouses are what the switches say."""

EMPTY: dict[str, object] = {
    "Edm.String": "",
    "Edm.Decimal": 0,
    "Edm.Int32": 0,
    "Edm.Int64": 0,
    "Edm.DateTimeOffset": "1900-01-01T12:00:00Z",
}


@dataclass(frozen=True)
class Property:
    """One property. `type` is an Edm type or the name of an enum."""

    name: str
    type: str
    nullable: bool
    members: dict[str, int] | None = field(default=None, hash=False)

    @property
    def full_type(self) -> str:
        """The type as metadata and messages name it."""
        return self.type if self.members is None else f"{NAMESPACE}.{self.type}"

    @property
    def empty(self) -> object:
        """What a field that was never set reads as: the first member of an enum."""
        if self.members is not None:
            return min(self.members, key=lambda member: self.members[member])  # type: ignore[index]
        return EMPTY[self.type]


@dataclass(frozen=True)
class Entity:
    """One data entity."""

    entity_set: str
    name: str
    xpp_name: str
    table: str
    table_label: str
    keys: tuple[str, ...]
    properties: dict[str, Property] = field(hash=False)
    empty: dict[str, object] = field(hash=False)

    @property
    def type_name(self) -> str:
        """The public type name."""
        return f"{NAMESPACE}.{self.name}"

    @property
    def by_company(self) -> bool:
        """Whether records belong to a legal entity."""
        return "dataAreaId" in self.keys


@cache
def _data() -> dict[str, Any]:
    text = files("p2c.sandbox").joinpath("data/fno_entities.json").read_text("utf-8")
    parsed: dict[str, Any] = json.loads(text)
    return parsed


@cache
def enums() -> dict[str, dict[str, int]]:
    """Members of every enum."""
    found: dict[str, dict[str, int]] = _data()["enums"]
    return found


@cache
def entities() -> dict[str, Entity]:
    """Every data entity by its entity set."""
    found = {}
    for name, definition in _data()["entities"].items():
        properties = {}
        for prop, spec in definition["properties"].items():
            kind = spec.rstrip("!")
            properties[prop] = Property(prop, kind, not spec.endswith("!"), enums().get(kind))
        empty = {prop: item.empty for prop, item in properties.items()}
        found[name] = Entity(name, *_NAMES[name], tuple(definition["keys"]), properties, empty)
    return found
