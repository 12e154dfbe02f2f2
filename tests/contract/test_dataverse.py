"""What p2c believes of Dataverse; holds of the sandbox, and of a real environment when given."""

import uuid
from decimal import Decimal

import pytest

from p2c.dataverse.client import DataverseOperation
from p2c.errors import DeltaLinkExpiredError, ServiceRefusedError
from p2c.model import ChangePage, LookupRow, SourceQuery
from p2c.odata.answer import fault, json_object
from tests.contract.conftest import ACCOUNTS, CONTACTS, Environment


def read_to_the_end(environment: Environment, link: str | None, size: int = 5_000) -> ChangePage:
    """All pages from a link on as one."""
    client = environment.small_pages(size)
    changed, deleted = [], []
    while True:
        page = client.changes(ACCOUNTS, link, tracked=True)
        changed += page.changed
        deleted += page.deleted
        assert len(page.changed) + len(page.deleted) <= size
        if page.next_link is None:
            return ChangePage(tuple(changed), tuple(deleted), None, page.delta_link)
        link = page.next_link


class TestChangeTracking:
    def test_a_full_read_ends_with_a_delta_link_that_yields_what_changed_since(self, environment):
        kept = environment.rows.create("accounts", name="p2c kept")
        gone = environment.rows.create("accounts", name="p2c gone")
        full = read_to_the_end(environment, None)
        assert {kept, gone} <= set(full.changed)
        assert full.delta_link is not None

        added = environment.rows.create("accounts", name="p2c added")
        environment.rows.update("accounts", kept, name="p2c changed")
        environment.rows.update("accounts", kept, name="p2c changed again")
        environment.rows.delete("accounts", gone)
        delta = read_to_the_end(environment, full.delta_link)
        assert set(delta.changed) >= {added, kept}
        assert delta.changed.count(kept) == 1
        assert gone in delta.deleted
        assert gone not in delta.changed

    def test_nothing_changed_gives_an_empty_page_and_another_delta_link(self, environment):
        full = read_to_the_end(environment, None)
        first = read_to_the_end(environment, full.delta_link)
        second = read_to_the_end(environment, first.delta_link)
        assert second.changed == second.deleted == ()
        assert second.delta_link is not None

    def test_a_delta_link_can_be_used_again(self, environment):
        full = read_to_the_end(environment, None)
        row_id = environment.rows.create("accounts", name="p2c")
        for _ in range(2):
            assert row_id in read_to_the_end(environment, full.delta_link).changed

    def test_a_row_created_and_deleted_in_between_is_at_most_a_delete(self, environment):
        full = read_to_the_end(environment, None)
        row_id = environment.rows.create("accounts", name="p2c")
        environment.rows.delete("accounts", row_id)
        delta = read_to_the_end(environment, full.delta_link)
        assert row_id not in delta.changed
        assert delta.deleted.count(row_id) <= 1

    def test_pages_of_a_full_read_and_of_a_delta_hold_every_row_once(self, environment):
        start = read_to_the_end(environment, None)
        made = [environment.rows.create("accounts", name=f"p2c {n}") for n in range(7)]
        for link in (None, start.delta_link):
            found = read_to_the_end(environment, link, size=3 if link else 500)
            assert sorted(row for row in found.changed if row in made) == sorted(made)

    def test_deletes_that_fill_pages_of_their_own_all_arrive(self, environment):
        made = [environment.rows.create("accounts", name=f"p2c {n}") for n in range(5)]
        start = read_to_the_end(environment, None)
        for row_id in made:
            environment.rows.delete("accounts", row_id)
        assert set(read_to_the_end(environment, start.delta_link, size=2).deleted) >= set(made)

    def test_an_untracked_read_ends_without_links(self, environment):
        row_id = environment.rows.create("accounts", name="p2c")
        found, link = [], None
        while True:
            page = environment.dataverse.changes(ACCOUNTS, link, tracked=False)
            found += page.changed
            link = page.next_link
            if link is None:
                break
        assert row_id in found
        assert page.delta_link is None

    @pytest.mark.parametrize("option", ["$filter=name eq 'a'", "$orderby=name", "$top=1"])
    def test_tracking_refuses_to_filter_and_to_sort(self, environment, option):
        answer = environment.rows.request(
            "GET",
            f"accounts?$select=name&{option}",
            headers={"Prefer": "odata.track-changes"},
        )
        assert answer.status_code == 400
        assert "isn't supported when Change Tracking is enabled" in answer.text

    def test_a_token_that_is_none_asks_for_a_full_read(self, environment):
        full = read_to_the_end(environment, None)
        spoilt = f"{full.delta_link.partition('$deltatoken=')[0]}$deltatoken=nonsense"
        with pytest.raises(DeltaLinkExpiredError) as caught:
            environment.dataverse.changes(ACCOUNTS, spoilt, tracked=True)
        assert caught.value.service_code in {"0x80044183", "0x80044352"}


