"""Creating, updating and deleting records, with the party model behind customers and contacts.

Names live with the party: a customer and a contact person of one party number share them, so a
write of one shows in the other. Addresses and electronic addresses are kept for each record
separately, which is simpler than the real model.
"""

from typing import Any

from p2c.sandbox.fno.errors import (
    InfologError,
    already_exists,
    field_failed,
    must_be_filled,
    not_in_table,
)
from p2c.sandbox.fno.schema import LABELS, MANDATORY, Entity, entities
from p2c.sandbox.fno.store import KEYS, Record, Store
from p2c.sandbox.fno.values import iso_codes, same, validate_fields
from p2c.sandbox.switches import Switches

PERSON, ORGANIZATION = "Person", "Organization"

# The party's name fields by the field of the customer and of the contact person.
CUSTOMER_NAMES = {
    "OrganizationName": "OrganizationName",
    "PersonFirstName": "PersonFirstName",
    "PersonMiddleName": "PersonMiddleName",
    "PersonLastName": "PersonLastName",
}
CONTACT_NAMES = {
    "FirstName": "PersonFirstName",
    "MiddleName": "PersonMiddleName",
    "LastName": "PersonLastName",
}
_COUNTRY_FIELDS = ("Address", "DeliveryAddress", "InvoiceAddress", "PrimaryAddress")


