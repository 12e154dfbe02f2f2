"""Projects adapt templates without editing them; what is wrong with one is said by file."""

from pathlib import Path

import pytest

from p2c.errors import TemplateError
from p2c.mapping.result import Mapped, NotMapped, Prerequisite
from p2c.mapping.task import CompiledTemplate, TaskMapping
from p2c.model import LookupRow
from p2c.templates import load_templates
from tests.templates.rows import ACCOUNT, account, contact

ACTIVE = {"msdynce_isactivecustomer": True}


@pytest.fixture
def load(tmp_path: Path):
    """Write project files and load every template with them, by name."""

    def write_and_load(**projects: str) -> dict[str, CompiledTemplate]:
        for name, text in projects.items():
            (tmp_path / f"{name}.toml").write_text(text, "utf-8")
        loaded = load_templates(legal_entity="usmf", projects_folder=tmp_path)
        return {template.name: template for template in loaded}

    return write_and_load


def values(task: TaskMapping, row):
    result = task.map_row(row)
    assert isinstance(result, Mapped), result
    return result.values


def test_a_template_without_a_project_runs_as_shipped(load):
    shipped = {t.name: t for t in load_templates(legal_entity="usmf")}
    loaded = load(norway='template = "accounts"\n')
    assert {name: t.tasks[0].fingerprint for name, t in loaded.items()} == {
        name: t.tasks[0].fingerprint for name, t in shipped.items()
    }


def test_a_default_is_overridden_and_the_rest_of_the_line_stays(load):
    task = load(
        norway="""
        template = "accounts"
        [tasks."Accounts - Customers".fields]
        SiteId = { default = "2" }
        AddressCountryRegionISOCode = { default = "NO" }
        """
    )["accounts"].tasks[0]
    assert values(task, account())["SiteId"] == "2"
    assert values(task, account(address1_country=""))["AddressCountryRegionISOCode"] == "NO"
    assert values(task, account(address1_country="UK"))["AddressCountryRegionISOCode"] == "GB"


def test_a_project_says_what_becomes_of_rows_that_go_and_by_which_fields(load):
    task = load(
        policies="""
        template = "accounts"
        [tasks."Accounts - Customers"]
        when_deleted = "deactivate"
        when_moved = "deactivate"
        retired = { OnHoldStatus = "Invoice", CreditLimit = 0 }
        """
    )["accounts"].tasks[0]
    assert (task.when_deleted, task.when_moved) == ("deactivate", "deactivate")
    assert task.retired == {"OnHoldStatus": "Invoice", "CreditLimit": 0}


def test_a_project_that_takes_the_marks_away_cannot_deactivate_by_them(load):
    with pytest.raises(TemplateError) as caught:
        load(
            marks='template = "contacts"\ntasks.Contacts.retired = {}\n',
            policy="""
            template = "accounts"
            [tasks."Accounts - Customers"]
            retired = {}
            when_deleted = "deactivate"
            """,
        )
    assert [str(problem) for problem in caught.value.problems] == [
        "policy.toml, task 'Accounts - Customers', field 'when_deleted': when_deleted = "
        '"deactivate" needs fields that mark a record as no longer in use; name them in retired '
        "[retired-missing]"
    ]


def test_site_and_warehouse_come_from_the_city_or_country_of_a_contact_customer(load):
    task = load(
        sites="""
        template = "contacts-to-customer"
        [value_maps.sites]
        "" = "1"
        "norway" = "2"
        [tasks.ContactToCustomer.fields]
        SiteId = { source = "address1_country", value_map = "sites" }
        WarehouseId = { source = "address1_city", value_map = { Bergen = "21" }, default = "13" }
        """
    )["contacts-to-customer"].tasks[0]
    assert values(task, contact(**ACTIVE))["SiteId"] == "2"
    assert values(task, contact(**ACTIVE))["WarehouseId"] == "21"
    blank = values(task, contact(address1_country=None, address1_city=None, **ACTIVE))
    assert (blank["SiteId"], blank["WarehouseId"]) == ("1", "13")
    rejected = task.map_row(contact(address1_city="Oslo", **ACTIVE))
    assert isinstance(rejected, NotMapped)
    assert rejected.reason.code == "value-not-mapped"


def test_entries_are_added_to_a_value_map_and_replace_equal_ones(load):
    task = load(
        countries="""
        template = "accounts"
        [value_maps.countries]
        "Norja" = "NO"
        "UK" = "XI"
        """
    )["accounts"].tasks[0]
    for country, code in (("norja", "NO"), ("uk", "XI"), ("jap", "JP")):
        row = account(address1_country=country)
        assert values(task, row)["AddressCountryRegionISOCode"] == code


