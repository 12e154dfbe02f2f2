"""What the commands share: their words, the app, and how an error ends a command.

Exit status: 0 Completed, 1 Warning, 2 Error or wrong use. With ``--json`` standard output carries
one JSON document; everything else goes to standard error.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, NoReturn

import typer

from p2c.bootstrap import App, build_app, start_telemetry
from p2c.cli.drive import Driver, RunResult
from p2c.cli.show import print_json, print_run, run_as_json, run_progress
from p2c.errors import P2cError, RequestError, TemplateError
from p2c.settings import load_settings, load_telemetry_settings
from p2c.storage import SystemClock
from p2c.sync.executions import new_execution_id
from p2c.sync.messages import row_id
from p2c.templates import shipped_names

EXIT_STATUS = {"Completed": 0, "Warning": 1, "Error": 2}
HELP = {"help_option_names": ["-h", "--help"]}

Templates = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TEMPLATE]...", help="Names such as accounts; all without one."),
]
AcceptDeletes = Annotated[
    bool,
    typer.Option(
        "--accept-deletes", help="Say that rows a task asks about were deleted; see status."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@contextlib.contextmanager
def open_app(
    templates: list[str] | None, *, execution: str = "", read_only: bool = False
) -> Iterator[App]:
    """Build the app and close it in the end.

    Args:
        templates: Names of those wanted; None for all.
        execution: Counts what the command does; "" for none.
        read_only: Store nothing, not even the key of the field hashes.

    Raises:
        RequestError: A name is not a template's.
    """
    known = shipped_names()
    unknown = [name for name in templates or () if name not in known]
    if unknown:
        raise RequestError(
            f"TEMPLATE: found '{unknown[0]}'; expected one of {', '.join(known)}.",
            code="template-unknown",
        )
    settings = load_settings()
    telemetry = start_telemetry(load_telemetry_settings())
    with contextlib.ExitStack() as closing:
        closing.callback(telemetry.close)
        app = build_app(
            settings,
            templates=templates,
            execution=execution,
            read_only=read_only,
            telemetry=telemetry,
        )
        closing.callback(app.close)
        yield app


def carry_out(
    templates: list[str] | None, work: Callable[[Driver], RunResult], *, as_json: bool
) -> NoReturn:
    """Have templates run, print what it came to, and end with the status of that."""
    started = time.monotonic()
    with errors(as_json=as_json):
        with (
            open_app(templates, execution=new_execution_id(SystemClock().now())) as app,
            run_progress() as progress,
            app.runtime.telemetry.span("run", {"execution_id": app.runtime.execution}) as span,
        ):
            result = work(Driver(app, progress))
            if result.error:
                span.fail(result.error.code)
            # When storage is what failed, it is no use to ask; the result is told all the same.
            with contextlib.suppress(P2cError):
                app.observer.ended_now(result.execution_id)
            seconds = time.monotonic() - started
        if as_json:
            print_json(run_as_json(result, seconds))
        else:
            print_run(result, seconds)
        if result.error:
            say(result.error.message)
    raise typer.Exit(EXIT_STATUS[result.status])


@contextlib.contextmanager
def errors(*, as_json: bool) -> Iterator[None]:
    """Turn an error into a message and exit status 2."""
    try:
        yield
    except P2cError as error:
        if as_json:
            print_error(error.code, error.message)
        # The problems of a template carry their codes already.
        say(error.message if isinstance(error, TemplateError) else f"{error} [{error.code}]")
        raise typer.Exit(EXIT_STATUS["Error"]) from None
    except KeyboardInterrupt:
        if as_json:
            print_error("run-interrupted", "Interrupted.")
        say("Interrupted. [run-interrupted]")
        raise typer.Exit(EXIT_STATUS["Error"]) from None


def check_consent(templates: Sequence[str], *, accept_deletes: bool, all_data: bool) -> None:
    """Check that consent is given for named templates, and to what was found already.

    Raises:
        RequestError: It is not.
    """
    if accept_deletes and (all_data or not templates):
        raise RequestError(
            "--accept-deletes: expected the templates it is for, and no --all-data, which "
            "compares anew. Name them: run TEMPLATE --accept-deletes.",
            code="choice-invalid",
        )


def print_error(code: str, message: str) -> None:
    """Print the JSON document of a command that ended with an error."""
    print_json({"status": "Error", "error": {"code": code, "message": message}})


def say(text: str) -> None:
    """Write a line on standard error."""
    sys.stderr.write(f"{text}\n")


def read_row(text: str) -> str:
    """Read an argument that names a row.

    Raises:
        RequestError: It is no GUID.
    """
    found = row_id(text)
    if found is None:
        raise RequestError(
            f"ROW: found '{text}'; expected the id of a row in Sales such as "
            "5c1ec0de-0000-4000-8000-000000000001. Copy it from the row's address in Sales.",
            code="row-invalid",
        )
    return found
