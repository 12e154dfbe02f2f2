"""Reading Dataverse's JSON, whatever it holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2c.dataverse import wire
from p2c.model import Lookup, LookupTarget, SourceQuery

TARGET = LookupTarget("account", "parent_account", "accountid", ("name",))
QUERY = SourceQuery(
    "contact", "contacts", "contactid", ("lastname",), (Lookup("parent", (TARGET,)),)
)
ID = "11111111-1111-4111-8111-111111111111"
KEYS = st.sampled_from(
    [
        "value", "contactid", "id", "reason", "lastname", "_parent_value", "parent_account", "name",
        "@odata.context", "@odata.etag", "@odata.nextLink", "@odata.deltaLink",
    ]
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
LEAVES |= st.sampled_from([ID, "deleted", "https://x/$deletedEntity"])
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=8)
)
BODIES = st.fixed_dictionaries({"value": st.lists(st.dictionaries(KEYS, JSON), max_size=4)})


@given(BODIES | st.dictionaries(KEYS, JSON))
def test_a_page_of_any_json_is_read_whole_or_refused(body):
    try:
        page = wire.change_page(body, "contactid")
    except wire.WireError:
        return
    assert len(page.changed) + len(page.deleted) == len(body["value"])


@given(BODIES | st.dictionaries(KEYS, JSON))
def test_rows_of_any_json_are_read_whole_or_refused(body):
    try:
        rows = wire.source_rows(body, QUERY)
    except wire.WireError:
        return
    assert len(rows) == len(body["value"])
    assert all(set(row.columns) == {"lastname"} for row in rows)


@pytest.mark.parametrize(
    ("etag", "version"), [('W/"915244"', "915244"), ('"7"', "7"), (None, ""), (5, "")]
)
def test_the_version_is_taken_from_the_etag(etag, version):
    item = {"@odata.etag": etag, "contactid": ID, "lastname": None, "_parent_value": None}
    (row,) = wire.source_rows({"value": [item]}, QUERY)
    assert row.version == version


def test_an_expanded_row_without_a_selected_column_is_refused():
    item = {"contactid": ID, "lastname": "x", "_parent_value": ID, "parent_account": {}}
    with pytest.raises(wire.WireError, match="the column name that was selected"):
        wire.source_rows({"value": [item]}, QUERY)


def test_a_query_without_lookups_expands_nothing():
    query = SourceQuery("contact", "contacts", "contactid", ("lastname",))
    assert wire.read_options(query) == [("$select", "contactid,lastname")]


def test_a_column_that_is_no_name_never_gets_into_a_url():
    query = SourceQuery("contact", "contacts", "contactid", ("lastname&$top=1",))
    with pytest.raises(ValueError, match="is not the name"):
        wire.read_options(query)