class Writer:
    """Carries out writes on a store; every method is all or nothing."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def create(self, entity: Entity, values: dict[str, Any], switches: Switches) -> Record:
        """Insert a record.

        Raises:
            InfologError: X++ refuses it.
        """
        company = self._company(entity, values, switches)
        if entity.by_company:
            values["dataAreaId"] = company
        validate_fields(entity, values, company, self.store, switches)
        with self.store.transaction():
            if entity.table == "customers":
                self._new_customer(entity, values)
            elif entity.table == "contacts":
                self._new_contact(entity, values)
            elif entity.table == "parties":
                values.setdefault("PartyNumber", self.store.next_number("", 9))
            self._check_mandatory(entity, values)
            self._check_free(entity, values)
            self._derive(entity, values)
            return self.store.insert(entity.table, _sparse(entity, values))

    def update(
        self, entity: Entity, record: Record, values: dict[str, Any], switches: Switches
    ) -> Record:
        """Change fields of a record.

        Raises:
            InfologError: X++ refuses it.
        """
        values = self._without_keys(entity, record, values, switches)
        company = str(record.values.get("dataAreaId", ""))
        validate_fields(entity, values, company, self.store, switches)
        changed = {**record.values, **values}
        self._check_mandatory(entity, changed)
        self._derive(entity, changed)
        with self.store.transaction():
            updated = self.store.update(entity.table, record, _sparse(entity, changed))
            self._rename(entity, updated, values)
        return updated

    def delete(self, entity: Entity, record: Record) -> None:
        """Remove a record. The party stays."""
        self.store.delete(entity.table, record)

    def _company(self, entity: Entity, values: dict[str, Any], switches: Switches) -> str:
        if not entity.by_company:
            return ""
        company = str(values.get("dataAreaId") or switches.fno_default_company).lower()
        if self.store.find("companies", {"DataArea": company}) is None:
            raise InfologError(f"Error: Company '{company}' does not exist.")
        return company

    def _new_customer(self, entity: Entity, values: dict[str, Any]) -> None:
        if not values.get("CustomerAccount"):
            values["CustomerAccount"] = self.store.next_number("C", 8)
        for name in MANDATORY["customers"]:
            if not values.get(name):
                raise must_be_filled(entity, name)
        kind = values["PartyType"]
        if kind not in {PERSON, ORGANIZATION}:
            raise field_failed(
                entity, "PartyType", f"The value '{kind}' in field 'Type' is not valid."
            )
        number = values.get("PartyNumber") or self.store.next_number("", 9)
        values["PartyNumber"] = number
        self._check_free(entity, values)
        for other in self.store.tables["customers"].with_value("PartyNumber", number):
            if same(other.values["dataAreaId"], values["dataAreaId"]):
                raise InfologError(
                    f"Error: Cannot create customer with account number "
                    f"'{values['CustomerAccount']}' with same party number as customer "
                    f"'{other.values['CustomerAccount']}'."
                )
        self._use_party(entity, number, kind, values, CUSTOMER_NAMES)
        values.setdefault("NameAlias", _display_name(values)[:100])
        values.setdefault("InvoiceAccount", "")
        values.setdefault("OnHoldStatus", "No")

    def _new_contact(self, entity: Entity, values: dict[str, Any]) -> None:
        if not values.get("ContactPersonPartyNumber"):
            raise must_be_filled(entity, "ContactPersonPartyNumber")
        if "AssociatedContactNumber" in entity.properties:
            self._associate(entity, values)
        if not values.get("AssociatedPartyNumber"):
            raise must_be_filled(entity, "AssociatedPartyNumber")
        self._check_free(entity, values)
        values.setdefault("ContactPersonId", self.store.next_number("", 9))
        if "AssociatedContactNumber" not in entity.properties:
            customers = self.store.tables["customers"].with_value(
                "PartyNumber", values["AssociatedPartyNumber"]
            )
            own = [c for c in customers if same(c.values["dataAreaId"], values["dataAreaId"])]
            values["AssociatedContactType"] = "Customer" if own else "NotSupported"
            values["AssociatedContactNumber"] = own[0].values["CustomerAccount"] if own else ""
        values.setdefault("ContactPersonPartyType", PERSON)
        number = values["ContactPersonPartyNumber"]
        self._use_party(entity, number, PERSON, values, CONTACT_NAMES)

    def _associate(self, entity: Entity, values: dict[str, Any]) -> None:
        number = values.get("AssociatedContactNumber")
        if not number:
            raise must_be_filled(entity, "AssociatedContactNumber")
        values.setdefault("AssociatedContactType", "Customer")
        customer = self.store.find(
            "customers", {"dataAreaId": values["dataAreaId"], "CustomerAccount": number}
        )
        if values["AssociatedContactType"] != "Customer" or customer is None:
            raise not_in_table(entity, "AssociatedContactNumber", number, "Customers")
        values["AssociatedPartyNumber"] = customer.values["PartyNumber"]

    def _use_party(
        self,
        entity: Entity,
        number: str,
        kind: str,
        values: dict[str, Any],
        names: dict[str, str],
    ) -> None:
        """Reuse the party with this number, or create it."""
        party = self.store.party(number)
        given = {target: values[source] for source, target in names.items() if values.get(source)}
        if party is None:
            self._check_name(entity, kind, given)
            self.store.insert("parties", {"PartyNumber": number, "PartyType": kind, **given})
            return
        if party.values["PartyType"] != kind:
            raise InfologError(
                f"Error: Party '{number}' is of type {party.values['PartyType']} and cannot be "
                f"used as {kind}."
            )
        merged = {**party.values, **given}
        self._check_name(entity, kind, merged)
        self._spread(self.store.update("parties", party, merged))
        for source, target in names.items():
            if merged.get(target):
                values[source] = merged[target]

    @staticmethod
    def _check_name(entity: Entity, kind: str, names: dict[str, Any]) -> None:
        if kind == ORGANIZATION:
            if not names.get("OrganizationName"):
                raise must_be_filled(entity, "OrganizationName")
        elif not (names.get("PersonFirstName") or names.get("PersonLastName")):
            field = "FirstName" if entity.table == "contacts" else "PersonFirstName"
            raise must_be_filled(entity, field)

    def _rename(self, entity: Entity, record: Record, values: dict[str, Any]) -> None:
        names = {"customers": CUSTOMER_NAMES, "contacts": CONTACT_NAMES}.get(entity.table, {})
        given = {target: values[source] for source, target in names.items() if source in values}
        if entity.table == "parties":
            self._spread(record)
        if not given:
            return
        column = "PartyNumber" if entity.table == "customers" else "ContactPersonPartyNumber"
        party = self.store.party(record.values[column])
        if party is not None:
            merged = {**party.values, **given}
            self._check_name(entity, str(party.values["PartyType"]), merged)
            self._spread(self.store.update("parties", party, merged))

    def _spread(self, party: Record) -> None:
        """Show a party's names in the customers and contact persons that are this party."""
        number = party.values["PartyNumber"]
        for table, column, names in (
            ("customers", "PartyNumber", CUSTOMER_NAMES),
            ("contacts", "ContactPersonPartyNumber", CONTACT_NAMES),
        ):
            for record in self.store.tables[table].with_value(column, number):
                shown = {s: party.values.get(t, "") for s, t in names.items()}
                if any(record.values.get(s, "") != v for s, v in shown.items()):
                    self.store.update(table, record, {**record.values, **shown})

    def _without_keys(
        self, entity: Entity, record: Record, values: dict[str, Any], switches: Switches
    ) -> dict[str, Any]:
        fixed = {*entity.keys, *KEYS[entity.table]}
        if entity.table == "customers":
            fixed.add("PartyNumber")
        for name in fixed & values.keys():
            before = record.values.get(name, entity.empty.get(name, ""))
            if switches.fno_key_change == "refuse" and not same(values[name], before):
                label = LABELS.get(name, name)
                raise field_failed(entity, name, f"Field '{label}' cannot be changed.", "Error")
        return {name: value for name, value in values.items() if name not in fixed}

    @staticmethod
    def _check_mandatory(entity: Entity, values: dict[str, Any]) -> None:
        for name in MANDATORY.get(entity.table, ()):
            if not values.get(name):
                raise must_be_filled(entity, name)

    def _check_free(self, entity: Entity, values: dict[str, Any]) -> None:
        if self.store.find(entity.table, values) is not None:
            pairs = [
                f"{LABELS.get(name, name)}: {values.get(name, '')}"
                for name in KEYS[entity.table]
                if name != "dataAreaId"
            ]
            raise already_exists(entity, ", ".join(pairs))

    @staticmethod
    def _derive(entity: Entity, values: dict[str, Any]) -> None:
        for prefix in _COUNTRY_FIELDS:
            code = values.get(f"{prefix}CountryRegionISOCode")
            if code is not None and f"{prefix}CountryRegionId" in entity.properties:
                values[f"{prefix}CountryRegionId"] = iso_codes().get(str(code).upper(), "")
        if "FullPrimaryAddress" in entity.properties:
            lines = [
                values.get(f"Address{part}")
                for part in ("Street", "ZipCode", "City", "CountryRegionId")
            ]
            values["FullPrimaryAddress"] = "\n".join(str(line) for line in lines if line)


