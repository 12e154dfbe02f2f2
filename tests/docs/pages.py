"""The documentation's pages and what is set apart in them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: what language it is said to be in, and its text."""

    page: str
    language: str
    text: str


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def blocks(language: str) -> list[Block]:
    """Every block of a language, on all pages."""
    return [
        Block(str(page.relative_to(ROOT)), found[1], found[2])
        for page in PAGES
        for found in _BLOCK.finditer(page.read_text("utf-8"))
        if found[1] == language
    ]


def without_blocks(text: str) -> str:
    return _BLOCK.sub("", text)


def first_cells(text: str) -> set[str]:
    """What stands in code marks in the first cell of each table row."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return {name for line in lines for name in re.findall(r"`([^`]+)`", line.split(" | ")[0])}


def section(name: str, title: str) -> str:
    """What stands on a page under a heading of the second level."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", read(name), re.MULTILINE | re.DOTALL)
    assert found, f"{name} has no section '{title}'"
    return found[1]
