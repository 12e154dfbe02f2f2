"""Notes of a release are what the changelog says of it, and nothing is released without them."""

import os
import subprocess

import pytest

from p2c import __version__
from tools import release_notes as tool
from tools.node_packages import ROOT
from tools.release_notes import ReleaseNotesError, main, notes, notes_to_release, with_links_to

CHANGELOG = """# Changelog

## [Unreleased]

## [1.1.0] - 2026-11-20

### Added

- `plan`, see [plan](docs/plan.md).

## [1.0.0] - 2026-10-01

### Added

- Everything.

## [0.9.0]

### Added

- Some things.

## [0.8.0] - 2026-08-01

### Added
"""


def test_the_notes_are_the_section_of_the_version():
    assert notes(CHANGELOG, "1.0.0") == "### Added\n\n- Everything."
    assert notes(CHANGELOG, "1.1.0") == "### Added\n\n- `plan`, see [plan](docs/plan.md)."


def test_a_version_that_can_be_released_gets_its_notes():
    assert notes_to_release(CHANGELOG, "v1.0.0", "1.0.0") == "### Added\n\n- Everything."


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (
            "2.0.0",
            "CHANGELOG.md: found no section [2.0.0], expected one of Unreleased, 1.1.0, 1.0.0",
        ),
        ("1.0", "found no section [1.0]"),
        ("0.8.0", "CHANGELOG.md:23: the section [0.8.0] says nothing, expected what changed"),
        ("Unreleased", "CHANGELOG.md:3: the section [Unreleased] says nothing"),
    ],
)
def test_a_version_without_notes_is_told(version, message):
    with pytest.raises(ReleaseNotesError) as caught:
        notes(CHANGELOG, version)
    assert message in str(caught.value)


def test_a_changelog_without_any_version_is_told():
    with pytest.raises(ReleaseNotesError, match="expected one of none at all"):
        notes("# Changelog\n", "1.0.0")


LEFT_OVER = CHANGELOG.replace("## [1.1.0]", "### Fixed\n\n- A row.\n\n## [1.1.0]")


@pytest.mark.parametrize(
    ("changelog", "tag", "code", "message"),
    [
        (CHANGELOG, "1.1.0", "1.1.0", "Found the tag '1.1.0', expected v and a version"),
        (CHANGELOG, "v1.1", "1.1", "Found the tag 'v1.1', expected v and a version"),
        (
            CHANGELOG,
            "v1.1.0",
            "1.0.0",
            "p2c/__init__.py: found __version__ = '1.0.0', but the tag is v1.1.0",
        ),
        (CHANGELOG, "v2.0.0", "2.0.0", "found no section [2.0.0]"),
        (CHANGELOG, "v0.8.0", "0.8.0", "the section [0.8.0] says nothing"),
        (CHANGELOG, "v0.9.0", "0.9.0", "CHANGELOG.md:17: found no date after [0.9.0]"),
        (LEFT_OVER, "v1.1.0", "1.1.0", "CHANGELOG.md:3: something is left under [Unreleased]"),
    ],
)
def test_what_cannot_be_released_is_told(changelog, tag, code, message):
    with pytest.raises(ReleaseNotesError) as caught:
        notes_to_release(changelog, tag, code)
    assert message in str(caught.value)


def test_relative_links_lead_to_the_repository_and_others_stay():
    text = "[a](docs/plan.md#limits) [b](https://keepachangelog.com) [c](#top)"
    assert with_links_to(text, "https://example.com/p2c/blob/v1/") == (
        "[a](https://example.com/p2c/blob/v1/docs/plan.md#limits) "
        "[b](https://keepachangelog.com) [c](#top)"
    )


def test_the_real_changelog_has_its_sections_read():
    found = tool.sections((ROOT / "CHANGELOG.md").read_text("utf-8"))
    assert found[0].version == "Unreleased"
    assert [each.version for each in found[1:] if not each.dated] == []


def test_the_command_prints_notes_or_says_why_not(capsys, monkeypatch, tmp_path):
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG.replace("1.1.0", __version__), "utf-8")
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    assert main(["--tag", f"v{__version__}", "--links-to", "https://example.com"]) == 0
    said = capsys.readouterr()
    assert said.out == "### Added\n\n- `plan`, see [plan](https://example.com/docs/plan.md).\n"
    assert main(["9.9.9"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("CHANGELOG.md: found no section [9.9.9]")


@pytest.mark.parametrize("given", [[], ["VERSION=9.9.9"], ["TAG=v9.9.9"]])
def test_make_passes_on_what_it_is_given(given):
    # Within `make test` a make below it would say that it enters the folder.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", "release-notes", *given],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stdout == ""
    expected = {
        0: "make release-notes VERSION=1.2.0",
        1: "found no section [9.9.9]" if "VERSION" in str(given) else "but the tag is v9.9.9",
    }
    assert expected[len(given)] in done.stderr