def _display_name(values: dict[str, Any]) -> str:
    if values.get("OrganizationName"):
        return str(values["OrganizationName"])
    names = (values.get(n) for n in ("PersonFirstName", "PersonMiddleName", "PersonLastName"))
    return " ".join(str(name) for name in names if name)


def _sparse(entity: Entity, values: dict[str, Any]) -> dict[str, Any]:
    """Drop what equals the empty value; two entities may share a table, so keep what is unknown."""
    empty = entity.empty
    return {name: value for name, value in values.items() if value != empty.get(name)}


def preload(store: Store) -> None:
    """Fill the set-up tables: legal entities and customer groups."""
    for company, name in (
        ("usmf", "Contoso Entertainment System USA"),
        ("demf", "Contoso Entertainment System Germany"),
        ("gbsi", "Contoso Orange Juice"),
        ("nomf", "Contoso Norge AS"),
    ):
        number = store.next_number("", 9)
        store.insert(
            "companies",
            {
                "DataArea": company,
                "Name": name,
                "KnownAs": name,
                "LanguageId": "en-us",
                "PartyNumber": number,
            },
        )
        store.insert(
            "parties", {"PartyNumber": number, "PartyType": "LegalEntity", "OrganizationName": name}
        )
        for group, text in (
            ("10", "Wholesales customers"),
            ("20", "Major customers"),
            ("30", "Retail customers"),
            ("40", "Internet customers"),
            ("80", "Other customers"),
            ("90", "Intercompany customers"),
        ):
            store.insert(
                "groups",
                {
                    "dataAreaId": company,
                    "CustomerGroupId": group,
                    "Description": text,
                    "PaymentTermId": "Net30",
                },
            )
    entities()


def fill_sites(store: Store, switches: Switches) -> None:
    """Give every legal entity the sites and warehouses that the switches name."""
    companies = [record.values["DataArea"] for record in store.tables["companies"].records.values()]
    for table, field, names in (
        ("sites", "SiteId", switches.fno_sites),
        ("warehouses", "WarehouseId", switches.fno_warehouses),
    ):
        store.empty(table)
        for company in companies:
            for name in names:
                store.insert(table, {"dataAreaId": company, field: name})
