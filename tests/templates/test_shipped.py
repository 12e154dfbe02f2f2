"""The three shipped templates: every published line, routing, and what rows become."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2c.mapping.dependants import dependants_of
from p2c.mapping.result import Mapped, NotMapped, Prerequisite
from p2c.model import Lookup, LookupRow, LookupTarget, Outcome, SourceRow
from p2c.templates import load_templates, shipped_names
from tests.templates.rows import ACCOUNT, NUMBERED, account, contact

TEMPLATES = {template.name: template for template in load_templates(legal_entity="usmf")}
TASKS = {name: template.tasks[0] for name, template in TEMPLATES.items()}
PUBLISHED = {
    "accounts": """
        CreditLimit CustomerGroupId PrimaryContactFax OrganizationNumberOfEmployees
        SalesCurrencyCode CustomerAccount AddressCity AddressCountryRegionISOCode SalesMemo
        PrimaryContactEmail AddressStreet PartyType PrimaryContactPhone AddressZipCode
        AddressState PrimaryContactURL AddressLocationRoles OrganizationName SiteId WarehouseId
        LanguageId PartyNumber AddressDescription IsExternallyMaintained DeliveryAddressStreet
        DeliveryAddressCity DeliveryAddressCountryRegionISOCode DeliveryAddressZipCode
        DeliveryAddressState DeliveryAddressDescription
    """,
    "contacts": """
        EmploymentDepartment Notes PrimaryEmailAddress Gender GovernmentIdentificationNumber
        FirstName LastName ContactPersonPartyNumber PrimaryAddressCity
        PrimaryAddressCountryRegionISOCode MiddleName PrimaryAddressStreet ContactPersonPartyType
        PrimaryPhoneNumber PrimaryAddressZipCode PrimaryAddressStateId PrimaryURL MaritalStatus
        IsReceivingDirectMail EmploymentProfession IsInactive AssociatedPartyNumber
        IsContactPersonExternallyMaintained
    """,
    "contacts-to-customer": """
        PersonFirstName PersonMiddleName PersonLastName CreditLimit CustomerGroupId
        PrimaryContactFax SalesCurrencyCode CustomerAccount AddressCity
        AddressCountryRegionISOCode SalesMemo PrimaryContactEmail AddressStreet PartyType
        PrimaryContactPhone AddressZipCode AddressState PrimaryContactURL AddressDescription
        LanguageId PartyNumber IsExternallyMaintained
    """,
}


def mapped(name: str, row: SourceRow) -> Mapped:
    result = TASKS[name].map_row(row)
    assert isinstance(result, Mapped), result
    return result


def not_mapped(name: str, row: SourceRow) -> tuple[Outcome, str]:
    result = TASKS[name].map_row(row)
    assert isinstance(result, NotMapped), result
    return result.outcome, result.reason.code


@pytest.mark.parametrize(
    ("name", "lines"), [("accounts", 30), ("contacts", 23), ("contacts-to-customer", 22)]
)
def test_a_template_has_exactly_the_published_lines_in_their_order(name, lines):
    published = PUBLISHED[name].split()
    assert len(published) == lines
    unmapped = [field for field in TASKS[name].field_types if field not in published]
    assert list(TASKS[name].field_types) == [*published, *unmapped]
    assert set(unmapped) <= set(TASKS[name].retired)


def test_templates_tasks_and_entities_have_microsofts_names():
    assert [(t.title, t.tasks[0].task, t.tasks[0].entity_set) for t in TEMPLATES.values()] == [
        ("Accounts (Sales to Fin and Ops) - Direct", "Accounts - Customers", "CustomersV2"),
        ("Contacts (Sales to Fin and Ops) - Direct", "Contacts", "CDSContactPersons"),
        (
            "Contacts to Customer (Sales to Fin and Ops) - Direct",
            "ContactToCustomer",
            "CustomersV2",
        ),
    ]


def test_an_account_becomes_a_customer():
    result = mapped("accounts", account())
    assert result.key.parts == (("dataAreaId", "usmf"), ("CustomerAccount", "ACC-01000-BVRCPS"))
    assert result.prerequisites == ()
    assert result.values == {
        "CreditLimit": Decimal(250000),
        "CustomerGroupId": "10",
        "PrimaryContactFax": "+47 55 00 00 01",
        "OrganizationNumberOfEmployees": 12,
        "SalesCurrencyCode": "NOK",
        "CustomerAccount": "ACC-01000-BVRCPS",
        "AddressCity": "Bergen",
        "AddressCountryRegionISOCode": "NO",
        "SalesMemo": "Pays late",
        "PrimaryContactEmail": "post@example.com",
        "AddressStreet": "Bryggen 1",
        "PartyType": "Organization",
        "PrimaryContactPhone": "+47 55 00 00 00",
        "AddressZipCode": "5003",
        "AddressState": "Vestland",
        "PrimaryContactURL": "https://example.com",
        "AddressLocationRoles": "Business",
        "OrganizationName": "Fjord og Sønn AS",
        "SiteId": "1",
        "WarehouseId": "13",
        "LanguageId": "en-us",
        "PartyNumber": "ACC-01000-BVRCPS",
        "AddressDescription": "Fjord og Sønn AS",
        "IsExternallyMaintained": "Yes",
        "DeliveryAddressStreet": "Kaien 2",
        "DeliveryAddressCity": "Göteborg",
        "DeliveryAddressCountryRegionISOCode": "SE",
        "DeliveryAddressZipCode": "411 08",
        "DeliveryAddressState": None,
        "DeliveryAddressDescription": "Fjord og Sønn AS",
    }


def test_a_contact_of_an_account_becomes_a_contact_person_that_needs_the_account():
    result = mapped("contacts", contact())
    assert result.key.parts == (
        ("dataAreaId", "usmf"),
        ("ContactPersonPartyNumber", "CON-01000-QWERTY"),
        ("AssociatedPartyNumber", "ACC-01000-BVRCPS"),
    )
    assert result.prerequisites == (
        Prerequisite(
            "CustomersV2", "PartyNumber", "ACC-01000-BVRCPS", "accounts", "account", ACCOUNT
        ),
    )
    assert result.values == {
        "EmploymentDepartment": "Innkjøp",
        "Notes": None,
        "PrimaryEmailAddress": "kari@example.com",
        "Gender": "Female",
        "GovernmentIdentificationNumber": None,
        "FirstName": "Kari",
        "LastName": "Nordmann",
        "ContactPersonPartyNumber": "CON-01000-QWERTY",
        "PrimaryAddressCity": "Bergen",
        "PrimaryAddressCountryRegionISOCode": "NO",
        "MiddleName": None,
        "PrimaryAddressStreet": "Bryggen 1",
        "ContactPersonPartyType": "Person",
        "PrimaryPhoneNumber": "+47 900 00 000",
        "PrimaryAddressZipCode": "5003",
        "PrimaryAddressStateId": None,
        "PrimaryURL": None,
        "MaritalStatus": "Widowhood",
        "IsReceivingDirectMail": "No",
        "EmploymentProfession": "Innkjøpssjef",
        "IsInactive": "No",
        "AssociatedPartyNumber": "ACC-01000-BVRCPS",
        "IsContactPersonExternallyMaintained": "Yes",
    }


def test_an_active_customer_becomes_a_customer_without_site_or_warehouse():
    result = mapped("contacts-to-customer", contact(None, msdynce_isactivecustomer=True))
    assert result.key.parts == (("dataAreaId", "usmf"), ("CustomerAccount", "CON-01000-QWERTY"))
    assert result.prerequisites == ()
    assert result.values == {
        "PersonFirstName": "Kari",
        "PersonMiddleName": None,
        "PersonLastName": "Nordmann",
        "CreditLimit": None,
        "CustomerGroupId": "10",
        "PrimaryContactFax": None,
        "SalesCurrencyCode": "NOK",
        "CustomerAccount": "CON-01000-QWERTY",
        "AddressCity": "Bergen",
        "AddressCountryRegionISOCode": "NO",
        "SalesMemo": None,
        "PrimaryContactEmail": "kari@example.com",
        "AddressStreet": "Bryggen 1",
        "PartyType": "Person",
        "PrimaryContactPhone": "+47 900 00 000",
        "AddressZipCode": "5003",
        "AddressState": None,
        "PrimaryContactURL": None,
        "AddressDescription": "Kari Nordmann",
        "LanguageId": "en-us",
        "PartyNumber": "CON-01000-QWERTY",
        "IsExternallyMaintained": "Yes",
    }


OF_CONTACT = LookupRow("contact", "x", {"msdynce_contactnumber": "CON-01001-ABCDEF"})
OF_OTHER = LookupRow("", "x", {})
SKIPPED = Outcome.SKIPPED


@pytest.mark.parametrize(
    ("active", "company", "as_contact", "as_customer"),
    [
        (True, NUMBERED, "active-customer", None),
        (True, OF_CONTACT, "active-customer", None),
        (True, None, "active-customer", None),
        (False, NUMBERED, None, "not-active-customer"),
        (None, NUMBERED, None, "not-active-customer"),
        (False, OF_CONTACT, "company-not-account", "not-active-customer"),
        (False, OF_OTHER, "company-not-account", "not-active-customer"),
        (False, None, "company-not-account", "not-active-customer"),
        (None, None, "company-not-account", "not-active-customer"),
    ],
)
@pytest.mark.parametrize("helper", [True, False, None])
def test_a_contact_is_routed_by_active_customer_and_by_the_company_itself(
    active, company, as_contact, as_customer, helper
):
    row = contact(company, msdynce_isactivecustomer=active, msdynce_iscompanyanaccount=helper)
    for name, reason in (("contacts", as_contact), ("contacts-to-customer", as_customer)):
        if reason is None:
            assert isinstance(TASKS[name].map_row(row), Mapped)
        else:
            assert not_mapped(name, row) == (SKIPPED, reason)


def test_a_row_without_its_number_is_skipped_with_that_reason():
    active = {"msdynce_isactivecustomer": True}
    assert not_mapped("accounts", account(accountnumber=None)) == (SKIPPED, "number-missing")
    assert not_mapped("contacts", contact(msdynce_contactnumber="")) == (SKIPPED, "number-missing")
    assert not_mapped("contacts-to-customer", contact(msdynce_contactnumber=" ", **active)) == (
        SKIPPED,
        "number-missing",
    )


def test_a_contact_of_an_account_without_a_number_waits():
    row = contact(LookupRow("account", ACCOUNT, {"accountnumber": None}))
    assert not_mapped("contacts", row) == (Outcome.WAITING, "prerequisite-without-number")


@pytest.mark.parametrize(("code", "gender"), [(1, "Male"), (2, "Female"), (None, "Unknown")])
def test_a_gender_is_mapped_and_a_blank_one_is_unknown(code, gender):
    assert mapped("contacts", contact(gendercode=code)).values["Gender"] == gender


@pytest.mark.parametrize(
    ("code", "status"),
    [(1, "Single"), (2, "Married"), (3, "Divorced"), (4, "Widowhood"), (None, "None")],
)
def test_a_family_status_is_mapped(code, status):
    values = mapped("contacts", contact(familystatuscode=code)).values
    assert values["MaritalStatus"] == status


@pytest.mark.parametrize(("refuses", "receives"), [(True, "No"), (False, "Yes"), (None, "Yes")])
def test_not_wanting_mail_is_turned_into_receiving_it(refuses, receives):
    values = mapped("contacts", contact(donotemail=refuses)).values
    assert values["IsReceivingDirectMail"] == receives


def test_an_inactive_contact_is_inactive_in_f_and_o():
    assert mapped("contacts", contact(statecode=1)).values["IsInactive"] == "Yes"


@pytest.mark.parametrize(
    ("name", "retired", "when_moved"),
    [
        ("accounts", {"OnHoldStatus": "All"}, "leave"),
        ("contacts", {"IsInactive": "Yes"}, "deactivate"),
        ("contacts-to-customer", {"OnHoldStatus": "All"}, "leave"),
    ],
)
def test_deleted_rows_are_reported_and_only_contact_persons_retired_when_moved(
    name, retired, when_moved
):
    task = TASKS[name]
    assert (task.retired, task.when_deleted, task.when_moved) == (retired, "report", when_moved)
    (field,) = retired
    assert task.empty_values[field] == "No"
    assert task.field_types[field].startswith("enum:")


def test_an_unknown_choice_is_rejected_by_value_and_field():
    result = TASKS["contacts"].map_row(contact(gendercode=7))
    assert isinstance(result, NotMapped)
    assert result.outcome is Outcome.REJECTED
    assert result.reason.code == "value-not-mapped"
    assert result.reason.text == (
        "Gender (from gendercode): '7' is not in value map 'genders'; "
        "add it there or correct the row in Sales"
    )


@pytest.mark.parametrize(
    ("country", "code"),
    [("UK", "GB"), ("ja", "JP"), ("Jap", "JP"), ("united states", "US"), ("Danmark", "DK")],
)
def test_published_spellings_of_countries_are_taken_besides_codes_and_names(country, code):
    for name, row, field in (
        ("accounts", account(address1_country=country), "AddressCountryRegionISOCode"),
        ("accounts", account(address2_country=country), "DeliveryAddressCountryRegionISOCode"),
        ("contacts", contact(address1_country=country), "PrimaryAddressCountryRegionISOCode"),
    ):
        assert mapped(name, row).values[field] == code


def test_an_unknown_country_is_rejected_by_name():
    result = TASKS["accounts"].map_row(account(address1_country="Narnia"))
    assert isinstance(result, NotMapped)
    assert result.reason.code == "value-not-mapped"
    assert "'Narnia'" in result.reason.text


def test_a_long_name_is_cut_for_descriptions_and_rejected_as_a_name_without_being_shown():
    fits = mapped("accounts", account(name="N" * 100)).values
    assert fits["OrganizationName"] == "N" * 100
    assert fits["AddressDescription"] == fits["DeliveryAddressDescription"] == "N" * 60
    result = TASKS["accounts"].map_row(account(name="N" * 101))
    assert isinstance(result, NotMapped)
    assert result.reason.code == "value-too-long"
    assert result.reason.text.startswith(
        "OrganizationName (from name): 101 characters, at most 100"
    )
    assert "NN" not in result.reason.text


def test_contacts_depend_on_the_number_of_their_account_and_on_nothing_else():
    found = dependants_of(load_templates(legal_entity="usmf"))
    assert {
        table: [(each.task.task, each.lookup.column, each.columns) for each in dependants]
        for table, dependants in found.items()
    } == {"account": [("Contacts", "parentcustomerid", ("accountnumber",))]}


def test_a_task_reads_exactly_what_it_maps_and_filters_by():
    query = TASKS["contacts"].query
    assert (query.table, query.entity_set, query.primary_key) == (
        "contact",
        "contacts",
        "contactid",
    )
    assert set(query.columns) == set(contact().columns) - {"fax", "fullname", "creditlimit"}
    assert query.lookups == (
        Lookup(
            "parentcustomerid",
            (LookupTarget("account", "parentcustomerid_account", "accountid", ("accountnumber",)),),
        ),
    )
    assert set(TASKS["accounts"].query.columns) == set(account().columns)
    assert TASKS["accounts"].query.lookups == (
        Lookup(
            "transactioncurrencyid",
            (
                LookupTarget(
                    "transactioncurrency",
                    "transactioncurrencyid",
                    "transactioncurrencyid",
                    ("isocurrencycode",),
                ),
            ),
        ),
    )


def test_what_people_typed_is_marked_as_free_text_and_numbers_and_codes_are_not():
    free = TASKS["accounts"].free_text_fields
    assert {"OrganizationName", "AddressStreet", "SalesMemo", "PrimaryContactEmail"} <= free
    assert not free & {
        "CustomerAccount",
        "PartyNumber",
        "SalesCurrencyCode",
        "AddressCountryRegionISOCode",
        "CustomerGroupId",
        "CreditLimit",
    }
    assert {"FirstName", "LastName", "GovernmentIdentificationNumber", "Notes"} <= (
        TASKS["contacts"].free_text_fields
    )


def test_blanks_have_a_value_that_clears_them():
    empty = TASKS["accounts"].empty_values
    assert empty["AddressCity"] == ""
    assert empty["CreditLimit"] == Decimal(0)
    assert empty["OrganizationNumberOfEmployees"] == 0
    assert TASKS["contacts"].empty_values["Gender"] == "Unknown"


def test_templates_come_in_prerequisite_order():
    assert [(template.name, template.prerequisites) for template in TEMPLATES.values()] == [
        ("accounts", ()),
        ("contacts", ("accounts",)),
        ("contacts-to-customer", ("accounts",)),
    ]
    assert tuple(TEMPLATES) == shipped_names()


JSONISH = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=40)
    | st.decimals()
    | st.lists(st.integers(), max_size=1)
)
ROWS = st.builds(
    SourceRow,
    st.just("r"),
    st.just("1"),
    st.dictionaries(st.sampled_from(sorted({*account().columns, *contact().columns})), JSONISH),
    st.dictionaries(
        st.sampled_from(["parentcustomerid", "transactioncurrencyid"]),
        st.none()
        | st.builds(
            LookupRow,
            st.sampled_from(["account", "contact", "transactioncurrency", ""]),
            st.just("x"),
            st.dictionaries(
                st.sampled_from(["accountnumber", "msdynce_contactnumber", "isocurrencycode"]),
                JSONISH,
            ),
        ),
    ),
)


@given(ROWS, st.sampled_from(sorted(TASKS)))
def test_any_row_gives_a_sound_record_or_a_reason(row, name):
    task = TASKS[name]
    result = task.map_row(row)
    if isinstance(result, NotMapped):
        assert result.outcome in {SKIPPED, Outcome.WAITING, Outcome.REJECTED}
        assert result.reason.code
        assert len(result.reason.text) < 2000
        return
    assert set(result.values) | set(task.retired) == set(task.field_types)
    assert tuple(field for field, _ in result.key.parts) == task.key_fields
    assert all(value.strip() and "*" not in value for _, value in result.key.parts)


def test_loading_twice_gives_the_same_fingerprints():
    again = {t.name: t.tasks[0] for t in load_templates(legal_entity="usmf")}
    for name, task in TASKS.items():
        assert task.fingerprint == again[name].fingerprint
        assert task.select_fingerprint == again[name].select_fingerprint
    assert len({task.fingerprint for task in TASKS.values()}) == len(TASKS)


def test_the_legal_entity_is_the_one_asked_for():
    (template,) = load_templates(["accounts"], legal_entity="nomf")
    result = template.tasks[0].map_row(account())
    assert isinstance(result, Mapped)
    assert result.key.parts[0] == ("dataAreaId", "nomf")
    assert template.tasks[0].fingerprint != TASKS["accounts"].fingerprint
