"""`check`: everything that has to be right before a run, each with what to do if it is not."""

from collections.abc import Iterator, Sequence

import typer
from rich.console import Console

from p2c.bootstrap import open_setup
from p2c.cli.common import EXIT_STATUS, AsJson, errors
from p2c.cli.report import console
from p2c.cli.show import print_json
from p2c.errors import TemplateError
from p2c.mapping.task import TaskMapping
from p2c.settings import (
    DEFAULT_SETTLE_SECONDS,
    FoundSettings,
    find_settings,
    is_this_machine,
    schedule_setting,
)
from p2c.sync.check_setup import check_setup
from p2c.sync.findings import Finding, Verdict, status_of, well
from p2c.templates import shipped_names

_SIGNS = {
    Verdict.WELL: "✓",
    Verdict.WARNING: "!",
    Verdict.BROKEN: "✗",
    Verdict.NOT_CHECKED: "-",
}


def check(*, as_json: AsJson = False) -> None:
    """Check settings, templates, storage and both services; nothing is left changed."""
    out = console()
    findings: list[Finding] = []
    with errors(as_json=as_json):
        for finding in _findings():
            findings.append(finding)
            if not as_json:
                _print(out, finding)
    status = status_of(findings)
    if as_json:
        print_json({"status": status, "checks": [finding.as_json() for finding in findings]})
    else:
        _print_summary(out, status, findings)
    raise typer.Exit(EXIT_STATUS[status])


def _findings() -> Iterator[Finding]:
    found = find_settings()
    yield from setting_findings(found)
    with open_setup(found) as (setup, error):
        yield from template_findings(setup.tasks, error)
        yield from check_setup(setup)


def setting_findings(found: FoundSettings) -> Iterator[Finding]:
    """Yield what is wrong with the settings, and what is allowed but deserves a second look."""
    for problem in found.problems:
        name, _, said = problem.partition(": ")
        yield Finding("settings", Verdict.BROKEN, name, said, code="setting-invalid")
    settings = found.settings
    if not found.problems:
        said = (
            f"Dataverse {settings.dataverse_url}, F&O {settings.fno_url}, legal entity "
            f"{settings.legal_entity}, credential {settings.credential}"
        )
        yield well("settings", "app settings", said)
    short = settings.settle_seconds < DEFAULT_SETTLE_SECONDS
    if short and not is_this_machine(settings.fno_url):
        yield Finding(
            "settings",
            Verdict.WARNING,
            "P2C_SETTLE_SECONDS",
            f"{settings.settle_seconds} s, shorter than requests to F&O may take to act",
            f"at least {DEFAULT_SETTLE_SECONDS} s",
            "Remove the setting; it is shortened against the sandbox only.",
            "settle-time-short",
        )
    yield from _schedules(found)


def _schedules(found: FoundSettings) -> Iterator[Finding]:
    """Look at the schedules if there are any: the commands need none, the host needs all."""
    names = [schedule_setting(name) for name in shipped_names()]
    given = found.settings.schedules
    wrong = [("found this setting, which is of no template", name) for name in given.keys() - names]
    absent = [("found nothing", name) for name in names if given and name not in given]
    for said, name in (*wrong, *absent):
        yield Finding(
            "settings",
            Verdict.WARNING,
            name,
            said,
            f"a schedule for each of {', '.join(names)}",
            "Correct it: the Functions host does not start without all of them.",
            "schedule-missing" if said == "found nothing" else "schedule-unknown",
        )


def template_findings(
    tasks: Sequence[TaskMapping], error: TemplateError | None
) -> Iterator[Finding]:
    """Yield what is wrong with templates and projects, or a line for each task."""
    for problem in error.problems if error else ():
        place = str(problem).partition(f": {problem.message}")[0]
        yield Finding("templates", Verdict.BROKEN, place, problem.message, code=problem.code)
    for task in tasks:
        found = f"{len(task.field_types)} fields from {task.query.table} to {task.entity_set}"
        yield well("templates", f"{task.template}: {task.task}", found)


def _print(out: Console, finding: Finding) -> None:
    code = f" [{finding.code}]" if finding.code else ""
    said = f"not checked, because {finding.found}"
    if finding.verdict is not Verdict.NOT_CHECKED:
        said = finding.found
    out.print(f"{_SIGNS[finding.verdict]} {finding.area}: {finding.subject}: {said}{code}")
    if finding.expected:
        out.print(f"    expected: {finding.expected}")
    if finding.advice:
        out.print(f"    {finding.advice}")


def _print_summary(out: Console, status: str, findings: list[Finding]) -> None:
    counts = dict.fromkeys(Verdict, 0)
    for finding in findings:
        counts[finding.verdict] += 1
    said = ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count)
    out.print(f"{status}: {said}")
