"""The answer to ``GET /api/plan/{template}``: what a run of the template would write."""

from collections.abc import Mapping
from http import HTTPStatus

import azure.functions as func

from p2c.bootstrap import App, open_scratch
from p2c.errors import cut
from p2c.functions.problem import Finding, Problem, json_response
from p2c.model import Outcome
from p2c.sync.plan_result import PlannedRow
from p2c.sync.plan_run import RunPlanner

USUAL_ROWS = 200
MOST_ROWS = 1000
PLAN_SECONDS = 120.0
"""Azure's front end ends a request after 230 seconds; one message more may be under way then."""


def read_all(params: Mapping[str, str]) -> bool:
    """Read whether every row is to be looked at.

    Raises:
        Problem: 400, ``all-invalid``.
    """
    given = params.get("all", "false")
    if given in ("true", "false"):
        return given == "true"
    raise Problem(
        HTTPStatus.BAD_REQUEST,
        "all-invalid",
        f"all: found '{cut(given)}', expected true or false.",
        [
            Finding(
                "all in the query", f"'{cut(given)}'", "true or false", "Mend it or leave it out."
            )
        ],
    )


def plan(app: App, template: str, *, most_rows: int, all_data: bool) -> func.HttpResponse:
    """Plan a run of one template, cut short after a number of rows or seconds.

    Raises:
        RetryLaterError, StopError: Storage or a service cannot be asked.
    """
    rows: dict[str, list[dict[str, object]]] = {}

    def tell(row: PlannedRow) -> None:
        if row.outcome is not Outcome.UNCHANGED:
            rows.setdefault(row.task, []).append(row.as_json())

    with open_scratch() as scratch:
        until = app.runtime.clock.monotonic() + PLAN_SECONDS
        planner = RunPlanner(app.runtime, scratch, tell, most_rows=most_rows, until=until)
        result = planner.plan([template], all_data=all_data)
    return json_response(result.as_json(lambda _template, task: rows.get(task, [])))
