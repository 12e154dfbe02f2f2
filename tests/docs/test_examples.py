"""Examples in the documentation are what the code reads and writes."""

import json
import re
import tomllib

import pytest

import p2c
from p2c.mapping.result import Mapped, NotMapped
from p2c.model import Outcome
from p2c.sync.ledger import Change, Entry, Ledger, bucket_of
from p2c.sync.messages import RowsMessage, read_message, write_message
from p2c.sync.owners import Owner, Owners
from p2c.sync.rejected import RejectedRow
from p2c.templates import load_templates
from p2c.templates.load import compile_files
from tests.docs.pages import blocks, read
from tests.support.memory import START, MemoryDocuments
from tests.templates.rows import account, contact

TOML = blocks("toml")
PROJECTS = [block for block in TOML if block.text.startswith("template = ")]
TEMPLATES = [block for block in TOML if block.text.startswith("title = ")]
JSON = blocks("json")


def load(folder, *projects):
    for number, block in enumerate(projects):
        (folder / f"{number}.toml").write_text(block.text, "utf-8")
    loaded = load_templates(legal_entity="usmf", projects_folder=folder)
    return {template.name: template.tasks[0] for template in loaded}


def values(task, row):
    result = task.map_row(row)
    assert isinstance(result, Mapped), result
    return result.values


def test_each_toml_example_is_a_project_or_a_template():
    assert len(PROJECTS) >= 4
    assert sorted(PROJECTS + TEMPLATES, key=str) == sorted(TOML, key=str)


@pytest.mark.parametrize("block", PROJECTS, ids=lambda block: block.page)
def test_each_project_example_loads(tmp_path, block):
    assert load(tmp_path, block)[tomllib.loads(block.text)["template"]]


@pytest.mark.parametrize("block", TEMPLATES, ids=lambda block: block.page)
def test_each_template_example_compiles(tmp_path, block):
    file = tmp_path / "accounts.toml"
    file.write_text(block.text, "utf-8")
    (template,) = compile_files({"accounts": file}, legal_entity="usmf")
    found = values(template.tasks[0], account(statecode=0, address1_country="UK"))
    assert found["AddressCountryRegionISOCode"] == "GB"
    skipped = template.tasks[0].map_row(account(statecode=1))
    assert isinstance(skipped, NotMapped)
    assert skipped.reason.code == "inactive"


def test_the_readmes_projects_give_site_and_warehouse_by_country_city_and_default(tmp_path):
    tasks = load(tmp_path, *[block for block in PROJECTS if block.page == "README.md"])
    customer = tasks["contacts-to-customer"]
    active = {"msdynce_isactivecustomer": True}
    bergen = values(customer, contact(address1_country="Norge", address1_city="Bergen", **active))
    assert (bergen["SiteId"], bergen["WarehouseId"], bergen["CustomerGroupId"]) == ("2", "21", "30")
    blank = values(customer, contact(address1_country=None, address1_city=None, **active))
    assert (blank["SiteId"], blank["WarehouseId"]) == ("1", "13")
    trondheim = customer.map_row(contact(address1_city="Trondheim", **active))
    assert isinstance(trondheim, NotMapped)
    assert "Trondheim" in trondheim.reason.text
    found = values(tasks["accounts"], account())
    assert (found["SiteId"], found["WarehouseId"]) == ("2", "21")


def test_the_lines_of_each_kind_give_what_their_comments_say(tmp_path):
    every_kind = next(block for block in PROJECTS if "pass_through" in block.text)
    task = load(tmp_path, every_kind)["accounts"]
    bergen = values(
        task,
        account(
            address1_city=" BERGEN ",
            address1_country="578",
            name="N" * 160,
            numberofemployees=12.7,
            address1_county=None,
            address1_name=None,
        ),
    )
    assert bergen["OrganizationNumberOfEmployees"] == 12
    assert bergen["CustomerGroupId"] == "30"
    assert bergen["LanguageId"] == "en-us"
    assert bergen["SiteId"] == "2"
    assert bergen["AddressState"] == "46"
    assert bergen["AddressCountryRegionISOCode"] == "NO"
    assert (len(bergen["OrganizationName"]), len(bergen["AddressDescription"])) == (100, 30)
    assert (bergen["WarehouseId"], bergen["AddressLocationRoles"]) == ("13", "Business")
    other = account(address1_city=None, address1_stateorprovince="X", address1_country="norja")
    found = values(task, other)
    assert (found["SiteId"], found["AddressState"]) == ("1", "X")
    assert found["AddressCountryRegionISOCode"] == "NO"
    assert task.map_row(account(address1_city="Oslo")).reason.code == "value-not-mapped"


@pytest.mark.parametrize("block", JSON, ids=lambda block: block.page)
def test_each_json_example_is_json(block):
    assert json.loads(block.text)


def test_the_message_of_the_contacts_life_is_one():
    (text,) = [block.text for block in JSON if '"kind"' in block.text]
    message = read_message(text)
    assert isinstance(message, RowsMessage)
    assert json.loads(text) == json.loads(write_message(message))


def test_the_example_of_rejected_rows_has_the_properties_of_one():
    (row,) = next(found for block in JSON if isinstance(found := json.loads(block.text), list))
    assert list(row) == list(RejectedRow.__dataclass_fields__)


def test_the_answers_of_health_name_this_version():
    answers = [found for block in JSON if "checks" in (found := json.loads(block.text))]
    assert [found["status"] for found in answers] == ["healthy", "unhealthy"]
    assert {found["version"] for found in answers} == {p2c.__version__}


def test_the_stored_entry_has_a_hash_for_each_patchable_field():
    (entry,) = [found for block in JSON if "hashes" in (found := json.loads(block.text))]
    task = next(t for t in load_templates(legal_entity="usmf") if t.name == "contacts").tasks[0]
    assert set(json.loads(entry["hashes"])) == set(task.field_types) - set(task.key_fields)
    assert json.loads(entry["keys"])[0][0] == task.entity_set


def test_the_stored_entry_has_the_properties_that_are_stored():
    (found,) = [entry for block in JSON if "hashes" in (entry := json.loads(block.text))]
    documents = MemoryDocuments()
    row = "3e0e823d-ea89-4f57-97d1-6d12d1607eca"
    entry = Entry(
        row,
        outcome=Outcome.CREATED,
        record="CustomersV2(x)",
        since=START,
        answer="done",
        answered_at=START,
    )
    Ledger(documents, "contacts", "Contacts").write([Change(entry)])
    (stored,) = documents.get_many(f"contacts|Contacts|{bucket_of(row)}", [row]).values()
    assert set(found) == set(stored.body)


def test_what_explain_is_shown_to_say_is_what_it_says():
    golden = " ".join(read("tests/cli/golden/waiting-for-rejected-account.txt").split())
    (example,) = [block for block in blocks("text") if "  Needs  " in block.text]
    for part in example.text.split("…"):
        assert " ".join(part.split()) in golden


def test_the_document_of_an_owner_has_the_properties_that_are_stored():
    (found,) = [entry for block in JSON if "inherited" in (entry := json.loads(block.text))]
    documents, owner = MemoryDocuments(), Owner("contacts", "Contacts", "3e0e823d")
    Owners(documents).insert("CDSContactPersons", {("CDSContactPersons", "usmf"): owner})
    (stored,) = documents.scan("owner|CDSContactPersons")
    assert set(found) == set(stored.body)


def test_the_changelog_has_a_place_for_what_comes_next():
    assert re.search(r"^## \[Unreleased\]$", read("CHANGELOG.md"), re.MULTILINE)
