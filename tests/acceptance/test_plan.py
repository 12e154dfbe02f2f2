"""A plan says beforehand, field by field, what the run then writes, and leaves no trace."""

import json
from typing import Any

from tests.acceptance.conftest import Company
from tests.acceptance.oracle import assert_in_step


def plan(company: Company, *words: str, status: int) -> Any:
    done = company.p2c("plan", *words, "--json")
    assert done.exit_code == status, done.output
    return json.loads(done.stdout)


def everything(company: Company) -> Any:
    """Whatever a plan must leave as it is."""
    records = [company.sandbox.fno_records(name) for name in ("CustomersV2", "CDSContactPersons")]
    tables = sorted((table, sorted(map(repr, row.items()))) for table, row in company.tables())
    return tables, sorted(company.queues()), records, company.fno_writes()


def operations(document: Any) -> list[Any]:
    return [
        operation
        for template in document["templates"].values()
        for task in template["tasks"].values()
        for row in task["rows"]
        for operation in row["operations"]
    ]


def test_a_first_plan_needs_no_storage_and_makes_none(company) -> None:
    company.contact("C1", company.account("A1"))
    planned = plan(company, status=1)
    assert everything(company)[:2] == ([], [])
    assert company.fno_writes() == 0
    assert planned["status"] == "Changes"
    assert planned["operations"] == {"create": 2, "update": 0, "retire": 0}
    assert [found["action"] for found in operations(planned)] == ["create", "create"]
    ran = company.run()
    assert company.counts(ran, "contacts") == {"read": 1, "created": 1}
    for template in ("accounts", "contacts", "contacts-to-customer"):
        (task,) = planned["templates"][template]["tasks"].values()
        (run,) = ran["templates"][template]["tasks"].values()
        assert task["counts"] == run
    assert_in_step(company)
    assert plan(company, status=0)["status"] == "NoChanges"
