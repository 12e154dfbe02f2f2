"""A trace says what the engine does, and nothing else."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2c.errors import cut
from p2c.mapping.conversion import FieldType
from p2c.mapping.engine import FieldMapping, RecordMapping
from p2c.mapping.filters import parse_filter
from p2c.mapping.result import Mapped, NotMapped
from p2c.mapping.sources import Column
from p2c.mapping.trace import Compared, Step, trace_filter, trace_row
from p2c.mapping.transforms import Country, Default, Truncate, ValueMap
from p2c.model import LookupRow, Outcome, Reason, SourceRow
from p2c.templates import load_templates
from tests.templates.rows import CONTACT, NOK, NUMBERED, account, contact

TEXT = FieldType("Edm.String")
TASKS = {
    task.task: task for template in load_templates(legal_entity="usmf") for task in template.tasks
}
VALUES = st.one_of(
    st.none(),
    st.text(max_size=130),
    st.sampled_from(["", " ", "Norge", "NO", "Atlantis", "ACC*1", "A\tB", "1", "x" * 300]),
    st.integers(-(10**12), 10**12),
    st.decimals(allow_nan=True, allow_infinity=True),
    st.floats(),
    st.booleans(),
    st.just(["no scalar"]),
)
LOOKUPS = st.sampled_from(
    [
        None,
        NUMBERED,
        LookupRow("account", "5b1d0f2a-0000-4000-8000-00000000000a", {"accountnumber": None}),
        LookupRow("account", "5b1d0f2a-0000-4000-8000-00000000000b", {"accountnumber": "A*"}),
        LookupRow("contact", CONTACT, {"msdynce_contactnumber": "CON-1"}),
        LookupRow("", CONTACT),
        NOK,
    ]
)


@st.composite
def rows(draw) -> tuple[str, SourceRow]:
    """A usual row with some of its columns and lookups replaced by anything."""
    name = draw(st.sampled_from(sorted(TASKS)))
    usual = account() if name == "Accounts - Customers" else contact()
    changed = draw(st.dictionaries(st.sampled_from(sorted(usual.columns)), VALUES, max_size=6))
    lookups = draw(st.dictionaries(st.sampled_from(sorted(usual.lookups)), LOOKUPS))
    columns, pointed_to = {**usual.columns, **changed}, {**usual.lookups, **lookups}
    return name, SourceRow(usual.row_id, "1", columns, pointed_to)


@given(rows())
def test_a_trace_of_any_row_ends_where_the_engine_ends(drawn):
    name, row = drawn
    task = TASKS[name]
    trace = trace_row(task.map_row, row)
    result = task.map_row(row)
    assert repr(trace.result) == repr(result)  # By text, because NaN is unequal to itself.
    left_out = trace.filter is not None and not trace.filter.holds
    traced = {field.field: field for field in trace.fields}
    assert list(traced) == ([] if left_out else list(task.field_types)[: len(traced)])
    rejections = [field.rejection for field in trace.fields if field.rejection]
    match result:
        case Mapped():
            assert not rejections
            assert {name: field.value for name, field in traced.items()} == dict(result.values)
        case NotMapped(outcome=Outcome.REJECTED, reason=reason):
            first = next(field for field in trace.fields if field.rejection)
            called = f"{first.field} (from {first.source})" if first.source else first.field
            assert rejections[0].code == reason.code
            assert reason.text.startswith(cut(f"{called}: {rejections[0]}"))
        case NotMapped(outcome=Outcome.WAITING):
            assert not rejections
        case _:
            assert left_out or result.reason.code == "number-missing"
    for field in trace.fields:
        if field.steps and field.rejection is None and field.value is not None:
            assert str(field.steps[-1].value).rstrip() == str(field.value)


@pytest.mark.parametrize(
    ("transforms", "raw", "steps"),
    [
        ((Default("10"),), " ", [("default, for a blank", "10")]),
        ((Default("10"),), "20", [("default not needed", "20")]),
        ((ValueMap("value map 'm'", {"a": "A"}),), "a", [("value map 'm'", "A")]),
        ((ValueMap("value map 'm'", {"a": "A"}),), None, [("blank, not in value map 'm'", None)]),
        ((ValueMap("m", {}, True),), "b", [("not in m, passed through", "b")]),
        ((Country(ValueMap("m", {"ja": "JP"})),), "JA", [("m", "JP")]),
        ((Country(),), "Norge", [("country list", "NO")]),
        ((Country(),), "", [("blank, no country", None)]),
        ((Truncate(5),), "Fjord AS", [("cut from 8 to 5 characters", "Fjord")]),
        ((Truncate(5),), "Fjord", [("fits into 5 characters", "Fjord")]),
        ((), "Fjord  ", [("as Edm.String", "Fjord")]),
        ((), Decimal("1.50"), [("as Edm.String", "1.5")]),
        ((), "Fjord", []),
        ((ValueMap("m", {"a": "Fjord"}), Truncate(3)), "a", [
            ("m", "Fjord"), ("cut from 5 to 3 characters", "Fjo")
        ]),
        ((Default("x"), Truncate(3)), "Fjord", [
            ("default not needed", "Fjord"), ("cut from 5 to 3 characters", "Fjo")
        ]),
    ],
)  # fmt: skip
def test_each_transform_says_what_it_did(transforms, raw, steps):
    mapping = RecordMapping("Set", (), "usmf", (FieldMapping("F", Column("c"), transforms, TEXT),))
    (field,) = trace_row(mapping, SourceRow("r", "1", {"c": raw})).fields
    assert field.steps == tuple(Step(what, value) for what, value in steps)
    assert (field.source, field.raw, field.type_name) == ("c", raw, "Edm.String")


def test_a_rejected_value_keeps_the_steps_before_it():
    transforms = (Default("x"), ValueMap("value map 'm'", {"a": "A"}), Truncate(1))
    mapping = RecordMapping("Set", (), "usmf", (FieldMapping("F", Column("c"), transforms, TEXT),))
    (field,) = trace_row(mapping, SourceRow("r", "1", {"c": "b"})).fields
    assert [step.what for step in field.steps] == ["default not needed"]
    assert field.rejection is not None
    assert field.rejection.text == "'b' is not in value map 'm'"
    assert field.value is None


def test_a_number_that_cannot_be_a_key_is_rejected_in_its_own_line():
    trace = trace_row(TASKS["Accounts - Customers"].map_row, account(accountnumber="ACC*"))
    rejected = {field.field: field.rejection.code for field in trace.fields if field.rejection}
    assert rejected == {"CustomerAccount": "key-not-usable"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a eq 1 and (b ne 'O''Brien' or c gt 2020-01-01)",) * 2,
        ("not(a eq null) or b eq true", "not (a eq null) or b eq true"),
        ("(a eq 1 or b eq 2) and c eq 3.50", "(a eq 1 or b eq 2) and c eq 3.50"),
        ("(a eq 1 and b eq 2) or c eq 3", "a eq 1 and b eq 2 or c eq 3"),
    ],
)
def test_a_filter_is_written_so_that_it_means_the_same(text, shown):
    parsed = parse_filter(text, Column)
    written = str(parsed).replace("2020-01-01T12:00:00+00:00", "2020-01-01")
    assert written == shown
    assert str(parse_filter(written, Column)) == str(parsed)


def test_each_comparison_of_a_filter_is_told_with_what_the_row_has():
    condition = parse_filter("state eq 0 and not (name eq 'x' or open eq true)", Column)
    trace = trace_filter(condition, SourceRow("r", "1", {"state": 1, "name": "X "}))
    assert not trace.holds
    assert trace.comparisons == (
        Compared("state", "eq", "0", 1, holds=False),
        Compared("name", "eq", "'x'", "X ", holds=True),
        Compared("open", "eq", "true", None, holds=False),
    )


def test_a_row_that_is_left_out_has_no_fields_traced():
    trace = trace_row(TASKS["ContactToCustomer"].map_row, contact())
    assert trace.filter is not None
    assert (trace.filter.holds, trace.fields) == (False, ())


def test_of_another_mapper_the_result_is_all_there_is_to_tell():
    result = NotMapped(Outcome.SKIPPED, Reason("other", "for a reason of its own"))
    trace = trace_row(lambda _row: result, contact())
    assert (trace.result, trace.filter, trace.fields) == (result, None, ())
