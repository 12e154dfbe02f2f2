"""Whether each package has a licence that the policy allows, and a list of all of them. Offline."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from tools.audit.policy import Policy
from tools.audit.result import Result

POLICY_FILE = "tools/audit/policy.toml"


@dataclass(frozen=True)
class Package:
    """A package as its lock file has it.

    Attributes:
        registry: ``pypi`` or ``npm``.
        says: The licences that it states; together they hold.
        file: The lock file.
    """

    registry: str
    name: str
    version: str
    says: tuple[str, ...]
    file: str
    deployed: bool = False

    @property
    def key(self) -> str:
        """How the policy names it."""
        return f"{self.registry}/{self.name}"


@dataclass(frozen=True)
class Licensed:
    """A package with the licence that it was judged by; None if it has none that is known."""

    package: Package
    licence: str | None
    note: str


def check_licences(packages: Sequence[Package], policy: Policy) -> tuple[Result, list[Licensed]]:
    """Judge every package, and the policy's exceptions by whether one of them needs it."""
    problems: list[str] = []
    licensed = [_licensed(package, policy) for package in packages]
    for found in licensed:
        problems += _problems(found, policy)
    problems += _unused(packages, licensed, policy)
    looked_at = " and ".join(
        f"{sum(package.registry == registry for package in packages)} {title} packages"
        for registry, title in (("pypi", "Python"), ("npm", "npm"))
    )
    return Result("Licences", looked_at, tuple(problems)), licensed


def refused(expression: str, allowed: Iterable[str]) -> list[str]:
    """Licences that keep an SPDX expression from being allowed; none if it is allowed.

    Raises:
        InvalidLicenseExpression: It is no SPDX expression.
    """
    names = set(allowed)
    words = re.findall(r"[()]|[^\s()]+", canonicalize_license_expression(expression))
    return _either(words, names)


def licence_list(licensed: Iterable[Licensed], policy: Policy) -> str:
    """The list as Markdown, for people: what is deployed first."""
    licensed = sorted(
        licensed,
        key=lambda each: (
            not each.package.deployed,
            each.package.registry,
            each.package.name.lower(),
            each.package.version,
        ),
    )
    titles = (
        ("What is deployed", True, "pypi"),
        ("Python packages for other systems and versions of Python", False, "pypi"),
        ("npm packages, for development only", False, "npm"),
    )
    lines = ["# Licences", "", "Made by `make audit`.", ""]
    lines.append("Allowed for every package: " + ", ".join(sorted(policy.allowed)) + ".")
    for title, deployed, registry in titles:
        chosen = [
            each
            for each in licensed
            if each.package.deployed == deployed and each.package.registry == registry
        ]
        lines += [
            "",
            f"## {title}",
            "",
            "| Package | Version | Licence | Note |",
            "|---|---|---|---|",
        ]
        lines += sorted({_row(each): None for each in chosen})
    return "\n".join(lines) + "\n"


def _row(each: Licensed) -> str:
    package = each.package
    return f"| {package.name} | {package.version} | {each.licence or 'not known'} | {each.note} |"


def _licensed(package: Package, policy: Policy) -> Licensed:
    """By the policy's word if it has one for what the package states, else by the package's."""
    for entry in policy.stated:
        if entry.package == package.key and sorted(entry.says) == sorted(package.says):
            return Licensed(package, entry.licence, entry.reason)
    if not package.says or any(not _is_spdx(text) for text in package.says):
        return Licensed(package, None, "")
    several = len(package.says) > 1
    licence = " AND ".join(f"({text})" if several else text for text in package.says)
    reasons = [
        entry.reason
        for entry in policy.only_for
        if entry.package == package.key and entry.licence == licence
    ]
    return Licensed(package, licence, " ".join(reasons))


def _problems(found: Licensed, policy: Policy) -> list[str]:
    package = found.package
    where = f"{package.file}: {package.name} {package.version}"
    if found.licence is None:
        states = " and ".join(f"'{text}'" for text in package.says) or "no licence"
        return [
            (
                f"{where} states {states}, expected an SPDX expression such as 'MIT'; read the "
                "licence that it comes with, and add what it is under [[stated]] in "
                f"{POLICY_FILE}, with the reason, or take another package"
            )
        ]
    own = {entry.licence for entry in policy.only_for if entry.package == package.key}
    names = refused(found.licence, {*policy.allowed, *own})
    if not names:
        return []
    return [
        (
            f"{where} has the licence '{found.licence}'; {_listed(names)} not allowed. Allowed "
            f"are {', '.join(sorted({*policy.allowed, *own}))}. Take another package; or, if "
            f"whoever decides on licences agrees, add it in {POLICY_FILE}, under [allowed] for "
            "every package or [[only-for]] for this one, with the reason"
        )
    ]


def _unused(packages: Iterable[Package], licensed: Iterable[Licensed], policy: Policy) -> list[str]:
    """Exceptions that no package needs: they would let pass what nobody has looked at."""
    says: dict[str, list[list[str]]] = {}
    for package in packages:
        says.setdefault(package.key, []).append(sorted(package.says))
    licences = {(each.package.key, each.licence) for each in licensed}
    stale = [
        f"{POLICY_FILE}: [[stated]] {entry.package}: found {_states(says.get(entry.package))}, "
        f"expected that it states {list(entry.says)}; read the licence that it comes with again "
        "and correct the entry, or remove it"
        for entry in policy.stated
        if sorted(entry.says) not in says.get(entry.package, [])
    ]
    return stale + [
        f"{POLICY_FILE}: [[only-for]] {entry.package}: found no such package with the licence "
        f"'{entry.licence}'; remove the entry"
        for entry in policy.only_for
        if (entry.package, entry.licence) not in licences
    ]


def _states(found: Sequence[Sequence[str]] | None) -> str:
    if found is None:
        return "no such package"
    return "that it states " + " and ".join(str(each) for each in found)


def _is_spdx(text: str) -> bool:
    try:
        canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        return False
    return True


def _listed(names: Sequence[str]) -> str:
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _either(words: list[str], allowed: set[str]) -> list[str]:
    """Read ``A OR B``: one that is allowed is enough. Takes what it reads from the words."""
    choices = [_all(words, allowed)]
    while words and words[0] == "OR":
        words.pop(0)
        choices.append(_all(words, allowed))
    return [] if [] in choices else [name for choice in choices for name in choice]


def _all(words: list[str], allowed: set[str]) -> list[str]:
    """Read ``A AND B``: each has to be allowed."""
    names = _one(words, allowed)
    while words and words[0] == "AND":
        words.pop(0)
        names += _one(words, allowed)
    return names


def _one(words: list[str], allowed: set[str]) -> list[str]:
    """Read a licence, with its exception if it has one, or what is in parentheses."""
    word = words.pop(0)
    if word == "(":
        names = _either(words, allowed)
        words.pop(0)
        return names
    if words and words[0] == "WITH":
        word = f"{word} WITH {words[1]}"
        del words[:2]
    return [] if word in allowed else [word]
