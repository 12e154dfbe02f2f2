"""Change tracking of the simulated Dataverse."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.sandbox.talk import Service, error, make_account, make_contact, names

TRACK = "odata.track-changes"
TRACK_2 = "odata.track-changes,odata.maxpagesize=2"
ACCOUNTS = "accounts?$select=name"


def delta_link(dataverse: Service) -> str:
    return dataverse.get(ACCOUNTS, TRACK).json()["@odata.deltaLink"]


def test_a_first_read_gives_all_rows_and_a_delta_link(dataverse):
    row_id = make_account(dataverse, name="a")
    answer = dataverse.get(ACCOUNTS, TRACK)
    assert answer.headers["Preference-Applied"] == TRACK
    body = answer.json()
    assert body["value"][0]["accountid"] == row_id
    assert body["@odata.context"].endswith("$metadata#accounts(name)")
    link = body["@odata.deltaLink"]
    pattern = r"\$select=name&\$deltatoken=\d+%21\d\d%2f\d\d%2f\d{4}%20\d\d%3a\d\d%3a\d\d$"
    assert re.search(pattern, link)


def test_a_delta_shows_net_changes_first_and_then_deletes(dataverse):
    kept, changed, gone = (make_account(dataverse, name=name) for name in ("a", "b", "c"))
    link = delta_link(dataverse)
    short_lived = make_account(dataverse, name="d")
    dataverse.delete(f"accounts({gone})")
    dataverse.patch(f"accounts({changed})", {"name": "b2"})
    dataverse.patch(f"accounts({changed})", {"name": "b3"})
    dataverse.delete(f"accounts({short_lived})")
    body = dataverse.get(link).json()
    assert body["@odata.context"].endswith("#accounts(name)/$delta")
    first, *deleted = body["value"]
    assert (first["accountid"], first["name"]) == (changed, "b3")
    assert [set(item) for item in deleted] == [{"@odata.context", "id", "reason"}] * 2
    assert [item["id"] for item in deleted] == [gone, short_lived]
    assert deleted[0]["@odata.context"].endswith("$metadata#accounts/$deletedEntity")
    assert kept not in str(body["value"])
    assert dataverse.get(body["@odata.deltaLink"]).json()["value"] == []


def test_changes_can_be_counted(dataverse):
    link = delta_link(dataverse)
    make_account(dataverse, name="a")
    token = link.partition("$deltatoken=")[2]
    assert dataverse.get(f"accounts/$count?$deltatoken={token}").text == "1"


def test_only_the_last_page_has_a_delta_link_and_never_both(dataverse):
    for n in range(5):
        make_account(dataverse, name=f"a{n}")
    pages = [dataverse.get(ACCOUNTS, TRACK_2).json()]
    while "@odata.nextLink" in pages[-1]:
        assert "@odata.deltaLink" not in pages[-1]
        assert "istracking=%22True%22" in pages[-1]["@odata.nextLink"].replace('"', "%22")
        pages.append(dataverse.get(pages[-1]["@odata.nextLink"], "odata.maxpagesize=2").json())
    assert [len(page["value"]) for page in pages] == [2, 2, 1]
    assert "@odata.deltaLink" in pages[-1]
    seen = {row["name"] for page in pages for row in page["value"]}
    assert seen == {f"a{n}" for n in range(5)}


def test_a_delta_is_paged_too(dataverse):
    gone = [make_account(dataverse, name=f"g{n}") for n in range(2)]
    link = delta_link(dataverse)
    for n in range(3):
        make_account(dataverse, name=f"a{n}")
    for row_id in gone:
        dataverse.delete(f"accounts({row_id})")
    pages = [dataverse.get(link, "odata.maxpagesize=2").json()]
    while "@odata.nextLink" in pages[-1]:
        pages.append(dataverse.get(pages[-1]["@odata.nextLink"], "odata.maxpagesize=2").json())
    items = [item.get("name", item.get("id")) for page in pages for item in page["value"]]
    assert items == ["a0", "a1", "a2", *gone]
    assert [len(page["value"]) for page in pages] == [2, 2, 1]
    assert dataverse.get(pages[-1]["@odata.deltaLink"]).json()["value"] == []


def test_a_change_made_while_a_delta_is_paged_is_in_the_next(dataverse):
    link = delta_link(dataverse)
    rows = [make_account(dataverse, name=f"a{n}") for n in range(3)]
    first = dataverse.get(link, "odata.maxpagesize=2").json()
    dataverse.patch(f"accounts({rows[0]})", {"name": "again"})
    last = dataverse.get(first["@odata.nextLink"], "odata.maxpagesize=2").json()
    assert [row["name"] for row in last["value"]] == ["a2"]
    following = dataverse.get(last["@odata.deltaLink"])
    assert names(following) == ["again"]


@pytest.mark.parametrize(("stamp", "seen"), [("start", ["changed"]), ("last", [])])
def test_a_full_read_may_lose_changes_made_while_it_runs(dataverse, sandbox, stamp, seen):
    sandbox.set_switches(dataverse_token_stamp=stamp)
    for n in range(3):
        make_account(dataverse, name=f"a{n}")
    first = dataverse.get(ACCOUNTS, TRACK_2).json()
    dataverse.patch(f"accounts({first['value'][0]['accountid']})", {"name": "changed"})
    last = dataverse.get(first["@odata.nextLink"]).json()
    assert "changed" not in {row["name"] for row in last["value"]}
    assert names(dataverse.get(last["@odata.deltaLink"])) == seen


@pytest.mark.parametrize(
    "option", ["$filter=name eq 'a'", "$orderby=name", "$expand=primarycontactid", "$top=5"]
)
def test_options_that_tracking_does_not_know_are_refused(dataverse, option):
    answer = dataverse.get(f"{ACCOUNTS}&{option}", TRACK)
    name = option[1:].partition("=")[0]
    assert error(answer)[::2] == (
        400,
        f'The "${name}" query parameter isn\'t supported when Change Tracking is enabled.',
    )


def test_without_change_tracking_a_tracked_read_is_refused(dataverse, sandbox):
    sandbox.set_switches(dataverse_change_tracking="off")
    assert error(dataverse.get(ACCOUNTS, TRACK)) == (
        400,
        "0x80072491",
        "Entity account isn't enabled for change tracking.",
    )
    sandbox.set_switches(dataverse_change_tracking="off-other-words")
    status, code, message = error(dataverse.get(ACCOUNTS, TRACK))
    assert (status, code) == (400, "0x80060888")
    assert "Change tracking is not enabled" in message
    assert dataverse.get(ACCOUNTS).status_code == 200


@pytest.mark.parametrize("status", [400, 410, 500])
def test_an_expired_delta_link_is_refused(dataverse, sandbox, status):
    sandbox.set_switches(dataverse_expired_status=status)
    link = delta_link(dataverse)
    sandbox.expire_tokens()
    assert error(dataverse.get(link)) == (
        status,
        "0x80044352",
        "Version stamp associated with the client has expired. Please perform a full sync.",
    )
    assert dataverse.get(delta_link(dataverse)).status_code == 200


def test_a_delta_link_expires_by_age(dataverse):
    link = delta_link(dataverse)
    old = (datetime.now(UTC) - timedelta(days=8)).strftime("%m%%2f%d%%2f%Y")
    aged = re.sub(r"\d\d%2f\d\d%2f\d{4}", old, link)
    assert error(dataverse.get(aged))[1] == "0x80044352"


@pytest.mark.parametrize("token", ["nonsense", "99999999%2101%2f01%2f2099%2000%3a00%3a00"])
def test_a_token_that_was_never_given_out_is_invalid(dataverse, token):
    assert error(dataverse.get(f"{ACCOUNTS}&$deltatoken={token}"))[1:] == (
        "0x80044183",
        "Invalid version stamp",
    )


def test_formatted_values_may_lose_the_delta_link_of_a_paged_read(dataverse, sandbox):
    sandbox.set_switches(dataverse_annotations_lose_delta_link=True)
    for n in range(3):
        make_account(dataverse, name=f"a{n}")
    annotated = f'{TRACK_2},odata.include-annotations="OData.Community.Display.V1.FormattedValue"'
    first = dataverse.get(ACCOUNTS, annotated).json()
    last = dataverse.get(first["@odata.nextLink"], annotated).json()
    assert not {"@odata.nextLink", "@odata.deltaLink"} & last.keys()
    plain = dataverse.get(ACCOUNTS, TRACK_2).json()
    assert "@odata.deltaLink" in dataverse.get(plain["@odata.nextLink"]).json()


def test_a_tracked_row_shows_all_selected_columns_whatever_changed(dataverse):
    row_id = make_contact(dataverse, lastname="L", jobtitle="CEO")
    link = dataverse.get("contacts?$select=lastname,jobtitle", TRACK).json()["@odata.deltaLink"]
    dataverse.patch(f"contacts({row_id})", {"lastname": "M"})
    row = dataverse.get(link).json()["value"][0]
    assert (row["lastname"], row["jobtitle"]) == ("M", "CEO")


def test_a_row_created_again_under_its_id_is_a_change(dataverse):
    row_id = make_account(dataverse, name="a")
    link = delta_link(dataverse)
    dataverse.delete(f"accounts({row_id})")
    dataverse.patch(f"accounts({row_id})", {"name": "b"})
    assert names(dataverse.get(link)) == ["b"]


def test_a_row_deleted_twice_is_listed_once(dataverse):
    row_id = make_account(dataverse, name="a")
    link = delta_link(dataverse)
    for _ in range(2):
        dataverse.delete(f"accounts({row_id})")
        dataverse.patch(f"accounts({row_id})", {"name": "again"})
    dataverse.delete(f"accounts({row_id})")
    assert [item["id"] for item in dataverse.get(link).json()["value"]] == [row_id]
