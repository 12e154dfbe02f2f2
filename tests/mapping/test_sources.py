import pytest

from p2c.mapping.sources import Column, LookupColumn, LookupId, Path, parse_path
from p2c.model import LookupRow, SourceRow

COMPANY = "parentcustomerid.Account(accountnumber).Contact(msdynce_contactnumber)"
NUMBER = LookupColumn(
    "parentcustomerid", (("account", "accountnumber"), ("contact", "msdynce_contactnumber"))
)


def row_of(company: LookupRow | None) -> SourceRow:
    return SourceRow("r1", "1", {"name": "Fjord"}, {"parentcustomerid": company})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("accountnumber", Path("accountnumber")),
        (" accountnumber ", Path("accountnumber")),
        (
            "transactioncurrencyid.isocurrencycode",
            Path("transactioncurrencyid", (("", "isocurrencycode"),)),
        ),
        (
            COMPANY,
            Path(
                "parentcustomerid",
                (("Account", "accountnumber"), ("Contact", "msdynce_contactnumber")),
            ),
        ),
        ("a.B(c)", Path("a", (("B", "c"),))),
    ],
)
def test_a_source_reads_as_the_published_templates_write_it(text, expected):
    assert parse_path(text) == expected


@pytest.mark.parametrize("text", ["", "a.b.c", "a.", ".a", "a b", "a.B(c", "a.B(c).d", "a/b", "1a"])
def test_other_text_is_no_source(text):
    assert parse_path(text) is None


@pytest.mark.parametrize(
    ("company", "expected"),
    [
        (LookupRow("account", "a1", {"accountnumber": "ACC-1"}), "ACC-1"),
        (LookupRow("contact", "c1", {"msdynce_contactnumber": "CON-1"}), "CON-1"),
        (LookupRow("account", "a1", {"accountnumber": None}), None),
        (LookupRow("account", "a1", {}), None),
        (LookupRow("", "x1", {"accountnumber": "ACC-1"}), None),
        (None, None),
    ],
)
def test_a_polymorphic_lookup_gives_the_column_of_the_table_it_leads_to(company, expected):
    assert NUMBER.read(row_of(company)) == expected


def test_a_lookup_id_is_that_of_its_table_only():
    row = row_of(LookupRow("contact", "c1", {}))
    assert LookupId("parentcustomerid").read(row) == "c1"
    assert LookupId("parentcustomerid", "contact").read(row) == "c1"
    assert LookupId("parentcustomerid", "account").read(row) is None


def test_a_column_that_was_not_read_is_blank():
    assert Column("name").read(row_of(None)) == "Fjord"
    assert Column("fax").read(row_of(None)) is None
