"""Lines of a template that no shipped template has: pasted transforms, navigation in filters."""

from pathlib import Path

import pytest

from p2c.mapping.result import Mapped, NotMapped
from p2c.mapping.task import TaskMapping
from p2c.model import Lookup, LookupRow, LookupTarget, SourceRow
from p2c.templates.load import compile_files

TEMPLATE = """
title = "Mine"
direction = "sales-to-fno"
[value_maps.names]
"" = "none"
"fjord" = "Fjord"
[[tasks]]
name = "Mine"
source = "contact"
destination = "CustomersV2"
{filter}
[tasks.fields]
CustomerAccount = "msdynce_contactnumber"
{fields}
[tasks.lengths]
AddressCity = 5
"""


@pytest.fixture
def load(tmp_path: Path):
    """Compile a template of one task with these lines, filter and project."""

    def write_and_load(fields: str, filter_line: str = "", project: str = "") -> TaskMapping:
        path = tmp_path / "mine.toml"
        path.write_text(TEMPLATE.format(fields=fields, filter=filter_line), "utf-8")
        folder = tmp_path / "projects"
        folder.mkdir(exist_ok=True)
        if project:
            (folder / "project.toml").write_text(project, "utf-8")
        paths = {"mine": path}
        (template,) = compile_files(paths, legal_entity="usmf", projects_folder=folder)
        return template.tasks[0]

    return write_and_load


def value(task: TaskMapping, field: str, **columns):
    result = task.map_row(SourceRow("r", "1", {"msdynce_contactnumber": "CON-1", **columns}))
    assert isinstance(result, (Mapped, NotMapped))
    return result.values[field] if isinstance(result, Mapped) else result.reason.code


VALUE_MAP = '{"transformType":"ValueMap","valueMap":{"0":null,"uk":"GB","":"NO"}}'
DEFAULT = '{"transformType":"Default","defaultValue":"uk"}'
COUNTRY = '{"transformType":"CountryRegionCode"}'
TRUNCATE = '{"transformType":"Truncate"}'


@pytest.mark.parametrize(
    ("transforms", "given", "expected"),
    [
        (VALUE_MAP, "UK", "GB"),
        (VALUE_MAP, "0", None),
        (VALUE_MAP, None, "NO"),
        (VALUE_MAP, "Norge", "value-not-mapped"),
        (f"{DEFAULT},{VALUE_MAP}", None, "GB"),
        (f"{VALUE_MAP},{COUNTRY}", "uk", "GB"),
        (f"{VALUE_MAP},{COUNTRY}", "Norge", "NO"),
        (f"{VALUE_MAP},{COUNTRY}", "Narnia", "value-not-mapped"),
        (f"{TRUNCATE},{COUNTRY}", "NorgeX", "NO"),
        (COUNTRY, "Norge", "NO"),
        (TRUNCATE, "Trondheim", "Trond"),
        ('{"transformType":"truncate"}', "Trondheim", "Trond"),
    ],
)
def test_pasted_transforms_run_in_their_order(load, transforms, given, expected):
    line = f"AddressCity = {{ source = 'address1_city', transforms = '[{transforms}]' }}"
    assert value(load(line), "AddressCity", address1_city=given) == expected


def test_a_pasted_transform_alone_is_a_constant_as_text_or_as_a_list(load):
    task = load(
        """
        SiteId = '[{"transformType":"Default","defaultValue":"10"}]'
        WarehouseId = [{ transformType = "Default", defaultValue = 13 }]
        """
    )
    assert value(task, "SiteId") == "10"
    assert value(task, "WarehouseId") == "13"


def test_an_override_of_a_pasted_line_keeps_its_source_and_replaces_its_transforms(load):
    task = load(
        f"AddressCity = {{ source = 'address1_city', transforms = '[{VALUE_MAP}]' }}",
        project='template = "mine"\n[tasks.Mine.fields]\nAddressCity = { default = "Oslo" }\n',
    )
    assert value(task, "AddressCity", address1_city="Narnia"[:5]) == "Narni"
    assert value(task, "AddressCity", address1_city=None) == "Oslo"


def test_a_mapped_value_is_not_free_text_unless_it_may_pass_through(load):
    task = load(
        """
        SiteId = { source = "address1_city", value_map = "names" }
        AddressCity = { source = "address1_city", value_map = "names", pass_through = true }
        """
    )
    assert task.free_text_fields == {"AddressCity"}


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("_parentcustomerid_value ne null", ["account", "contact"]),
        ("parentcustomerid_contact/contactid ne null", ["contact"]),
    ],
)
def test_a_filter_by_a_lookups_id_reads_the_lookup(load, text, targets):
    task = load("", filter_line=f'filter = "{text}"')
    known = {
        "account": LookupTarget("account", "parentcustomerid_account", "accountid", ()),
        "contact": LookupTarget("contact", "parentcustomerid_contact", "contactid", ()),
    }
    expected = Lookup("parentcustomerid", tuple(known[table] for table in targets))
    assert task.query.lookups == (expected,)
    company = LookupRow("contact", "x", {})
    columns = {"msdynce_contactnumber": "CON-1"}
    with_company = SourceRow("r", "1", columns, {"parentcustomerid": company})
    assert isinstance(task.map_row(with_company), Mapped)
    assert isinstance(task.map_row(SourceRow("r", "1", columns)), NotMapped)


def test_what_the_filter_leaves_out_is_not_read_unless_a_skip_reason_asks_for_it(load):
    company = "parentcustomerid.Account(accountnumber).Contact(msdynce_contactnumber)"
    line = f'PartyNumber = "{company}"'
    account = 'filter = "parentcustomerid_account/accountid ne null"'
    (lookup,) = load(line, filter_line=account).query.lookups
    assert [target.table for target in lookup.targets] == ["account"]
    reason = """
        [[tasks.skip_reasons]]
        when = "parentcustomerid_contact/lastname eq 'Moe'"
        code = "of-moe"
        reason = "its company is Moe"
    """
    (lookup,) = load(line, filter_line=account + reason).query.lookups
    assert [(target.table, target.columns) for target in lookup.targets] == [
        ("account", ("accountnumber",)),
        ("contact", ("lastname",)),
    ]


def test_a_filter_by_a_column_behind_a_lookup_reads_that_column(load):
    task = load("", filter_line="filter = \"parentcustomerid_account/name eq 'Fjord'\"")
    (lookup,) = task.query.lookups
    assert [(target.table, target.columns) for target in lookup.targets] == [("account", ("name",))]
