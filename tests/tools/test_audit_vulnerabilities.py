"""A vulnerability is told; a service that does not answer is not taken for one that knows none."""

import datetime as dt
import json

import pytest

from tools.audit.pins import Pin
from tools.audit.policy import Policy
from tools.audit.vulnerabilities import (
    Answer,
    Said,
    Vulnerability,
    check_vulnerabilities,
    first_whole_answer,
    only_for,
    read_npm_audit,
    read_pip_audit,
    rounds,
)

TODAY = dt.date(2026, 11, 20)
BAD = Vulnerability("pypi/jinja2", "3.1.0", "PYSEC-2024-1", ("CVE-2024-1",), "3.1.3")


def pip_audit(*entries, status=0):
    return Said(status, json.dumps({"dependencies": list(entries), "fixes": []}), "")


def clean(name):
    return {"name": name, "version": "1.0", "vulns": []}


def unknown(name):
    # What pip-audit really prints, with exit status 0, where its service answers 404 to everything.
    return {"name": name, "skip_reason": f"Dependency not found and could not be audited: {name}"}


JINJA = {
    "name": "Jinja2",
    "version": "3.1.0",
    "vulns": [{"id": "PYSEC-2024-1", "aliases": ["CVE-2024-1"], "fix_versions": ["3.1.3"]}],
}
NO_NETWORK = Said(1, "", "Traceback …\nrequests.exceptions.ConnectionError: no route\n")


def pin(name, version="1.0"):
    return Pin("requirements.txt", 1, name, version, "", ())


def policy(**more):
    return Policy.model_validate({"allowed": {"MIT": "notice"}} | more)


def accepted(until="2026-11-20", **more):
    entry = {"id": "CVE-2024-1", "package": "pypi/jinja2", "until": until, "reason": "Not used."}
    return policy(accepted=[entry | more])


def test_packages_that_were_all_answered_for_are_a_whole_answer():
    said = pip_audit(clean("a"), clean("B_c"))
    assert read_pip_audit("f", {"a", "b-c"}, "pypi", said) == Answer("f")


def test_vulnerabilities_are_read_with_their_other_names_and_what_mends_them():
    said = pip_audit(clean("a"), JINJA, status=1)
    assert read_pip_audit("f", {"a", "jinja2"}, "pypi", said) == Answer("f", (BAD,))


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (pip_audit(unknown("a"), unknown("b")), "'pypi' did not answer for any package"),
        (pip_audit(clean("a"), unknown("b")), "'pypi' did not answer for b"),
        (pip_audit(clean("a")), "'pypi' did not answer for b"),
        (pip_audit(), "'pypi' did not answer for any package"),
        (NO_NETWORK, "'pypi': requests.exceptions.ConnectionError: no route (exit status 1)"),
        (Said(0, "", ""), "it said nothing (exit status 0)"),
        (Said(0, "[]", ""), "'pypi': [] (exit status 0)"),
    ],
)
def test_packages_that_were_not_answered_for_are_told(said, cause):
    (told,) = read_pip_audit("f", {"a", "b"}, "pypi", said).not_asked
    assert cause in told


def test_the_next_service_is_asked_until_one_answers_for_all():
    answers = {"pypi": pip_audit(unknown("a")), "osv": pip_audit(clean("a"))}
    assert first_whole_answer("f", [pin("a")], answers.__getitem__) == Answer("f")


def test_what_half_an_answer_found_is_kept():
    answers = {"pypi": pip_audit(JINJA, unknown("a")), "osv": NO_NETWORK}
    answer = first_whole_answer("f", [pin("a"), pin("jinja2")], answers.__getitem__)
    assert answer.found == (BAD,)
    assert [cause.partition("'")[2][:4] for cause in answer.not_asked] == ["pypi", "osv'"]


