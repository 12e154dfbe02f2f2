"""`rejected list` and `rejected retry`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from p2c.cli.common import HELP, AsJson, Templates, errors, open_app, read_row
from p2c.cli.report import print_rejected
from p2c.cli.show import print_json
from p2c.errors import RequestError
from p2c.sync.rejected import RejectedRow, rejected_rows, retry_rejected

commands = typer.Typer(
    help="List rejected rows, or retry them.",
    no_args_is_help=True,
    context_settings=HELP,
)


@commands.command("list")
def list_rejected(templates: Templates = None, *, as_json: AsJson = False) -> None:
    """List rejected rows, each with the reason and what to do."""
    with errors(as_json=as_json), open_app(templates or None) as app:
        rows = rejected_rows(app.runtime, [template.name for template in app.templates])
        if as_json:
            print_json([asdict(row) for row in rows])
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
    as_json: AsJson = False,
) -> None:
    """Queue rejected rows again, each to be read anew; the next run or the functions take them."""
    with errors(as_json=as_json), open_app(None) as app:
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
    ids = [read_row(text) for text in rows]
    absent = sorted(set(ids) - {row.row for row in found})
    if absent:
        raise RequestError(
            f"ROW: {', '.join(absent)} is not rejected. 'rejected list' names those that are; "
            "'resync' brings any row up to date.",
            code="row-not-rejected",
        )
    return [row for row in found if row.row in ids]
