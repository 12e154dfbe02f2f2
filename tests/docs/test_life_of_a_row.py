"""The page on a row's life names tests that exist, and every test of the row's life."""

import ast
import re

from tests.docs.pages import ROOT, read

TESTS = ROOT / "tests" / "functions"


def written(name: str) -> set[str]:
    """Return the names of the tests in a file."""
    tree = ast.parse((TESTS / name).read_text("utf-8"))
    names = {found.name for found in tree.body if isinstance(found, ast.FunctionDef)}
    return {name for name in names if name.startswith("test_")}


def test_each_line_of_a_row_s_life_has_its_test_and_each_test_its_line():
    named = set(re.findall(r"`(test_\w+)`", read("docs/life-of-a-row.md")))
    elsewhere = written("test_deletes.py") | written("test_two_rows_one_number.py")
    assert named
    assert written("test_row_life.py") == named - elsewhere


def test_each_line_names_an_outcome_and_a_test():
    lines = [line for line in read("docs/life-of-a-row.md").splitlines() if line.startswith("| ")]
    assert len(lines) > 10
    for line in lines[1:]:
        what, outcome, fno, test = line.removeprefix("| ").removesuffix(" |").split(" | ")
        assert all((what, fno))
        assert "`" in outcome
        assert test.startswith("`test_") or test == "the same"
