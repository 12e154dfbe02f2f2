"""Which licences the audit lets pass, and what it says of the others."""

import pytest
from packaging.licenses import InvalidLicenseExpression

from tools.audit.licences import Package, check_licences, licence_list, refused
from tools.audit.policy import Policy, read_policy
from tools.audit.result import AuditError

POLICY = Policy.model_validate(
    {
        "allowed": {
            "MIT": "notice",
            "Apache-2.0": "notice",
            "Apache-2.0 WITH LLVM-exception": "notice",
        },
        "only-for": [
            {"package": "pypi/countries", "licence": "LGPL-2.1-only", "reason": "A library."}
        ],
        "stated": [
            {
                "package": "pypi/vague",
                "says": ["BSD"],
                "licence": "MIT",
                "reason": "Its file says so.",
            }
        ],
    }
)
COUNTRIES = Package(
    "pypi", "countries", "1.0", ("LGPL-2.1-only",), "requirements.txt", deployed=True
)
VAGUE = Package("pypi", "vague", "1.0", ("BSD",), "requirements.txt")


def package(name, *says, registry="pypi", file="requirements.txt"):
    return Package(registry, name, "1.0", says, file)


def problems(*packages, policy=POLICY):
    return check_licences([COUNTRIES, VAGUE, *packages], policy)[0].problems


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MIT", []),
        ("GPL-3.0-only", ["GPL-3.0-only"]),
        ("MIT OR GPL-3.0-only", []),
        ("GPL-3.0-only OR MIT", []),
        ("MIT AND GPL-3.0-only", ["GPL-3.0-only"]),
        ("GPL-3.0-only OR AGPL-3.0-only", ["GPL-3.0-only", "AGPL-3.0-only"]),
        ("MIT AND (GPL-3.0-only OR Apache-2.0)", []),
        ("(MIT OR GPL-3.0-only) AND LGPL-3.0-only", ["LGPL-3.0-only"]),
        ("GPL-3.0-only OR MIT AND Apache-2.0", []),
        ("GPL-3.0-only AND MIT OR Apache-2.0", []),
        ("Apache-2.0 WITH LLVM-exception", []),
        (
            "GPL-2.0-only WITH Classpath-exception-2.0",
            ["GPL-2.0-only WITH Classpath-exception-2.0"],
        ),
        ("mit", []),
    ],
)
def test_an_expression_is_read_as_spdx_means_it(expression, expected):
    assert refused(expression, POLICY.allowed) == expected


@pytest.mark.parametrize("text", ["BSD", "MIT OR", "License :: OSI Approved :: MIT License"])
def test_what_is_no_spdx_expression_is_not_taken_for_one(text):
    with pytest.raises(InvalidLicenseExpression):
        refused(text, POLICY.allowed)


def test_a_gpl_package_is_refused_with_what_is_allowed_and_what_to_do():
    assert problems(package("copyleft", "GPL-3.0-or-later")) == (
        "requirements.txt: copyleft 1.0 has the licence 'GPL-3.0-or-later'; GPL-3.0-or-later is "
        "not allowed. Allowed are Apache-2.0, Apache-2.0 WITH LLVM-exception, MIT. Take another "
        "package; or, if whoever decides on licences agrees, add it in tools/audit/policy.toml, "
        "under [allowed] for every package or [[only-for]] for this one, with the reason",
    )


def test_a_package_of_npm_is_held_to_the_same():
    (problem,) = problems(
        package("left", "AGPL-3.0-only", registry="npm", file="package-lock.json")
    )
    assert problem.startswith("package-lock.json: left 1.0 has the licence 'AGPL-3.0-only'")


def test_each_of_several_licences_has_to_be_allowed():
    assert problems(package("both", "MIT", "Apache-2.0")) == ()
    (problem,) = problems(package("both", "MIT", "GPL-2.0-only"))
    assert "'(MIT) AND (GPL-2.0-only)'; GPL-2.0-only is not allowed" in problem


@pytest.mark.parametrize("says", [(), ("BSD",), ("MIT", "License :: OSI Approved :: BSD License")])
def test_a_package_that_states_no_known_licence_is_refused(says):
    (problem,) = problems(package("mute", *says))
    assert problem.startswith("requirements.txt: mute 1.0 states ")
    assert "expected an SPDX expression such as 'MIT'" in problem
    assert "[[stated]] in tools/audit/policy.toml" in problem


def test_a_licence_that_one_package_may_have_is_refused_to_others():
    assert problems() == ()
    (problem,) = problems(package("other", "LGPL-2.1-only"))
    assert problem.startswith("requirements.txt: other 1.0 has the licence 'LGPL-2.1-only'")


def test_an_exception_does_not_hold_for_what_a_package_states_since():
    since = Package("pypi", "vague", "2.0", ("GPL-3.0-only",), "requirements.txt")
    refusal, stale = check_licences([COUNTRIES, since], POLICY)[0].problems
    assert refusal.startswith("requirements.txt: vague 2.0 has the licence 'GPL-3.0-only'")
    assert "[[stated]] pypi/vague: found that it states ['GPL-3.0-only']" in stale


def test_exceptions_that_nothing_needs_are_found():
    stated, only_for = check_licences([], POLICY)[0].problems
    assert "[[stated]] pypi/vague: found no such package" in stated
    assert "[[only-for]] pypi/countries: found no such package" in only_for


def test_the_list_has_each_package_with_its_licence_and_the_reason_for_an_exception():
    packages = [COUNTRIES, VAGUE, package("tool", "MIT", registry="npm"), package("mute")]
    text = licence_list(check_licences(packages, POLICY)[1], POLICY)
    deployed, others, npm = text.split("\n## ")[1:]
    assert "| countries | 1.0 | LGPL-2.1-only | A library. |" in deployed
    assert "| vague | 1.0 | MIT | Its file says so. |" in others
    assert "| mute | 1.0 | not known |  |" in others
    assert "| tool | 1.0 | MIT |  |" in npm


def test_the_shipped_policy_allows_no_copyleft_to_every_package():
    allowed = read_policy().allowed
    assert "MIT" in allowed
    assert [name for name in allowed if "GPL" in name] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[allowed", "tools"),
        ("[allowed]\n", "allowed"),
        ("[allowed]\nMIT = 'notice'\n[forbidden]\nGPL = 'no'\n", "forbidden"),
        (
            "[allowed]\n'MIT License' = 'notice'\n",
            "found 'MIT License', expected an SPDX expression",
        ),
        ("[allowed]\nmit = 'notice'\n", "found 'mit', expected it as SPDX writes it: 'MIT'"),
        (
            "[allowed]\nMIT = 'notice'\n"
            "[[stated]]\npackage = 'pypi/a'\nsays = []\nlicence = 'MIT'\n",
            "reason",
        ),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(tmp_path, text, message):
    path = tmp_path / "tools-policy.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(AuditError, match="Correct the file") as caught:
        read_policy(path)
    assert message in str(caught.value)
