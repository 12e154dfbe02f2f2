import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2c.mapping.filters import FilterError, comparisons_of, parse_filter, targets_required
from p2c.mapping.sources import Column, LookupId
from p2c.model import LookupRow, SourceRow

COLUMNS = {
    "active": True,
    "unset": None,
    "state": 0,
    "number": 3,
    "price": 12.5,
    "name": "Fjord & Sønn ",
    "quoted": "O'Brien",
    "blank": "",
    "day": "2026-11-20",
    "moment": "2026-11-20T08:00:00Z",
    "id": "0A1B2C3D-0000-0000-0000-000000000001",
    "odd": ["x"],
}
ROW = SourceRow("r1", "1", COLUMNS, {"company": LookupRow("account", "a1", {})})


def resolve(name):
    if name == "company_account/accountid":
        return LookupId("company", "account")
    if name in COLUMNS:
        return Column(name)
    raise FilterError(f"no column '{name}'", "filter-column-unknown")


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("active eq true", True),
        ("active ne true", False),
        ("active EQ TRUE", True),
        ("active eq 1", False),
        ("unset eq false", True),
        ("unset eq true", False),
        ("unset ne true", True),
        ("unset eq null", True),
        ("blank eq null", True),
        ("blank ne null", False),
        ("name ne null", True),
        ("name eq null", False),
        ("unset eq 'x'", False),
        ("unset ne 'x'", True),
        ("unset gt 1", False),
        ("not (unset gt 1)", True),
        ("not(unset gt 1)", True),
        ("name eq 'not(unset gt 1)'", False),
        ("state eq 0", True),
        ("number gt 2 and number lt 4", True),
        ("number ge 3 and number le 3", True),
        ("number gt 3 or number lt 3", False),
        ("price eq 12.5", True),
        ("price gt -1", True),
        ("name eq 'FJORD & SØNN'", True),
        ("name gt 'a'", True),
        ("quoted eq 'o''brien'", True),
        ("day eq 2026-11-20", True),
        ("day lt 2026-11-21", True),
        ("moment ge 2026-11-20T09:00:00+01:00", True),
        ("id eq 0a1b2c3d-0000-0000-0000-000000000001", True),
        ("company_account/accountid ne null", True),
        ("active eq true or state eq 1 and state eq 2", True),
        ("(active eq true or state eq 1) and state eq 2", False),
        ("odd eq 'x'", False),
        ("odd ne 'x'", True),
        ("name eq 3", False),
        ("name gt 3", False),
        ("number ne 'three'", True),
        ("  active eq true ", True),
    ],
)
def test_a_filter_holds_as_it_would_in_dataverse(text, holds):
    assert parse_filter(text, resolve).holds(ROW) is holds


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("", "filter-invalid", "does not parse near its end"),
        ("active eq", "filter-invalid", "does not parse near position 7"),
        ("active = true", "filter-invalid", "does not parse near position 7"),
        ("active eq true and", "filter-invalid", "does not parse near position 15"),
        ("active eq 'x", "filter-invalid", "does not parse near position 11"),
        ("active", "filter-invalid", "holds something other than comparisons"),
        ("not active", "filter-invalid", "holds something other than comparisons"),
        ("true eq active", "filter-invalid", "holds something other than comparisons"),
        ("contains(name,'x')", "filter-invalid", "holds something other than comparisons"),
        ("frobnicate(name)", "filter-invalid", "does not parse"),
        ("number in (1, 2)", "filter-invalid", "holds something other than comparisons"),
        ("number add 1 eq 2", "filter-invalid", "holds something other than comparisons"),
        ("number eq state", "filter-invalid", "compares with something other than"),
        ("day eq 2026-02-31", "filter-invalid", "compares with something other than"),
        ("nmae eq 'x'", "filter-column-unknown", "no column 'nmae'"),
        ("a/b/c eq 1", "filter-column-unknown", "no column 'a/b/c'"),
    ],
)
def test_a_filter_that_is_not_evaluated_says_why(text, code, said):
    with pytest.raises(FilterError) as caught:
        parse_filter(text, resolve)
    assert caught.value.code == code
    assert said in str(caught.value)


def test_every_comparison_is_listed_from_left_to_right():
    parsed = parse_filter("not (state eq 1) and (active eq true or name ne null)", resolve)
    assert [str(part.source) for part in comparisons_of(parsed)] == ["state", "active", "name"]


@given(
    st.dictionaries(
        st.sampled_from(sorted(COLUMNS)),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.none()),
    )
)
def test_a_filter_answers_for_any_row(columns):
    text = (
        "active eq true or number gt 3 or name lt 'm' or day ge 2026-01-01 "
        "or company_account/accountid eq null or price ne null"
    )
    assert parse_filter(text, resolve).holds(SourceRow("r", "1", columns)) in {True, False}


@pytest.mark.parametrize(
    ("text", "required"),
    [
        ("company_account/accountid ne null", [("company", "account")]),
        ("active eq true and company_account/accountid ne null", [("company", "account")]),
        ("active eq true or company_account/accountid ne null", []),
        ("not(company_account/accountid ne null)", []),
        ("company_account/accountid eq null", []),
        ("name ne null", []),
    ],
)
def test_a_filter_says_which_table_a_lookup_has_to_lead_to(text, required):
    assert list(targets_required(parse_filter(text, resolve))) == required