def test_a_line_with_a_source_replaces_the_templates_line(load):
    task = load(
        truncated="""
        template = "accounts"
        [tasks."Accounts - Customers".fields]
        OrganizationName = { source = "name", truncate = true }
        WarehouseId = "address1_city"
        SiteId = '[{"transformType":"Default","defaultValue":"7"}]'
        """
    )["accounts"].tasks[0]
    result = values(task, account(name="N" * 160, address1_city=None))
    assert result["OrganizationName"] == "N" * 100
    assert result["WarehouseId"] is None
    assert result["SiteId"] == "7"


def test_fields_can_be_removed_and_custom_columns_and_fields_be_declared(load):
    task = load(
        custom="""
        template = "accounts"
        [columns.account]
        new_tier = { type = "Picklist" }
        [fields.CustomersV2]
        Tier = "Edm.Int32"
        [tasks."Accounts - Customers"]
        remove = ["SiteId", "WarehouseId"]
        fields = { Tier = "new_tier" }
        """
    )["accounts"].tasks[0]
    result = values(task, account(new_tier=3))
    assert result["Tier"] == 3
    assert not {"SiteId", "WarehouseId"} & set(result)
    assert "new_tier" in task.query.columns


def test_a_filter_can_be_given(load):
    template = load(
        norway="""
        template = "accounts"
        [tasks."Accounts - Customers"]
        filter = "address1_country eq 'norge'"
        """
    )["accounts"]
    left_out = template.tasks[0].map_row(account(address1_country="Danmark"))
    assert isinstance(left_out, NotMapped)
    assert left_out.reason.code == "filtered-out"
    assert isinstance(template.tasks[0].map_row(account()), Mapped)


def test_another_destination_brings_its_own_key_and_prerequisites_follow_it(load):
    loaded = load(
        accounts_v3="""
        template = "accounts"
        [tasks."Accounts - Customers"]
        destination = "CustomersV3"
        """,
        contacts_v2="""
        template = "contacts"
        [tasks.Contacts]
        destination = "CDSContactPersonsV2"
        remove = ["AssociatedPartyNumber"]
        fields.AssociatedContactType = { default = "Customer" }
        fields.AssociatedContactNumber = "parentcustomerid.Account(accountnumber)"
        [[tasks.Contacts.requires]]
        field = "AssociatedContactNumber"
        identified_by = "CustomerAccount"
        templates = { account = "accounts" }
        """,
    )
    assert loaded["accounts"].tasks[0].entity_set == "CustomersV3"
    result = loaded["contacts"].tasks[0].map_row(contact())
    assert isinstance(result, Mapped)
    assert str(result.key) == (
        "CDSContactPersonsV2(dataAreaId=usmf,ContactPersonPartyNumber=CON-01000-QWERTY,"
        "AssociatedContactType=Customer,AssociatedContactNumber=ACC-01000-BVRCPS)"
    )
    assert result.prerequisites == (
        Prerequisite(
            "CustomersV3", "CustomerAccount", "ACC-01000-BVRCPS", "accounts", "account", ACCOUNT
        ),
    )


def test_an_override_changes_the_fingerprint_of_its_task_alone(load):
    shipped = {t.name: t.tasks[0] for t in load_templates(legal_entity="usmf")}
    loaded = load(
        norway="""
        template = "accounts"
        [tasks."Accounts - Customers".fields]
        SiteId = "address1_line2"
        """
    )
    changed = {
        name: (
            template.tasks[0].fingerprint != shipped[name].fingerprint,
            template.tasks[0].select_fingerprint != shipped[name].select_fingerprint,
        )
        for name, template in loaded.items()
    }
    assert changed == {
        "accounts": (True, True),
        "contacts": (False, False),
        "contacts-to-customer": (False, False),
    }


def test_a_parent_that_is_of_no_template_needs_nothing(load):
    task = load(
        wide="""
        template = "contacts"
        [tasks.Contacts]
        filter = "statecode eq 0"
        """
    )["contacts"].tasks[0]
    row = contact(LookupRow("contact", "x", {"msdynce_contactnumber": "CON-2"}))
    result = task.map_row(row)
    assert isinstance(result, Mapped)
    assert result.prerequisites == ()


