"""What CHANGELOG.md says of a version, for those who read the release.

``python -m tools.release_notes 1.2.0`` prints its section; ``--tag v1.2.0`` does so only if that
version can be released: the code has it too, it has a date, and nothing is left under Unreleased.
Needs nothing but the standard library.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from p2c import __version__
from tools.node_packages import ROOT

CHANGELOG = "CHANGELOG.md"
UNRELEASED = "Unreleased"

_HEADING = re.compile(r"## \[(?P<version>[^\]]+)\](?P<rest>.*)")
_DATE = re.compile(r" - \d{4}-\d{2}-\d{2}")
_RELATIVE_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)\s]+)\)")


class ReleaseNotesError(Exception):
    """There are no notes to release; the message says where, why, and what to do."""


@dataclass(frozen=True)
class Section:
    """A version's part of the changelog.

    Attributes:
        line: Of its heading, from 1.
        dated: Whether the heading has a date, as ``## [1.2.0] - 2026-11-20``.
        text: What stands below the heading.
    """

    version: str
    line: int
    dated: bool
    text: str


def sections(changelog: str) -> list[Section]:
    """Part a changelog by its versions, in its order."""
    lines = changelog.splitlines()
    starts = [
        (number, found) for number, line in enumerate(lines) if (found := _HEADING.match(line))
    ]
    ends = [*(number for number, _ in starts[1:]), len(lines)][: len(starts)]
    return [
        Section(
            found["version"],
            number + 1,
            bool(_DATE.fullmatch(found["rest"].rstrip())),
            "\n".join(lines[number + 1 : end]).strip(),
        )
        for (number, found), end in zip(starts, ends, strict=True)
    ]


def notes(changelog: str, version: str) -> str:
    """What the changelog says of a version.

    Raises:
        ReleaseNotesError: It has no section for it, or an empty one.
    """
    found = _section(sections(changelog), version)
    if not _says_something(found.text):
        raise ReleaseNotesError(
            f"{CHANGELOG}:{found.line}: the section [{version}] says nothing, expected what "
            "changed for those who deploy and run p2c; write it."
        )
    return found.text


def notes_to_release(changelog: str, tag: str, code_version: str) -> str:
    """What the changelog says of the version that a tag releases.

    Raises:
        ReleaseNotesError: The tag is no version or not the code's, its section is missing, empty or
            without a date, or something is left under Unreleased.
    """
    if not re.fullmatch(r"v\d+\.\d+\.\d+", tag):
        raise ReleaseNotesError(f"Found the tag '{tag}', expected v and a version, such as v1.2.0.")
    version = tag.removeprefix("v")
    if version != code_version:
        raise ReleaseNotesError(
            f"p2c/__init__.py: found __version__ = '{code_version}', but the tag is {tag}. Set it "
            f"to '{version}' in a commit and tag that, or tag v{code_version}."
        )
    found = sections(changelog)
    text = notes(changelog, version)
    section = _section(found, version)
    if not section.dated:
        raise ReleaseNotesError(
            f"{CHANGELOG}:{section.line}: found no date after [{version}], expected it as in "
            f"'## [{version}] - 2026-11-20'; write the day of the release."
        )
    left = [each for each in found if each.version == UNRELEASED and _says_something(each.text)]
    if left:
        raise ReleaseNotesError(
            f"{CHANGELOG}:{left[0].line}: something is left under [{UNRELEASED}], expected nothing "
            f"when {tag} is released. Move it under [{version}], commit that, and tag anew."
        )
    return text


def with_links_to(text: str, root: str) -> str:
    """Lead links that are relative to the repository to an address of it."""
    return _RELATIVE_LINK.sub(lambda found: f"]({root.rstrip('/')}/{found[1]})", text)


def _section(found: Sequence[Section], version: str) -> Section:
    for section in found:
        if section.version == version:
            return section
    raise ReleaseNotesError(
        f"{CHANGELOG}: found no section [{version}], expected one of "
        f"{', '.join(each.version for each in found) or 'none at all'}. Name one of these, or "
        f"write '## [{version}] - ' with a date, and what changed."
    )


def _says_something(text: str) -> bool:
    """Whether there is more than headings."""
    return any(line.strip() and not line.startswith("#") for line in text.splitlines())


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the notes; 1 if there are none to print."""
    parser = argparse.ArgumentParser(prog="python -m tools.release_notes", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("version", nargs="?", help="whose section is printed, such as 1.2.0")
    which.add_argument("--tag", help="tag that releases it, such as v1.2.0")
    parser.add_argument("--links-to", default="", help="address that relative links start from")
    options = parser.parse_args(arguments)
    changelog = (ROOT / CHANGELOG).read_text("utf-8")
    try:
        if options.tag:
            text = notes_to_release(changelog, options.tag, __version__)
        else:
            text = notes(changelog, options.version)
    except ReleaseNotesError as error:
        print(error, file=sys.stderr)
        return 1
    print(with_links_to(text, options.links_to) if options.links_to else text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
