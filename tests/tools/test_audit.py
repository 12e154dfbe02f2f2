"""The audit as a whole: its summary, and an exit status that never takes silence for a pass."""

import pytest

from tools.audit import __main__ as command
from tools.audit.result import AuditError, Result, exit_status, summary

GOOD = Result("Pins", "2 pins", (), ())
BAD = Result("Licences", "2 packages", ("copyleft 1.0 has the licence 'GPL-3.0-only'",), ())
SILENT = Result("Vulnerabilities", "nothing", (), ("one.txt: no route",))
BOTH = Result("Locks", "2 files", ("one.txt: lacks idna",), ("two.txt: no route",))


@pytest.mark.parametrize(
    ("results", "status", "verdict"),
    [
        ([GOOD], 0, "Nothing is wrong."),
        ([GOOD, BAD], 1, "Something is wrong"),
        ([GOOD, SILENT], 3, "The audit is INCOMPLETE"),
        ([SILENT, BAD], 1, "Something is wrong"),
        ([BOTH], 1, "Something is wrong"),
    ],
)
def test_the_exit_status_tells_right_from_wrong_from_not_known(
    monkeypatch, capsys, results, status, verdict
):
    monkeypatch.setattr(command, "audit", lambda output: results)
    assert command.main([]) == status == exit_status(results)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(verdict)
    assert last.endswith(f"Exit status {status}.")


def test_the_summary_has_a_line_for_each_part_and_then_what_is_wrong():
    assert summary([GOOD, BAD, SILENT, BOTH]).splitlines()[:-1] == [
        "Part             Looked at   Outcome",
        "Pins             2 pins      ok",
        "Licences         2 packages  1 found",
        "Vulnerabilities  nothing     INCOMPLETE",
        "Locks            2 files     1 found, INCOMPLETE",
        "",
        "Found:",
        "  - copyleft 1.0 has the licence 'GPL-3.0-only'",
        "  - one.txt: lacks idna",
        "",
        "Not done:",
        "  - one.txt: no route",
        "  - two.txt: no route",
        "",
    ]


def test_an_audit_that_cannot_be_carried_out_ends_with_two(monkeypatch, capsys):
    def fail(output):
        raise AuditError("pip could not install it.")

    monkeypatch.setattr(command, "audit", fail)
    assert command.main([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "The audit could not be carried out. pip could not install it.\n"


def test_nothing_is_installed_when_something_is_not_pinned(monkeypatch, tmp_path):
    monkeypatch.setattr(command.locks, "check_requirement_files", lambda root: BAD)
    monkeypatch.setattr(command, "environment", lambda *_: pytest.fail("It was installed."))
    assert command.audit(tmp_path) == [BAD, command.check_npm_locks(command.ROOT)]
    assert list(tmp_path.iterdir()) == []
