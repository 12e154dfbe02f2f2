"""F&O's infolog, by sentences that F&O is known to say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2c.fno.infolog import Infolog, kind_of, read_infolog
from p2c.model import Written

FAILED = "Write failed for table row of type 'CustCustomerV2Entity'. Infolog: "

KNOWN = [
    (
        FAILED + "Info: Cannot create a record in Customer groups (CustGroup). Customer group: "
        "Batch2, Batch 2 Test group T1.\nThe record already exists..",
        Written.EXISTS,
        "record-exists",
    ),
    (
        FAILED + "Error: Cannot create customer with account number 'CAUT-000761' with same party "
        "number as prospect 'CON-01000'.",
        Written.REFUSED,
        "party-clash",
    ),
    (
        FAILED + "Warning: The value 'Local' in field 'Customer group' is not found in the related "
        "table 'Customer groups'.; Warning: validateField failed on field "
        "'CustCustomerV2Entity.CustomerGroupId'.",
        Written.MISSING_REFERENCE,
        "reference-missing",
    ),
    (
        FAILED + "Warning: Field 'Customer group' must be filled in.; Warning: validateWrite "
        "failed on data source 'CustTable (CustTable)'.",
        Written.REFUSED,
        "mandatory-missing",
    ),
    (
        FAILED + "Warning: Item 'L-10780-02' is blocked for 'Purchase order'.; Warning: "
        "validateWrite failed on data source 'PurchLine (PurchLine)'.",
        Written.REFUSED,
        "blocked",
    ),
    (
        FAILED + "Error: Inventory dimension Site is mandatory and must consequently be "
        "specified.; Error: Update has been canceled..",
        Written.REFUSED,
        "dimension-missing",
    ),
    (
        FAILED + "Error: Cannot edit a record in Customers (CustTable). An update conflict "
        "occurred due to another user process deleting the record or changing one or more fields "
        "in the record.",
        Written.CONFLICT,
        "update-conflict",
    ),
    (
        FAILED + "Error: The SQL database has issued an error. SQL error description: Transaction "
        "(Process ID 71) was deadlocked on lock resources.",
        Written.CONFLICT,
        "deadlock",
    ),
    (
        "The property 'Foo' does not exist on type 'Microsoft.Dynamics.DataEntities.CustomerV2'. "
        "Make sure to only use property names that are defined by the type.",
        Written.REFUSED,
        "property-unknown",
    ),
    (
        "Cannot convert a primitive value to the expected type 'Edm.Decimal'.",
        Written.REFUSED,
        "payload-refused",
    ),
    ("The request payload is not valid.", Written.REFUSED, "payload-refused"),
    ("No resources were found when selecting for update.", Written.ABSENT, "record-absent"),
    (
        "This request could not be processed at this time due to system experiencing high resource "
        "utilization. Please retry the request after 30 seconds",
        Written.THROTTLED,
        "throttled",
    ),
]


@pytest.mark.parametrize(("text", "written", "code"), KNOWN)
def test_a_known_sentence_has_its_kind(text, written, code):
    kind = kind_of(text, is_create=True)
    assert kind is not None
    assert (kind.written, kind.code) == (written, code)
    assert kind.advice.endswith(".")


def test_an_update_that_clashes_with_another_record_is_refused():
    text = "Cannot create a record in Parties (DirParty). Party: 1.\nThe record already exists."
    kind = kind_of(text, is_create=False)
    assert kind is not None
    assert (kind.written, kind.code) == (Written.REFUSED, "duplicate")


@pytest.mark.parametrize(
    "text",
    [
        "Warning: The value 'Deadlock Ltd' in field 'Name' is not valid.",
        "Warning: The value 'must be filled in' in field 'Name' is not valid.",
        "Warning: Something else.",
        "",
    ],
)
def test_data_in_quotes_and_unknown_sentences_have_no_kind(text):
    found = kind_of(text, is_create=True)
    assert found is None or found.written is Written.REFUSED


def test_a_name_in_quotes_does_not_make_a_refusal_pass_by_itself():
    assert kind_of("The value 'Deadlock Ltd' in field 'Name' is not valid.", is_create=True) is None


@pytest.mark.parametrize("value", ["O'Brien", "'", "a' or 'b", "Rock 'n' Roll", "d' deadlock"])
def test_an_apostrophe_in_the_data_does_not_hide_the_sentence(value):
    text = f"Warning: The value '{value}' in field 'F' is not found in the related table 'T'."
    kind = kind_of(FAILED + text, is_create=True)
    assert kind is not None
    assert kind.code == "reference-missing"


def test_a_duplicate_of_a_company_called_deadlock_is_a_duplicate():
    text = "Cannot create a record in A (B). 1, Deadlock Ltd.\nThe record already exists."
    kind = kind_of(text, is_create=True)
    assert kind is not None
    assert kind.written is Written.EXISTS


def test_what_needs_a_person_goes_before_a_missing_reference():
    text = (
        "Warning: The value '9' in field 'F' is not found in the related table 'T'.; "
        "Warning: Field 'Name' must be filled in."
    )
    kind = kind_of(text, is_create=True)
    assert kind is not None
    assert kind.code == "mandatory-missing"


def test_the_infolog_is_split_into_its_sentences():
    text = FAILED + "Warning: One; two.; Error: Three: four..\nInfo"
    assert read_infolog(text) == Infolog(
        "CustCustomerV2Entity", (("Warning", "One; two."), ("Error", "Three: four.. Info"))
    )


def test_text_before_the_first_level_is_kept():
    assert read_infolog("Update failed.; Error: Why.").messages == (
        ("", "Update failed."),
        ("Error", "Why."),
    )


def test_text_of_another_form_is_one_sentence():
    assert read_infolog("No resources.") == Infolog("", (("", "No resources."),))


def test_the_words_leave_out_the_fixed_beginning_and_are_cut():
    assert read_infolog(FAILED + "Warning: A.; Error: B.").words == "Warning: A.; Error: B."
    assert len(read_infolog(FAILED + "Error: " + "x" * 1_000).words) == 256


@given(st.text() | st.text().map(lambda text: FAILED + text))
def test_no_text_can_break_the_reader(text):
    assert len(read_infolog(text).words) <= 256
    kind_of(text, is_create=True)