BROKEN = [
    (
        'template = "acounts"\n',
        "norway.toml: no template 'acounts' (did you mean 'accounts'?) [template-unknown]",
    ),
    (
        'template = "accounts"\nconnection_set = "test"\n',
        "norway.toml: 'connection_set': input should be 'default' [value-invalid]",
    ),
    (
        'template = "accounts"\nname = "Norway"\n',
        "norway.toml: the key 'name' is not known here; check its spelling [key-unknown]",
    ),
    (
        'template = "accounts"\n[tasks.Accounts]\n',
        "norway.toml, task 'Accounts': template 'accounts' has no such task [task-unknown]",
    ),
    (
        'template = "contacts"\n[tasks.Contacts]\nremove = ["Fax"]\n',
        "norway.toml, task 'Contacts', field 'Fax': is to be removed, but the template does not "
        "map it [field-unknown]",
    ),
    (
        'template = "contacts"\n[tasks.Contacts.fields]\nFirstName = "fistname"\n',
        "norway.toml, task 'Contacts', field 'FirstName': table 'contact' has no column "
        "'fistname' (did you mean 'firstname'?) [column-unknown]",
    ),
    (
        'template = "contacts"\n[tasks.Contacts.fields]\nGender = { value_map = "gender" }\n',
        "norway.toml, task 'Contacts', field 'Gender': there is no value map 'gender'; defined "
        "are: countries, genders, family_statuses [value-map-unknown]",
    ),
    (
        'template = "contacts"\n[tasks.Contacts.fields]\nSuffix = { soruce = "suffix" }\n',
        "norway.toml, task 'Contacts', field 'Suffix': the key 'soruce' is not known here; check "
        "its spelling [key-unknown]",
    ),
    (
        'template = "contacts"\n[tasks.Contacts.fields]\nNotes = "suffix"\nNotes = "pager"\n',
        "norway.toml, task 'Contacts', field 'Notes': is given twice, the second time in line 4; "
        "remove one of them [destination-duplicate]",
    ),
    (
        'template = "contacts"\n[tasks.Contacts]\nfilter = "state eq 0"\n',
        "norway.toml, task 'Contacts': filter 'state eq 0': table 'contact' has no column 'state' "
        "(did you mean 'statecode'?) [filter-column-unknown]",
    ),
    (
        'template = "accounts"\n[tasks."Accounts - Customers"]\ndestination = "CustomersV4"\n',
        "norway.toml, task 'Accounts - Customers': no destination data entity 'CustomersV4' (did "
        "you mean 'CustomersV3'?) [entity-unknown]",
    ),
    (
        'template = "accounts"\n[columns.acount]\nx = { type = "String" }\n',
        "norway.toml: columns are declared for an unknown table 'acount' (did you mean "
        "'account'?) [table-unknown]",
    ),
    (
        'template = "accounts"\n[fields.CustomerV2]\nX = "Edm.String"\n',
        "norway.toml: fields are declared for an unknown data entity 'CustomerV2' (did you mean "
        "'CustomersV2'?) [entity-unknown]",
    ),
    (
        'template = "accounts"\n[fields.CustomersV2]\nX = "enum:Tier"\n',
        "norway.toml: a field of CustomersV2 is declared with an unknown enum 'enum:Tier' "
        "[enum-unknown]",
    ),
    (
        'template = "accounts"\n[value_maps.countries]\n"Norja" = "NO"\n"norja " = "SE"\n',
        "norway.toml: value map 'countries' has the left side 'norja' twice; case and outer "
        "blanks do not count, so remove one [value-map-duplicate]",
    ),
    (
        'template = "contacts"\n[tasks.Contacts]\nremove = ["AssociatedPartyNumber"]\n',
        "contacts.toml, task 'Contacts', field 'AssociatedPartyNumber': is part of the "
        "integration key of CDSContactPersons and has to be mapped [key-unmapped]\n"
        "contacts.toml, task 'Contacts', field 'AssociatedPartyNumber': requires a record by "
        "this field, so it has to be mapped from a lookup; map it, or give the task other "
        "requires [requirement-invalid]",
    ),
]


@pytest.mark.parametrize(("text", "expected"), BROKEN)
def test_a_broken_project_says_where_what_and_by_which_code(load, text, expected):
    with pytest.raises(TemplateError) as caught:
        load(norway=text)
    assert str(caught.value) == expected


def test_a_template_takes_one_project(load):
    with pytest.raises(TemplateError) as caught:
        load(one='template = "accounts"\n', two='template = "accounts"\n')
    assert str(caught.value) == (
        "two.toml: template 'accounts' is bound by one.toml already; a template takes one "
        "project, so merge the two files [project-duplicate]"
    )


def test_a_folder_that_is_not_there_is_a_problem_rather_than_no_projects(tmp_path):
    with pytest.raises(TemplateError) as caught:
        load_templates(legal_entity="usmf", projects_folder=tmp_path / "absent")
    assert caught.value.code == "projects-folder-missing"
    assert str(tmp_path / "absent") in str(caught.value)
