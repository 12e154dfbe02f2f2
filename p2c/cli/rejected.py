"""`rejected list` and `rejected retry`."""

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from tempfile import TemporaryFile
from typing import Annotated

import typer

from p2c.bootstrap import App
from p2c.cli.common import (
    EXIT_STATUS,
    HELP,
    AsJson,
    Templates,
    carry_out,
    errors,
    open_app,
    read_row,
)
from p2c.cli.report import print_rejected
from p2c.cli.show import print_json
from p2c.errors import RequestError
from p2c.sync.rejected import Choice, RejectedRow, Retried, rejected_rows, retry_rejected

commands = typer.Typer(
    help="List rejected rows, or retry them.",
    no_args_is_help=True,
    context_settings=HELP,
)


@commands.command("list")
def list_rejected(
    templates: Templates = None,
    *,
    code: Annotated[
        str, typer.Option(metavar="CODE", help="Only rows rejected for this reason.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """List rejected rows, each with the reason and what to do."""
    with errors(as_json=as_json), open_app(templates or None) as app:
        names = [template.name for template in app.templates]
        rows = rejected_rows(app.runtime, names, code=code)
        if as_json:
            _print_list(rows)
        else:
            print_rejected(rows)


@commands.command("retry")
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
    template: Annotated[
        str, typer.Option(metavar="TEMPLATE", help="Only where this template rejected them.")
    ] = "",
    run: Annotated[
        bool, typer.Option("--run", help="Process them here and now, as 'run' does.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Queue rejected rows again, each to be read anew; the next run or the functions take them."""
    with errors(as_json=as_json):
        choice = choose(rows or (), code=code, every=every, template=template)
    templates = [template] if template else None
    if run:
        carry_out(templates, lambda driver: driver.retry(choice), as_json=as_json)
    with errors(as_json=as_json), open_app(templates) as app:
        retried = retry_rejected(app.runtime, choice, trigger="retry")
        if not retried.rows and code:
            raise _no_such_code(app, choice)
        if as_json:
            print_json(
                {
                    "execution_id": retried.execution or None,
                    "queued": retried.rows,
                    "not_rejected": list(retried.not_rejected),
                }
            )
        else:
            _print_retried(retried)
    if retried.not_rejected:
        raise typer.Exit(EXIT_STATUS["Warning"])


def choose(rows: Sequence[str], *, code: str, every: bool, template: str = "") -> Choice:
    """Read which rows to retry.

    Raises:
        RequestError: Not exactly one way to choose was used, or a row is no GUID.
    """
    if [bool(rows), bool(code), every].count(True) != 1:
        raise RequestError(
            "rejected retry: expected either ROW..., --code CODE or --all. 'rejected list' names "
            "rows and codes.",
            code="choice-invalid",
        )
    ids = tuple(read_row(text) for text in rows)
    return Choice(ids, code, (template,) if template else ())


def _no_such_code(app: App, choice: Choice) -> RequestError:
    codes = {row.code for row in rejected_rows(app.runtime, choice.templates or None)}
    return RequestError(
        f"--code: found '{choice.code}', for which no row is rejected; expected one of: "
        f"{', '.join(sorted(codes)) or 'none at all'}.",
        code="code-unknown",
    )


def _print_retried(retried: Retried) -> None:
    for row in retried.not_rejected:
        typer.echo(f"{row} is not rejected, so it was not queued; 'resync' takes any row.")
    if retried.rows:
        typer.echo(
            f"Queued {retried.rows} rejected rows as execution {retried.execution}. The next "
            "'run' or the deployed functions process them."
        )
    elif not retried.not_rejected:
        typer.echo("No row is rejected.")


def _print_list(rows: Iterator[RejectedRow]) -> None:
    """Print one JSON list once every row is found: an error has a document of its own.

    Until then rows are in a file, not in memory.
    """
    # Without a name: the system drops it with the process.
    with TemporaryFile("w+", encoding="utf-8") as file:
        separator = "["
        for row in rows:
            text = json.dumps(asdict(row), indent=2, ensure_ascii=False)
            file.write(f"{separator}\n{textwrap.indent(text, '  ')}")
            separator = ","
        file.write("[]\n" if separator == "[" else "\n]\n")
        file.seek(0)
        shutil.copyfileobj(file, sys.stdout)
