"""What `explain` says of a row in each outcome, word for word.

The expected output lies in ``tests/cli/golden``. After a change that is wanted, write it anew and
read the difference before committing it::

    .venv/bin/python -m tests.cli.test_explain_golden
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from p2c.model import Outcome
from p2c.sandbox import Sandbox
from p2c.sync.explanation_json import explanations_as_json
from tests.cli.explain_cases import CASES
from tests.cli.explain_world import ExplainWorld, as_text

GOLDEN = Path(__file__).parent / "golden"
DEPTH = 7
"""Of a field within a row's task."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def outputs(sandbox: Sandbox, name: str) -> dict[str, str]:
    """File name to what it has to hold, for one case; checks that explaining writes nothing."""
    sandbox.reset()
    world = ExplainWorld(sandbox)
    try:
        asked = CASES[name](world)
        before = world.stored(), world.writes()
        explained = world.explain(asked)
        assert (world.stored(), world.writes()) == before
    finally:
        world.close()
    document = explanations_as_json(asked, explained)
    return {
        f"{name}.txt": as_text(explained),
        f"{name}.json": laid_out(document) + "\n",
    }


def laid_out(value: Any, depth: int = 0) -> str:
    """Write JSON so that a difference is easy to read: what lies deep takes one line."""
    if depth == DEPTH or not value or not isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {laid_out(item, depth + 1)}" for key, item in value.items()]
        opening, closing = "{}"
    else:
        items = [laid_out(item, depth + 1) for item in value]
        opening, closing = "[]"
    margin = "  " * depth
    lines = ",\n".join(f"{margin}  {item}" for item in items)
    return f"{opening}\n{lines}\n{margin}{closing}"


@pytest.mark.parametrize("name", CASES)
def test_a_row_in_each_outcome_is_explained_as_written_down(sandbox, name) -> None:
    for file, text in outputs(sandbox, name).items():
        assert text == (GOLDEN / file).read_text("utf-8"), f"{file}; see the module's docstring"


def test_every_golden_file_belongs_to_a_case() -> None:
    expected = {f"{name}.{suffix}" for name in CASES for suffix in ("txt", "json")}
    assert {path.name for path in GOLDEN.iterdir()} == expected


def test_every_outcome_has_a_case() -> None:
    found = {
        task["last"]["outcome"]
        for path in GOLDEN.glob("*.json")
        for row in json.loads(path.read_text("utf-8"))["rows"]
        for task in row["tasks"]
    }
    assert found == {None, *(outcome.value for outcome in Outcome)}


def main() -> None:
    """Write the expected output anew."""
    GOLDEN.mkdir(exist_ok=True)
    for path in GOLDEN.iterdir():
        path.unlink()
    with Sandbox() as sandbox:
        for name in CASES:
            for file, text in outputs(sandbox, name).items():
                (GOLDEN / file).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
