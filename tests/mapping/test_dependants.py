"""What depends on which columns of which table, from compiled templates."""

from dataclasses import replace

from p2c.mapping.dependants import dependants_of, watched_columns, with_watched_columns
from p2c.mapping.result import NotMapped
from p2c.mapping.task import CompiledTemplate, TaskMapping
from p2c.model import Lookup, LookupTarget, Outcome, Reason, SourceQuery


def task(name: str, table: str, *lookups: Lookup, columns: tuple[str, ...] = ()) -> TaskMapping:
    return TaskMapping(
        template=name,
        title=name,
        task=name,
        query=SourceQuery(table, f"{table}s", f"{table}id", columns, lookups),
        entity_set="Records",
        key_fields=("Number",),
        field_types={},
        empty_values={},
        map_row=lambda _row: NotMapped(Outcome.SKIPPED, Reason("no", "")),
        select_fingerprint="as it was",
    )


def target(table: str, *columns: str) -> LookupTarget:
    return LookupTarget(table, f"to_{table}", f"{table}id", columns)


PARENT = Lookup("parent", (target("account", "accountid", "number"), target("contact", "phone")))
OWNER = Lookup("owner", (target("account", "accountid"), target("user", "mail")))
QUOTES = task("quotes", "quote", Lookup("customer", (target("account", "name", "number"),)))
ACCOUNTS = task("accounts", "account", columns=("city", "name"))
CONTACTS = task("contacts", "contact", PARENT, OWNER)


def templates(*tasks: TaskMapping) -> list[CompiledTemplate]:
    return [CompiledTemplate(found.template, found.title, (), (found,)) for found in tasks]


def found(*tasks: TaskMapping) -> dict[str, list[tuple[str, str, tuple[str, ...]]]]:
    return {
        table: [(each.task.task, each.lookup.column, each.columns) for each in dependants]
        for table, dependants in dependants_of(templates(*tasks)).items()
    }


def test_a_task_depends_on_the_columns_behind_its_lookups_but_not_on_the_primary_key():
    assert found(ACCOUNTS, CONTACTS, QUOTES) == {
        "account": [
            ("contacts", "parent", ("number",)),
            ("quotes", "customer", ("name", "number")),
        ],
        "contact": [("contacts", "parent", ("phone",))],
    }


def test_tables_that_no_task_reads_are_left_out():
    assert found(ACCOUNTS, QUOTES) == {"account": [("quotes", "customer", ("name", "number"))]}
    assert found(QUOTES) == {}


def test_a_task_reads_the_columns_of_its_table_that_others_look_up():
    first, second, _ = with_watched_columns(templates(ACCOUNTS, CONTACTS, QUOTES))
    assert first.tasks[0].query.columns == ("city", "name", "number")
    assert second.tasks[0].query.columns == ("phone",)
    assert second.tasks[0].query.lookups == CONTACTS.query.lookups
    assert first.tasks[0].select_fingerprint == "as it was"


def test_templates_without_lookups_stay_as_they_are():
    given = templates(ACCOUNTS, replace(ACCOUNTS, task="again"))
    assert list(with_watched_columns(given)) == given
    assert watched_columns(()) == ()
