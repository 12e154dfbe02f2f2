"""The tables of the simulated environment: columns, lookups, choices, keys.

Lengths and choices are those of the standard tables and of the Prospect to cash solution, as far as
both are published. Columns that no template needs are there so that a mapping can be extended.
"""

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "string",
    "memo",
    "int",
    "money",
    "decimal",
    "bool",
    "choice",
    "datetime",
    "date",
    "lookup",
    "guid",
    "bigint",
]

ATTRIBUTE_TYPES: dict[str, str] = {
    "string": "String",
    "memo": "Memo",
    "int": "Integer",
    "money": "Money",
    "decimal": "Decimal",
    "bool": "Boolean",
    "choice": "Picklist",
    "datetime": "DateTime",
    "date": "DateTime",
    "lookup": "Lookup",
    "guid": "Uniqueidentifier",
    "bigint": "BigInt",
}
EDM_TYPES: dict[str, str] = {
    "string": "Edm.String",
    "memo": "Edm.String",
    "int": "Edm.Int32",
    "money": "Edm.Decimal",
    "decimal": "Edm.Decimal",
    "bool": "Edm.Boolean",
    "choice": "Edm.Int32",
    "datetime": "Edm.DateTimeOffset",
    "date": "Edm.Date",
    "lookup": "Edm.Guid",
    "guid": "Edm.Guid",
    "bigint": "Edm.Int64",
}


@dataclass(frozen=True)
class Column:
    """One column. `name` is as on the wire: a lookup's value column is ``_name_value``."""

    name: str
    kind: Kind
    length: int | None = None
    choices: dict[int, str] = field(default_factory=dict, hash=False)
    required: bool = False
    read_only: bool = False
    default: bool | int | None = None

    @property
    def logical_name(self) -> str:
        """The column's name in the table's definition."""
        return self.name[1:-6] if self.kind == "lookup" else self.name


@dataclass(frozen=True)
class Lookup:
    """A single-valued navigation property, case-sensitive, and the value column behind it."""

    navigation: str
    column: str
    target: str


@dataclass(frozen=True)
class Table:
    """One table."""

    logical_name: str
    entity_set: str
    object_type_code: int
    primary_name: str
    columns: dict[str, Column] = field(hash=False)
    lookups: dict[str, Lookup] = field(hash=False)
    number_column: str | None = None
    number_prefix: str = ""

    @property
    def primary_id(self) -> str:
        """The primary key column."""
        return f"{self.logical_name}id"

    @property
    def type_name(self) -> str:
        """The name in error messages and metadata."""
        return f"Microsoft.Dynamics.CRM.{self.logical_name}"


def _strings(spec: str) -> list[Column]:
    """Columns from ``name:length`` words."""
    columns = []
    for word in spec.split():
        name, _, length = word.partition(":")
        columns.append(Column(name, "string", int(length)))
    return columns


def _of(kind: Kind, names: str) -> list[Column]:
    return [Column(name, kind) for name in names.split()]


def _booleans(names: str) -> list[Column]:
    return [Column(name, "bool", default=False) for name in names.split()]


def _addresses() -> list[Column]:
    columns: list[Column] = []
    for n in (1, 2):
        columns += _strings(
            f"address{n}_name:200 address{n}_line1:250 address{n}_line2:250 address{n}_line3:250 "
            f"address{n}_city:80 address{n}_county:50 address{n}_stateorprovince:50 "
            f"address{n}_postalcode:20 address{n}_country:80 address{n}_postofficebox:20 "
            f"address{n}_telephone1:50 address{n}_telephone2:50 address{n}_fax:50 "
        )
        columns.append(Column(f"address{n}_composite", "memo", 1000, read_only=True))
        columns += _of("decimal", f"address{n}_latitude address{n}_longitude")
    return columns


def _common(statuses: dict[int, str]) -> list[Column]:
    return [
        Column("createdon", "datetime", read_only=True),
        Column("modifiedon", "datetime", read_only=True),
        Column("versionnumber", "bigint", read_only=True),
        Column("_createdby_value", "lookup", read_only=True),
        Column("_modifiedby_value", "lookup", read_only=True),
        Column("_ownerid_value", "lookup", read_only=True),
        Column("overriddencreatedon", "datetime"),
        Column("importsequencenumber", "int"),
        Column("statecode", "choice", choices={0: "Active", 1: "Inactive"}, default=0),
        Column("statuscode", "choice", choices=statuses, default=1),
    ]


_STATUSES = {1: "Active", 2: "Inactive"}

