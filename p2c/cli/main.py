"""The commands. Each reads its words, has the work done and prints what it came to.

Exit status: 0 Completed, 1 Warning, 2 Error or wrong use. With ``--json`` standard output carries
one JSON document; everything else goes to standard error.
"""

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from types import FrameType
from typing import Annotated

import typer
from typer.exceptions import TyperException

from p2c.bootstrap import App, build_app
from p2c.cli.drive import Driver, RunResult
from p2c.cli.report import print_rejected, print_state
from p2c.cli.show import print_json, print_run, run_as_json, run_progress
from p2c.cli.state import read_state
from p2c.errors import P2cError, RequestError, TemplateError
from p2c.sandbox import DemoSize, serve
from p2c.settings import load_settings
from p2c.storage import SystemClock
from p2c.sync.executions import new_execution_id
from p2c.sync.messages import row_id
from p2c.sync.rejected import RejectedRow, rejected_rows, retry_rejected
from p2c.templates import shipped_names

EXIT_STATUS = {"Completed": 0, "Warning": 1, "Error": 2}

commands = typer.Typer(
    name="p2c",
    help="Keep Dynamics 365 Sales and Finance and Operations in step.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

rejected = typer.Typer(
    help="List rejected rows, or retry them.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
commands.add_typer(rejected, name="rejected")

Templates = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TEMPLATE]...", help="Names such as accounts; all without one."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def main() -> None:
    """Run a command and exit with its status."""
    signal.signal(signal.SIGTERM, _interrupt)
    if "--json" not in sys.argv:
        commands()
    try:
        status = commands(standalone_mode=False)
    except TyperException as error:
        message = f"{error.format_message()} See --help."
        _print_error("usage-wrong", message)
        _say(f"{message} [usage-wrong]")
        status = EXIT_STATUS["Error"]
    sys.exit(status)


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


@commands.command()
def status(*, as_json: AsJson = False) -> None:
    """Show how far each task has read, what its rows came to and why, and what is queued."""
    with _errors(as_json=as_json), _app(None) as app:
        state = read_state(app)
        if as_json:
            print_json(state.as_json())
        else:
            print_state(state)


@rejected.command("list")
def list_rejected(templates: Templates = None, *, as_json: AsJson = False) -> None:
    """List rejected rows, each with the reason and what to do."""
    with _errors(as_json=as_json), _app(templates or None) as app:
        rows = rejected_rows(app.runtime, [template.name for template in app.templates])
        if as_json:
            print_json([asdict(row) for row in rows])
        else:
            print_rejected(rows)


@rejected.command("retry")
def retry(
    rows: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ROW]...", help="Ids of rejected rows, as 'rejected list' names."),
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Retry every rejected row.")] = False,
    code: Annotated[
        str, typer.Option(metavar="CODE", help="Retry the rows rejected for this reason.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Queue rejected rows again, each to be read anew; the next run or the functions take them."""
    with _errors(as_json=as_json), _app(None) as app:
        chosen = choose(rejected_rows(app.runtime), rows or (), code=code, every=every)
        execution = retry_rejected(app.runtime, chosen, trigger="retry") if chosen else ""
        if as_json:
            print_json({"execution_id": execution or None, "queued": len(chosen)})
        elif chosen:
            typer.echo(
                f"Queued {len(chosen)} rejected rows as execution {execution}. The next "
                "'run' or the deployed functions process them."
            )
        else:
            typer.echo("No row is rejected.")


@commands.command()
def sandbox(
    *,
    dataverse_port: Annotated[int, typer.Option(help="0: a free one.")] = 0,
    fno_port: Annotated[int, typer.Option(help="0: a free one.")] = 0,
    accounts: Annotated[int, typer.Option(min=0, help="Accounts of the demo company.")] = 320,
    contacts: Annotated[int, typer.Option(min=0, help="Contacts of the demo company.")] = 1600,
    filled_customers: Annotated[
        int, typer.Option(min=0, help="How many accounts F&O already has as customers.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="The same seed makes the same company.")] = 7,
    empty: Annotated[bool, typer.Option("--empty", help="No demo company.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the addresses as JSON.")] = False,
) -> None:
    """Simulate Dataverse and F&O, filled with a made-up company, until stopped."""
    size = DemoSize(
        seed=seed, accounts=accounts, contacts=contacts, filled_customers=filled_customers
    )
    _say(
        "Set P2C_DATAVERSE_URL and P2C_FNO_URL to the addresses below, P2C_CREDENTIAL to sandbox "
        "and P2C_LEGAL_ENTITY to usmf. Ctrl-C stops both."
    )
    serve(
        dataverse_port=dataverse_port,
        fno_port=fno_port,
        demo=None if empty else size,
        as_json=as_json,
    )


def choose(
    found: Sequence[RejectedRow], rows: Sequence[str], *, code: str, every: bool
) -> list[RejectedRow]:
    """Choose the rejected rows to retry.

    Raises:
        RequestError: Not exactly one way to choose was used, or a row or code has none.
    """
    if [bool(rows), bool(code), every].count(True) != 1:
        raise RequestError(
            "rejected retry: expected either ROW..., --code CODE or --all. 'rejected list' names "
            "rows and codes.",
            code="choice-invalid",
        )
    if every:
        return list(found)
    if code:
        chosen = [row for row in found if row.code == code]
        if not chosen:
            known = ", ".join(sorted({row.code for row in found})) or "none at all"
            raise RequestError(
                f"--code: found '{code}', for which no row is rejected; expected one of: {known}.",
                code="code-unknown",
            )
        return chosen
    ids = [_row(text) for text in rows]
    absent = sorted(set(ids) - {row.row for row in found})
    if absent:
        raise RequestError(
            f"ROW: {', '.join(absent)} is not rejected. 'rejected list' names those that are; "
            "'resync' brings any row up to date.",
            code="row-not-rejected",
        )
    return [row for row in found if row.row in ids]


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
    known = shipped_names()
    unknown = [name for name in templates or () if name not in known]
    if unknown:
        raise RequestError(
            f"TEMPLATE: found '{unknown[0]}'; expected one of {', '.join(known)}.",
            code="template-unknown",
        )
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
            _print_error(error.code, error.message)
        # The problems of a template carry their codes already.
        _say(error.message if isinstance(error, TemplateError) else f"{error} [{error.code}]")
        raise typer.Exit(EXIT_STATUS["Error"]) from None
    except KeyboardInterrupt:
        _say("Interrupted.")
        raise typer.Exit(EXIT_STATUS["Error"]) from None


def _print_error(code: str, message: str) -> None:
    print_json({"status": "Error", "error": {"code": code, "message": message}})


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