def test_two_versions_of_a_package_are_asked_for_one_after_another():
    pins = [pin("a", "1"), pin("b", "1"), pin("a", "2"), pin("b", "1")]
    assert [[(each.name, each.version) for each in part] for part in rounds(pins)] == [
        [("a", "1"), ("b", "1")],
        [("a", "2")],
    ]


def test_a_file_is_told_of_what_it_pins():
    answer = Answer("", (BAD,), ("no route",))
    assert only_for("one.txt", [pin("jinja2")], answer) == Answer("one.txt", (BAD,), ("no route",))
    assert only_for("two.txt", [pin("a")], answer) == Answer("two.txt", (), ("no route",))


def test_advisories_of_npm_are_read_once_each():
    advisory = {
        "name": "tar",
        "range": "<7.5.4",
        "url": "https://github.com/advisories/GHSA-r6q2-hw4h-h46w",
    }
    entries = {
        "tar": {"via": [advisory], "fixAvailable": {"name": "azurite", "version": "3.36.0"}},
        "azurite": {"via": ["tar"], "fixAvailable": True},
    }
    said = Said(1, json.dumps({"auditReportVersion": 2, "vulnerabilities": entries}), "")
    found = Vulnerability("npm/tar", "<7.5.4", "GHSA-r6q2-hw4h-h46w", (), "azurite 3.36.0")
    assert read_npm_audit("f", said) == Answer("f", (found,))
    assert read_npm_audit("f", Said(0, '{"vulnerabilities": {}}', "")) == Answer("f")


@pytest.mark.parametrize(
    "said",
    [
        # What npm really prints: a registry that does not take the question, and none at all.
        Said(
            1, '{"message": "405 Method Not Allowed", "statusCode": 405, "error": {}}', "npm error"
        ),
        Said(1, '{"message": "405 Method Not Allowed", "error": {"summary": ""}}', ""),
        Said(1, "405 Method Not Allowed", ""),
    ],
)
def test_npm_without_an_answer_is_told(said):
    (told,) = read_npm_audit("f", said).not_asked
    assert told == "npm got no answer: 405 Method Not Allowed (exit status 1)"


def test_a_known_vulnerability_is_a_problem_that_says_what_to_do():
    answers = [Answer("one.txt", (BAD,)), Answer("two.txt", (BAD,))]
    result = check_vulnerabilities(answers, policy(), TODAY)
    assert result.problems == (
        "one.txt, two.txt: jinja2 3.1.0 has the known vulnerability PYSEC-2024-1 = CVE-2024-1, "
        "mended in 3.1.3; run `make lock` for newer versions, or accept it until a day, with the "
        "reason, under [[accepted]] in tools/audit/policy.toml",
    )


def test_silence_is_no_pass_even_if_all_others_answered():
    answers = [Answer("one.txt"), Answer("two.txt", (), ("no route",))]
    result = check_vulnerabilities(answers, policy(), TODAY)
    assert (result.problems, result.outcome) == ((), "INCOMPLETE")
    assert result.not_done[0].startswith("two.txt: whether the packages have known vulnerabilities")


@pytest.mark.parametrize(
    ("entry", "problems"),
    [
        (accepted(), 0),
        (accepted(until="2026-11-19"), 1),
        (accepted(id="PYSEC-2024-1"), 0),
        (accepted(id="CVE-2024-2"), 2),
        (accepted(package="npm/jinja2"), 2),
    ],
)
def test_an_accepted_vulnerability_counts_again_after_its_day(entry, problems):
    result = check_vulnerabilities([Answer("one.txt", (BAD,))], entry, TODAY)
    assert len(result.problems) == problems


def test_an_acceptance_is_only_called_needless_when_everything_was_answered_for():
    (stale,) = check_vulnerabilities([Answer("one.txt")], accepted(), TODAY).problems
    assert "[[accepted]] CVE-2024-1: found no pypi/jinja2 that has this vulnerability" in stale
    silent = Answer("two.txt", (), ("no route",))
    assert check_vulnerabilities([silent], accepted(), TODAY).problems == ()
