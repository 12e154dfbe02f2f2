"""The commands. Each reads its words, has the work done and prints what it came to.

Exit status: 0 Completed, 1 Warning, 2 Error or wrong use. With ``--json`` standard output carries
one JSON document; everything else goes to standard error.
"""

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Annotated

import typer

from p2c.bootstrap import App, build_app
from p2c.cli.drive import Driver, RunResult
from p2c.cli.show import print_json, print_run, run_as_json, run_progress
from p2c.errors import P2cError, RequestError
from p2c.settings import load_settings
from p2c.storage import SystemClock
from p2c.sync.executions import new_execution_id
from p2c.sync.messages import row_id

EXIT_STATUS = {"Completed": 0, "Warning": 1, "Error": 2}

commands = typer.Typer(
    name="p2c",
    help="Keep Dynamics 365 Sales and Finance and Operations in step.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Templates = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TEMPLATE]...", help="Names such as accounts; all without one."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def main() -> None:
    """Run a command and exit with its status."""
    signal.signal(signal.SIGTERM, _interrupt)
    commands()


@commands.command()
def run(
    templates: Templates = None,
    *,
    all_data: Annotated[
        bool, typer.Option("--all-data", help="Read every row, not only what changed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring over what changed, here and now; without a name, every template in order."""
    _carry_out(templates or None, lambda driver: driver.run(all_data=all_data), as_json=as_json)


@commands.command()
def resync(
    template: Annotated[str, typer.Argument(help="A name such as accounts.")],
    rows: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ROW]...", help="Ids of rows in Sales; every row without one."),
    ] = None,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Compare with what F&O holds now and overwrite it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring chosen rows, or all rows, of a template up to date again, here and now."""
    with _errors(as_json=as_json):
        ids = [_row(text) for text in rows or ()]
    _carry_out([template], lambda driver: driver.resync(ids, force=force), as_json=as_json)


def _carry_out(
    templates: list[str] | None, work: Callable[[Driver], RunResult], *, as_json: bool
) -> None:
    started = time.monotonic()
    with _errors(as_json=as_json):
        with (
            _app(templates, execution=new_execution_id(SystemClock().now())) as app,
            run_progress() as progress,
        ):
            result = work(Driver(app, progress))
        seconds = time.monotonic() - started
        if as_json:
            print_json(run_as_json(result, seconds))
        else:
            print_run(result, seconds)
        if result.error:
            _say(result.error.message)
    raise typer.Exit(EXIT_STATUS[result.status])


@contextlib.contextmanager
def _app(templates: list[str] | None, *, execution: str = "") -> Iterator[App]:
    app = build_app(load_settings(), templates=templates, execution=execution)
    try:
        yield app
    finally:
        app.close()


@contextlib.contextmanager
def _errors(*, as_json: bool) -> Iterator[None]:
    """Turn an error into a message and exit status 2."""
    try:
        yield
    except P2cError as error:
        if as_json:
            print_json({"status": "Error", "error": {"code": error.code, "message": error.message}})
        _say(f"{error.message} [{error.code}]")
        raise typer.Exit(EXIT_STATUS["Error"]) from None
    except KeyboardInterrupt:
        _say("Interrupted.")
        raise typer.Exit(EXIT_STATUS["Error"]) from None


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _row(text: str) -> str:
    found = row_id(text)
    if found is None:
        raise RequestError(
            f"ROW: found '{text}'; expected the id of a row in Sales such as "
            "5c1ec0de-0000-4000-8000-000000000001. Copy it from the row's address in Sales.",
            code="row-invalid",
        )
    return found


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