_ACCOUNT = [
    Column("accountid", "guid", required=True),
    Column("name", "string", 160, required=True),
    Column("accountnumber", "string", 20, required=True),
    *_strings(
        "telephone1:50 telephone2:50 telephone3:50 fax:50 emailaddress1:100 emailaddress2:100 "
        "websiteurl:200 tickersymbol:10 sic:20 stockexchange:20 ftpsiteurl:200 yominame:160"
    ),
    Column("description", "memo", 2000),
    *_of("money", "creditlimit revenue marketcap"),
    *_of("decimal", "exchangerate"),
    *_of("int", "numberofemployees sharesoutstanding"),
    *_booleans("creditonhold donotemail donotphone donotfax donotpostalmail donotbulkemail merged"),
    Column("industrycode", "choice", choices={1: "Accounting", 7: "Consulting", 16: "Wholesale"}),
    Column("customertypecode", "choice", choices={1: "Competitor", 3: "Customer", 8: "Prospect"}),
    Column("accountcategorycode", "choice", choices={1: "Preferred Customer", 2: "Standard"}),
    Column("_transactioncurrencyid_value", "lookup"),
    Column("_primarycontactid_value", "lookup"),
    Column("_parentaccountid_value", "lookup"),
    Column("_masterid_value", "lookup", read_only=True),
    *_addresses(),
    *_common(_STATUSES),
]

_CONTACT = [
    Column("contactid", "guid", required=True),
    Column("msdynce_contactnumber", "string", 20, required=True),
    *_booleans("msdynce_isactivecustomer msdynce_iscompanyanaccount"),
    Column("fullname", "string", 160, read_only=True),
    Column("lastname", "string", 50, required=True),
    *_strings(
        "firstname:50 middlename:50 salutation:100 suffix:10 nickname:100 jobtitle:100 "
        "department:100 governmentid:50 emailaddress1:100 emailaddress2:100 emailaddress3:100 "
        "telephone1:50 telephone2:50 telephone3:50 mobilephone:50 pager:50 fax:50 websiteurl:200 "
        "ftpsiteurl:200 employeeid:50 externaluseridentifier:50 managername:100 assistantname:100 "
        "spousesname:100 childrensnames:255 yomifullname:450"
    ),
    Column("description", "memo", 2000),
    Column("gendercode", "choice", choices={1: "Male", 2: "Female"}),
    Column(
        "familystatuscode",
        "choice",
        choices={1: "Single", 2: "Married", 3: "Divorced", 4: "Widowed"},
    ),
    *_of("date", "birthdate anniversary"),
    *_of("money", "creditlimit annualincome"),
    *_of("decimal", "exchangerate"),
    *_of("int", "numberofchildren"),
    *_booleans("creditonhold donotemail donotphone donotfax donotpostalmail donotbulkemail merged"),
    Column("_parentcustomerid_value", "lookup"),
    Column("_transactioncurrencyid_value", "lookup"),
    Column("_masterid_value", "lookup", read_only=True),
    *_addresses(),
    *_common(_STATUSES),
]

_CURRENCY = [
    Column("transactioncurrencyid", "guid", required=True),
    Column("isocurrencycode", "string", 5, required=True),
    Column("currencyname", "string", 100, required=True),
    Column("currencysymbol", "string", 13),
    *_of("decimal", "exchangerate"),
    Column("currencyprecision", "int"),
    *_common(_STATUSES),
]


def _table(
    name: str,
    entity_set: str,
    code: int,
    primary_name: str,
    columns: list[Column],
    lookups: list[Lookup],
    number: tuple[str, str] | None = None,
) -> Table:
    return Table(
        name,
        entity_set,
        code,
        primary_name,
        {column.name: column for column in columns},
        {lookup.navigation: lookup for lookup in lookups},
        *(number or (None, "")),
    )


TABLES: dict[str, Table] = {
    table.entity_set: table
    for table in (
        _table(
            "account",
            "accounts",
            1,
            "name",
            _ACCOUNT,
            [
                Lookup(
                    "transactioncurrencyid", "_transactioncurrencyid_value", "transactioncurrency"
                ),
                Lookup("primarycontactid", "_primarycontactid_value", "contact"),
                Lookup("parentaccountid", "_parentaccountid_value", "account"),
                Lookup("masterid", "_masterid_value", "account"),
            ],
            ("accountnumber", "ACC"),
        ),
        _table(
            "contact",
            "contacts",
            2,
            "fullname",
            _CONTACT,
            [
                Lookup("parentcustomerid_account", "_parentcustomerid_value", "account"),
                Lookup("parentcustomerid_contact", "_parentcustomerid_value", "contact"),
                Lookup("masterid", "_masterid_value", "contact"),
                Lookup(
                    "transactioncurrencyid", "_transactioncurrencyid_value", "transactioncurrency"
                ),
            ],
            ("msdynce_contactnumber", "CON"),
        ),
        _table("transactioncurrency", "transactioncurrencies", 9105, "currencyname", _CURRENCY, []),
    )
}
BY_NAME: dict[str, Table] = {table.logical_name: table for table in TABLES.values()}