class TestRead:
    def test_rows_come_with_the_columns_of_the_rows_they_point_to(self, environment):
        company = environment.rows.create("accounts", name="p2c O'Brien & Søn")
        person = environment.rows.create(
            "contacts",
            lastname="Moe",
            parentcustomerid_account__bind=f"/accounts({company})",
        )
        below = environment.rows.create(
            "contacts", lastname="Lie", parentcustomerid_contact__bind=f"/contacts({person})"
        )
        alone = environment.rows.create("contacts", lastname="Ås")
        rows = environment.dataverse.read(CONTACTS, [person, below, alone, str(uuid.uuid4())])
        assert {row_id: row.columns for row_id, row in rows.items()} == {
            person: {"lastname": "Moe"},
            below: {"lastname": "Lie"},
            alone: {"lastname": "Ås"},
        }
        assert [row.lookups["parentcustomerid"] for row in rows.values()] == [
            LookupRow("account", company, {"name": "p2c O'Brien & Søn"}),
            LookupRow("contact", person, {"lastname": "Moe"}),
            None,
        ]
        assert all(row.version.isdigit() for row in rows.values())

    def test_a_lookup_to_an_unlisted_table_is_seen_without_its_columns(self, environment):
        company = environment.rows.create("accounts", name="p2c")
        person = environment.rows.create(
            "contacts",
            lastname="Moe",
            parentcustomerid_account__bind=f"/accounts({company})",
        )
        lookup = CONTACTS.lookups[0]
        only_contact = SourceQuery(
            "contact",
            "contacts",
            "contactid",
            (),
            (type(lookup)(lookup.column, lookup.targets[1:]),),
        )
        row = environment.dataverse.read(only_contact, [person])[person]
        assert row.lookups["parentcustomerid"] == LookupRow("", company)

    def test_amounts_are_exact(self, environment):
        row_id = environment.rows.create("accounts", name="p2c", creditlimit=1234.56)
        row = environment.dataverse.read(ACCOUNTS, [row_id])[row_id]
        assert row.columns["creditlimit"] == Decimal("1234.56")
        assert row.columns["accountnumber"] is None or row.columns["accountnumber"]

    def test_more_rows_than_fit_one_url_are_all_read(self, environment):
        made = [environment.rows.create("accounts", name=f"p2c {n}") for n in range(4)]
        others = [str(uuid.uuid4()) for _ in range(300)]
        assert set(environment.dataverse.read(ACCOUNTS, [*others, *made])) == set(made)

    def test_an_unknown_column_stops_and_is_named(self, environment):
        query = SourceQuery("account", "accounts", "accountid", ("nosuchcolumn",))
        with pytest.raises(ServiceRefusedError) as caught:
            environment.dataverse.read(query, [str(uuid.uuid4())])
        assert caught.value.status == 400
        assert "nosuchcolumn" in str(caught.value)

    def test_an_unknown_table_stops(self, environment):
        query = SourceQuery("nosuch", "nosuchset", "nosuchid", ())
        with pytest.raises(ServiceRefusedError) as caught:
            environment.dataverse.changes(query, None, tracked=True)
        assert caught.value.code == "not-found"


class TestFind:
    def test_rows_are_found_by_a_text_without_regard_to_case(self, environment):
        number = f"A{uuid.uuid4().hex[:8]} O'Br&n #1"
        made = [environment.rows.create("accounts", name="p2c", accountnumber=number)]
        environment.rows.create("accounts", name="p2c", accountnumber=f"{number}x")
        made.append(environment.rows.create("accounts", name="p2c", accountnumber=number.lower()))
        find = environment.dataverse.find
        assert find(ACCOUNTS, "accountnumber", number) == tuple(sorted(made))
        assert find(ACCOUNTS, "accountnumber", f"{number.upper()}  ") == tuple(sorted(made))
        assert find(ACCOUNTS, "accountnumber", "' or accountid ne null or name eq '") == ()


class TestReferring:
    def test_rows_are_found_by_what_their_lookup_points_to_page_by_page(self, environment):
        companies = [environment.rows.create("accounts", name=f"p2c {n}") for n in range(3)]
        people = [
            environment.rows.create(
                "contacts",
                lastname=f"p2c {n}",
                parentcustomerid_account__bind=f"/accounts({companies[n % 2]})",
            )
            for n in range(5)
        ]
        below = environment.rows.create(
            "contacts", lastname="p2c", parentcustomerid_contact__bind=f"/contacts({people[0]})"
        )
        client, lookup = environment.small_pages(2), CONTACTS.lookups[0]
        wanted = [*companies[:1], people[0], str(uuid.uuid4())]
        pages = list(client.referring(CONTACTS, lookup, wanted))
        assert sorted(row for page in pages for row in page) == sorted([*people[::2], below])
        assert all(len(page) <= 2 for page in pages)
        assert list(client.referring(CONTACTS, lookup, companies[2:])) == [()]

    def test_rows_of_more_than_fit_one_url_are_all_found(self, environment):
        company = environment.rows.create("accounts", name="p2c")
        person = environment.rows.create(
            "contacts",
            lastname="p2c",
            parentcustomerid_account__bind=f"/accounts({company})",
        )
        others = [str(uuid.uuid4()) for _ in range(300)]
        pages = environment.dataverse.referring(CONTACTS, CONTACTS.lookups[0], [*others, company])
        assert [row for page in pages for row in page] == [person]

    def test_more_than_500_conditions_are_refused(self, environment):
        def asked(conditions: int) -> int:
            wanted = " or ".join(["name eq 'a'"] * conditions)
            path = f"accounts?$select=accountid&$filter={wanted}"
            return environment.rows.request("GET", path).status_code

        assert (asked(500), asked(501)) == (200, 400)


