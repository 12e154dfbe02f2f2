"""Choosing templates, their JSON Schemas, and the metadata they are checked against."""

import json
import tomllib

import jsonschema
import pytest

from p2c.errors import RequestError
from p2c.templates import load_templates, shipped_names
from p2c.templates.json_schema import FOLDER, SCHEMAS, schema_text
from p2c.templates.metadata import shipped_metadata


def test_templates_asked_for_come_alone_and_prerequisites_first():
    loaded = load_templates(["contacts", "accounts"], legal_entity="usmf")
    assert [template.name for template in loaded] == ["accounts", "contacts"]
    assert [t.name for t in load_templates(["contacts"], legal_entity="usmf")] == ["contacts"]


def test_an_unknown_template_is_named_with_the_nearest_one():
    with pytest.raises(RequestError) as caught:
        load_templates(["contact"], legal_entity="usmf")
    assert caught.value.code == "template-unknown"
    assert str(caught.value) == "no template 'contact' (did you mean 'contacts'?)"


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_file_is_what_the_models_say(name):
    text = (FOLDER / name).read_text("utf-8")
    assert text == schema_text(SCHEMAS[name]), "run: python -m p2c.templates.json_schema"


def validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((FOLDER / name).read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("name", shipped_names())
def test_the_schema_accepts_the_shipped_templates(name):
    template = tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))
    assert list(validator("template.schema.json").iter_errors(template)) == []


FIELDS = [
    ("accountnumber", True),
    ({"source": "name", "truncate": 60}, True),
    ({"source": "statecode", "value_map": {"0": "No", "1": "Yes"}}, True),
    ({"transforms": '[{"transformType":"Default","defaultValue":"10"}]'}, True),
    ([{"transformType": "Default", "defaultValue": "10"}], True),
    ({"defualt": "10"}, False),
    ({"source": 7}, False),
    ([{"transformType": "Uppercase"}], False),
    ({"truncate": 0}, False),
]


@pytest.mark.parametrize(("line", "accepted"), FIELDS)
@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_takes_the_ways_to_write_a_line_and_no_others(name, line, accepted):
    template = tomllib.loads((FOLDER / "accounts.toml").read_text("utf-8"))
    document = {"template": "accounts", "tasks": {"Accounts - Customers": {"fields": {"X": line}}}}
    if name == "template.schema.json":
        template["tasks"][0]["fields"] = {"X": line}
        document = template
    assert validator(name).is_valid(document) is accepted


def test_keys_come_in_the_order_of_the_services_metadata():
    entities = shipped_metadata().entities
    assert {name: entity.key for name, entity in entities.items()} == {
        "CDSContactPersons": (
            "dataAreaId",
            "ContactPersonPartyNumber",
            "AssociatedPartyNumber",
        ),
        "CDSContactPersonsV2": (
            "dataAreaId",
            "ContactPersonPartyNumber",
            "AssociatedContactType",
            "AssociatedContactNumber",
        ),
        "Companies": ("DataArea",),
        "CustomerGroups": ("dataAreaId", "CustomerGroupId"),
        "CustomersV2": ("dataAreaId", "CustomerAccount"),
        "CustomersV3": ("dataAreaId", "CustomerAccount"),
    }


def test_every_enum_of_a_field_is_known_and_its_first_member_is_the_empty_one():
    metadata = shipped_metadata()
    kinds = {kind for entity in metadata.entities.values() for kind in entity.fields.values()}
    enums = {kind.removeprefix("enum:") for kind in kinds if kind.startswith("enum:")}
    assert enums == set(metadata.enums)
    assert metadata.enums["NoYes"] == ("No", "Yes")
    assert metadata.enums["Gender"] == ("Unknown", "Male", "Female", "NonSpecific")
    assert metadata.enums["DirPersonMaritalStatus"][0] == "None"


def test_every_lookup_leads_to_known_tables():
    tables = shipped_metadata().tables
    for table in tables.values():
        for targets in table.lookups.values():
            assert set(targets) <= set(tables)
