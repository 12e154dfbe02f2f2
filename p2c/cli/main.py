"""The commands. Each reads its words, has the work done and prints what it came to.

Exit status: 0 Completed, 1 Warning, 2 Error or wrong use. With ``--json`` standard output carries
one JSON document; everything else goes to standard error.
"""

import io
import signal
import sys
import traceback
from types import FrameType
from typing import Annotated

import typer
from typer.exceptions import TyperException

from p2c.cli import check, explain, plan, rejected, show_templates
from p2c.cli.common import (
    EXIT_STATUS,
    HELP,
    AcceptDeletes,
    AsJson,
    Templates,
    carry_out,
    check_consent,
    errors,
    open_app,
    print_error,
    read_row,
    say,
)
from p2c.cli.report import print_state
from p2c.cli.show import print_json
from p2c.cli.state import read_state
from p2c.errors import RequestError

commands = typer.Typer(
    name="p2c",
    help="Keep Dynamics 365 Sales and Finance and Operations in step.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings=HELP,
)

commands.add_typer(rejected.commands, name="rejected")
commands.add_typer(show_templates.commands, name="templates")
commands.command("check")(check.check)
commands.command("explain")(explain.explain)


def main() -> None:
    """Run a command and exit with its status."""
    signal.signal(signal.SIGTERM, _interrupt)
    as_json = "--json" in sys.argv
    make_writable(as_json=as_json)
    sys.exit(carried_out(commands, sys.argv[1:], as_json=as_json))


def make_writable(*, as_json: bool) -> None:
    """Let any text be printed, whatever the terminal's encoding; JSON is UTF-8 always.

    On Windows a pipe or file takes the code page, which lacks most names and the signs of `check`.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            encoding = "utf-8" if as_json and stream is sys.stdout else None
            stream.reconfigure(encoding=encoding, errors="replace")


def carried_out(app: typer.Typer, words: list[str], *, as_json: bool) -> int:
    """Carry a command out and return its exit status: 2 also for what nobody foresaw.

    Raises:
        SystemExit: Without `as_json`, when the command is done or its words are wrong.
    """
    try:
        _check_words(words)
        status: int = app(words, standalone_mode=not as_json) or EXIT_STATUS["Completed"]
    except (TyperException, RequestError) as error:
        said = error.format_message() if isinstance(error, TyperException) else error.message
        code, message = "usage-wrong", f"{said.rstrip('.')}. See --help."
    except Exception as error:  # noqa: BLE001  its own status would be 1, which says Warning
        traceback.print_exc()
        code, message = "error", f"p2c failed for a reason it does not know: {type(error).__name__}"
    else:
        return status
    if as_json:
        print_error(code, message)
    say(f"{message} [{code}]")
    return EXIT_STATUS["Error"]


def _check_words(words: list[str]) -> None:
    for place, word in enumerate(words, 1):
        shown = word.encode(errors="replace").decode()
        if shown != word:
            raise RequestError(
                f"Word {place}: found '{shown}', bytes that are no text in this terminal's encoding"
            )


@commands.command()
def run(
    templates: Templates = None,
    *,
    all_data: Annotated[
        bool, typer.Option("--all-data", help="Read every row, not only what changed.")
    ] = False,
    accept_deletes: AcceptDeletes = False,
    as_json: AsJson = False,
) -> None:
    """Bring over what changed, here and now; without a name, every template in order."""
    with errors(as_json=as_json):
        check_consent(templates or (), accept_deletes=accept_deletes, all_data=all_data)
    carry_out(
        templates or None,
        lambda driver: driver.run(all_data=all_data, accept_deletes=accept_deletes),
        as_json=as_json,
    )


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
    with errors(as_json=as_json):
        ids = [read_row(text) for text in rows or ()]
    carry_out([template], lambda driver: driver.resync(ids, force=force), as_json=as_json)


commands.command()(plan.plan)


@commands.command()
def status(*, as_json: AsJson = False) -> None:
    """Show how far each task has read, what its rows came to and why, and what is queued."""
    with errors(as_json=as_json), open_app(None) as app:
        state = read_state(app)
        if as_json:
            print_json(state.as_json())
        else:
            print_state(state)


@commands.command()
def sandbox(
    *,
    dataverse_port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 0,
    fno_port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 0,
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
    # Imported here because a web server takes a tenth of a second, and no other command needs it.
    from p2c.sandbox import DemoSize, serve  # noqa: PLC0415

    size = DemoSize(
        seed=seed, accounts=accounts, contacts=contacts, filled_customers=filled_customers
    )
    say(
        "Set P2C_DATAVERSE_URL and P2C_FNO_URL to the addresses below, P2C_CREDENTIAL to sandbox "
        "and P2C_LEGAL_ENTITY to usmf. Ctrl-C stops both."
    )
    with errors(as_json=as_json):
        try:
            serve(
                dataverse_port=dataverse_port,
                fno_port=fno_port,
                demo=None if empty else size,
                as_json=as_json,
            )
        except OSError as error:
            raise RequestError(error.strerror or str(error)) from error


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
