"""The plan that the README shows is what is printed for its rows."""

import json
from decimal import Decimal

from p2c.model import Outcome, Reason, RecordKey
from p2c.sync.plan_result import PlannedRow, PlannedWrite, PlanResult
from tests.docs.pages import blocks


def test_the_example_of_a_plan_is_what_is_printed():
    (example,) = [
        found
        for block in blocks("json")
        if "messages_not_seen" in (found := json.loads(block.text))
    ]
    row, template, task = "5e605341-6490-4083-afe1-1d85c5d65cdb", "accounts", "Accounts - Customers"
    parts = (("dataAreaId", "usmf"), ("CustomerAccount", "ACC-01002-ZZZZZZ"))
    key = RecordKey("CustomersV2", parts)
    fields = {
        "CreditLimit": (Decimal("10000.00"), Decimal("2500.50")),
        "OrganizationName": ("Fjord", "Fjord AS"),
    }
    (_, skipped) = example["templates"][template]["tasks"][task]["rows"]
    reason = Reason("number-missing", skipped["reason"])
    rows = [
        PlannedRow(
            template,
            task,
            row,
            str(key),
            Outcome.UPDATED,
            None,
            (PlannedWrite("update", key, fields),),
        ),
        PlannedRow(template, task, skipped["row"], "", Outcome.SKIPPED, reason),
    ]
    result = PlanResult(
        counts={template: {task: {Outcome.UPDATED: 1, Outcome.SKIPPED: 1}}},
        reasons={template: {task: {"number-missing": 1}}},
        writes={"create": 0, "update": 1, "retire": 0},
        unseen={},
        elsewhere={},
        unreadable=0,
        asked=(),
        cut_short="",
    )
    requests = example["requests"]
    printed = {
        **result.as_json(lambda *_: [found.as_json() for found in rows]),
        "requests": requests,
    }
    assert json.dumps(printed) == json.dumps(example)