class TestMerge:
    def test_rows_below_a_merged_row_are_changed_themselves(self, environment):
        kept, gone = (environment.rows.create("accounts", name=f"p2c {n}") for n in range(2))
        person = environment.rows.create(
            "contacts", lastname="p2c", parentcustomerid_account__bind=f"/accounts({gone})"
        )
        kind = {"@odata.type": "Microsoft.Dynamics.CRM.account"}
        body = {
            "Target": {**kind, "accountid": kept},
            "Subordinate": {**kind, "accountid": gone},
            "PerformParentingChecks": False,
        }
        before = environment.dataverse.read(CONTACTS, [person])[person]
        answer = environment.rows.request("POST", "Merge", json=body)
        assert answer.status_code == 204, answer.text
        after = environment.dataverse.read(CONTACTS, [person])[person]
        assert after.lookups["parentcustomerid"].row_id == kept
        assert int(after.version) > int(before.version)
        query = SourceQuery("account", "accounts", "accountid", ("statecode", "merged"))
        assert environment.dataverse.read(query, [gone])[gone].columns == {
            "statecode": 1,
            "merged": True,
        }


class TestBatch:
    def test_each_operation_succeeds_or_fails_by_itself(self, environment):
        made = environment.rows.create("accounts", name="p2c")
        operations = [
            DataverseOperation("PATCH", f"accounts({made})", {"name": "p2c 1"}),
            DataverseOperation("PATCH", f"accounts({made})", {"nosuchcolumn": 1}),
            DataverseOperation("GET", f"accounts({made})?$select=name"),
            DataverseOperation(
                "PATCH", f"accounts({uuid.uuid4()})", {"name": "x"}, {"If-Match": "*"}
            ),
            DataverseOperation("PATCH", f"accounts({made})", {"creditlimit": Decimal("0.10")}),
        ]
        answers = environment.dataverse.batch(operations)
        assert [answer.status for answer in answers] == [204, 400, 200, 404, 204]
        assert "nosuchcolumn" in fault(answers[1].body).message
        assert json_object(answers[2].body)["name"] == "p2c 1"
        row = environment.dataverse.read(ACCOUNTS, [made])[made]
        assert row.columns["creditlimit"] == Decimal("0.10")

    def test_an_upsert_that_returns_the_row_tells_created_from_updated(self, environment):
        row_id = str(uuid.uuid4())
        environment.rows.made.append(f"accounts({row_id})")
        upsert = DataverseOperation(
            "PATCH",
            f"accounts({row_id})?$select=accountid",
            {"name": "p2c"},
            {"Prefer": "return=representation"},
        )
        answers = environment.dataverse.batch([upsert, upsert])
        assert [answer.status for answer in answers] == [201, 200]
        assert json_object(answers[0].body)["accountid"] == row_id

    def test_a_stale_version_is_refused(self, environment):
        made = environment.rows.create("accounts", name="p2c")
        stale = DataverseOperation(
            "PATCH", f"accounts({made})", {"name": "x"}, {"If-Match": 'W/"1"'}
        )
        (answer,) = environment.dataverse.batch([stale])
        assert answer.status == 412
        assert fault(answer.body).code == "0x80060882"


class TestDefinitions:
    @pytest.mark.parametrize(
        ("table", "entity_set"),
        [("account", "accounts"), ("contact", "contacts")],
    )
    def test_the_tables_of_the_templates_are_tracked(self, environment, table, entity_set):
        found = environment.dataverse.table_definition(table)
        assert found.entity_set == entity_set
        assert found.primary_key == f"{table}id"
        assert found.is_change_tracking_enabled

    def test_a_definition_tells_columns_and_how_lookups_are_followed(self, environment):
        found = environment.dataverse.table_definition("contact")
        assert found.columns["lastname"] == "String"
        assert found.columns["statecode"] == "State"
        assert found.columns["parentcustomerid"] == "Customer"
        for target in ("account", "contact"):
            assert found.navigation["parentcustomerid", target] == f"parentcustomerid_{target}"

    def test_it_says_who_we_are_and_what_time_it_is(self, environment):
        caller = environment.dataverse.who_am_i()
        assert len(caller.user_id) == 36
        assert caller.service_time is not None

    def test_at_most_one_row_is_sampled(self, environment):
        assert environment.dataverse.sample(CONTACTS) in {0, 1}

    def test_a_table_that_is_not_there_is_unknown(self, environment):
        with pytest.raises(ServiceRefusedError) as caught:
            environment.dataverse.table_definition("nosuchtable")
        assert caught.value.code == "table-unknown"
