"""What the HTTP functions answer."""

import logging
import re
from collections.abc import Callable
from http import HTTPStatus

import azure.functions as func

import p2c
from p2c.bootstrap import App
from p2c.errors import RequestError, SettingError, TemplateError, cut
from p2c.functions.logs import log
from p2c.functions.plan import MOST_ROWS, USUAL_ROWS, plan, read_all
from p2c.functions.problem import Finding, Problem, answer, json_response
from p2c.functions.query import check_template, read_limit
from p2c.functions.rejected import list_rejected, retry
from p2c.functions.resync import resync
from p2c.sync.executions import KEPT_DAYS
from p2c.sync.explain_row import RowExplainer
from p2c.sync.explanation_json import explanations_as_json

LISTED_USUALLY = 10
LISTED_MOST = 50
"""Adding up one execution reads sixteen partitions for each of its tasks."""
_EXECUTION_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}")

GetApp = Callable[[], App]


def post_resync(get_app: GetApp, request: func.HttpRequest) -> func.HttpResponse:
    """``POST /api/resync/{template}``: 202 with ``execution_id``, or a problem."""
    template = request.route_params.get("template", "")
    return answer("resync", lambda: resync(get_app, template, request))


def get_plan(get_app: GetApp, request: func.HttpRequest) -> func.HttpResponse:
    """``GET /api/plan/{template}?limit=&all=``: what a run would write, field by field."""
    template = request.route_params.get("template", "")

    def serve() -> func.HttpResponse:
        check_template(template)
        most_rows = read_limit(request.params.get("limit"), usually=USUAL_ROWS, most=MOST_ROWS)
        all_data = read_all(request.params)
        return plan(get_app(), template, most_rows=most_rows, all_data=all_data)

    return answer("plan", serve)


def get_executions(get_app: GetApp, request: func.HttpRequest) -> func.HttpResponse:
    """``GET /api/executions?limit=``: the newest executions, newest first."""

    def serve() -> func.HttpResponse:
        limit = read_limit(request.params.get("limit"), usually=LISTED_USUALLY, most=LISTED_MOST)
        found = get_app().executions.latest(limit)
        return json_response({"executions": [summary.as_json() for summary in found]})

    return answer("executions", serve)


def get_execution(get_app: GetApp, request: func.HttpRequest) -> func.HttpResponse:
    """``GET /api/executions/{id}``: one execution."""
    execution_id = request.route_params.get("id", "")

    def serve() -> func.HttpResponse:
        if not _EXECUTION_ID.fullmatch(execution_id):
            raise _unknown_execution(execution_id)
        try:
            summary = get_app().executions.summary(execution_id)
        except RequestError as error:
            raise _unknown_execution(execution_id) from error
        return json_response(summary.as_json())

    return answer("execution", serve)


def get_row(get_app: GetApp, request: func.HttpRequest) -> func.HttpResponse:
    """``GET /api/rows/{template}/{row}``: why a row is where it is; see `p2c.cli.explain`.

    The answer carries the row's values, for the person who asks; no log does.
    """
    template = request.route_params.get("template", "")
    row = request.route_params.get("row", "")

    def serve() -> func.HttpResponse:
        check_template(template)
        try:
            found = RowExplainer(get_app().runtime).explain(row, template)
        except RequestError as error:
            raise _unknown_row(row, error) from error
        return json_response(explanations_as_json(row, found))

    return answer("row", serve)


def get_rejected(get_app: GetApp, request: func.HttpRequest) -> func.HttpResponse:
    """``GET /api/rejected?template=&code=&limit=``: rejected rows, each with the reason."""
    return answer("rejected", lambda: list_rejected(get_app, request))


def post_retry(get_app: GetApp, request: func.HttpRequest) -> func.HttpResponse:
    """``POST /api/rejected/retry``: 202 with ``execution_id``, or a problem."""
    return answer("retry", lambda: retry(get_app, request))


def get_health(get_app: GetApp) -> func.HttpResponse:
    """``GET /api/health``: whether p2c can work. Without a key, and so without particulars."""
    checks = dict.fromkeys(("settings", "templates", "storage"), "ok")
    try:
        get_app().check_storage()
    except Exception as error:  # noqa: BLE001  whatever it is, p2c is not healthy
        log(logging.ERROR, "p2c is not healthy", action="health", error=error)
        broken = _broken(error)
        names = list(checks)
        checks[broken] = str(getattr(error, "code", "check-failed"))
        checks.update(dict.fromkeys(names[names.index(broken) + 1 :], "not checked"))
    healthy = set(checks.values()) == {"ok"}
    return json_response(
        {
            "status": "healthy" if healthy else "unhealthy",
            "version": p2c.__version__,
            "checks": checks,
        },
        HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE,
    )


def _broken(error: Exception) -> str:
    """Name the first check that an error stands for."""
    if isinstance(error, SettingError):
        return "settings"
    return "templates" if isinstance(error, TemplateError) else "storage"


def _unknown_row(row: str, error: RequestError) -> Problem:
    return Problem(
        HTTPStatus.NOT_FOUND,
        error.code,
        error.message,
        [
            Finding(
                "row in the path",
                f"'{cut(row)}'",
                "the id of a row in Sales, or its number",
                "Copy the id from the row's address in Sales.",
            )
        ],
    )


def _unknown_execution(execution_id: str) -> Problem:
    return Problem(
        HTTPStatus.NOT_FOUND,
        "execution-unknown",
        f"There is no execution '{cut(execution_id)}'. Executions are kept {KEPT_DAYS} days; "
        "GET /api/executions lists the newest.",
        [
            Finding(
                "id in the path",
                f"'{cut(execution_id)}'",
                "the id of an execution, such as 20260302T080000-1a2b3c4d",
                "Take it from GET /api/executions.",
            )
        ],
    )
