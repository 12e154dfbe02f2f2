"""Links lead somewhere, and pages are found."""

import re

import pytest

from tests.docs.pages import PAGES, ROOT, read, without_blocks

LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(text: str) -> set[str]:
    """The anchors that a page's headings give."""
    titles = re.findall(r"^#+ (.+)$", without_blocks(text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(page):
    for link in LINK.findall(without_blocks(page.read_text("utf-8"))):
        if link.startswith("https://"):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), f"{page.name} links to {link}"
        if anchor:
            assert anchor in anchors(target.read_text("utf-8")), f"{page.name} links to {link}"


def test_every_page_is_linked_from_the_readme_or_the_list_of_decisions():
    linked = {
        (folder / link.partition("#")[0]).resolve()
        for folder, name in (
            (ROOT, "README.md"),
            (ROOT / "docs/decisions", "docs/decisions/README.md"),
        )
        for link in LINK.findall(read(name))
        if not link.startswith("https://")
    }
    assert {page for page in PAGES if page.name != "README.md"} <= linked


def test_each_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z0-9.-]+):", read("Makefile"), re.MULTILINE))
    named = {
        target
        for page in PAGES
        for target in re.findall(
            r"(?:^|`)make ([a-z0-9.-]+)", page.read_text("utf-8"), re.MULTILINE
        )
    }
    assert {"demo", "check", "test", "azurite"} <= named
    assert named <= targets


def test_each_folder_and_file_of_code_that_is_named_exists():
    named = {
        path
        for page in PAGES
        for path in re.findall(r"`((?:p2c|tests|tools|docs)/[\w/.-]+)`", page.read_text("utf-8"))
    }
    assert "p2c/sync" in named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
