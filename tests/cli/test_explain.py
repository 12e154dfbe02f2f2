"""`explain` as a command; what it says is held by test_explain_golden.py."""

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient

from p2c.storage.account import QUEUE_API_VERSION, TABLE_API_VERSION


def test_a_row_is_explained_by_number_or_id_for_people_and_for_programs(world) -> None:
    row = world.account(accountnumber="ACC-1", name="Fjord Handel")
    world.document("run", "accounts")
    shown = world.p2c("explain", "acc-1").stdout
    first = "Account ACC-1 was created in F&O as CustomersV2(dataAreaId=usmf,CustomerAccount=ACC-1)"
    assert shown.startswith(first)
    assert "Fjord Handel" in shown
    document = world.document("explain", f"{{{row.upper()}}}")
    (found,) = document["rows"]
    assert (found["row"], found["tasks"][0]["last"]["outcome"]) == (row, "created")
    assert found["tasks"][0]["next"] == "Nothing: F&O holds what Sales says."


def test_a_contact_is_explained_in_both_templates_or_in_the_one_that_is_named(world) -> None:
    account = world.account(accountnumber="ACC-1")
    world.contact("CON-1", account)
    shown = world.document("explain", "CON-1")["rows"][0]["tasks"]
    assert [task["template"] for task in shown] == ["contacts", "contacts-to-customer"]
    (only,) = world.document("explain", "CON-1", "--template", "contacts-to-customer")["rows"]
    assert [task["template"] for task in only["tasks"]] == ["contacts-to-customer"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("NOPE",), "row-unknown", "ROW: found 'NOPE'; no row in Sales has this number"),
        (("X", "--template", "nosuch"), "template-unknown", "TEMPLATE: found 'nosuch'"),
    ],
)
def test_a_row_or_template_that_is_not_there_is_wrong_use(world, words, code, message) -> None:
    done = world.p2c("explain", *words)
    assert done.exit_code == 2
    assert done.stderr.startswith(message)
    assert done.stderr.endswith(f"[{code}]\n")
    assert world.document("explain", *words, status=2)["error"]["code"] == code


def test_a_value_that_looks_like_markup_is_printed_as_it_is(world) -> None:
    world.account(accountnumber="ACC-1", name="[bold]Fjord[/bold] :smile:\x1b[2J")
    assert "[bold]Fjord[/bold] :smile:\ufffd[2J" in world.p2c("explain", "ACC-1").stdout


def test_explaining_makes_neither_tables_nor_queues(world) -> None:
    world.account(accountnumber="ACC-1")
    assert world.document("explain", "ACC-1")["rows"]
    connection = world.settings["AzureWebJobsStorage"]
    with (
        QueueServiceClient.from_connection_string(
            connection, api_version=QUEUE_API_VERSION
        ) as queues,
        TableServiceClient.from_connection_string(
            connection, api_version=TABLE_API_VERSION
        ) as tables,
    ):
        assert [*queues.list_queues(), *tables.list_tables()] == []
