"""Writes ``docs/fields.md``: every field of every shipped template, from the templates themselves.

``python -m tools.field_tables`` prints the page; a test holds the committed one to it.
"""

import json
import sys
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from p2c.templates import load_templates, shipped_names
from p2c.templates.load import SHIPPED

HEADER = """\
# Every field of every template

Source is the column in Sales, Destination the field in F&O, in the order of Microsoft's
screenshots. The integration key is the fields marked key and the legal entity (`dataAreaId`);
a mandatory field is wanted by F&O on a new record. Longest is in UTF-16 code units. Lines that
had to be inferred are marked in the [template files](../p2c/templates);
[templates and projects](templates.md) says how to change a line in a project. Made by
`python -m tools.field_tables`.
"""


def page() -> str:
    """Return the page."""
    return "\n".join([HEADER, *_sections()])


def _sections() -> Iterator[str]:
    for name in shipped_names():
        template = tomllib.loads((SHIPPED / f"{name}.toml").read_text("utf-8"))
        (compiled,) = load_templates([name], legal_entity="usmf")
        keys = {task.task: task.key_fields for task in compiled.tasks}
        yield f"## {name}: {template['title']}\n"
        for task in template["tasks"]:
            yield from _task(task, keys[task["name"]])
        for map_name, entries in template.get("value_maps", {}).items():
            pairs = ", ".join(f"{left or 'blank'} → {right}" for left, right in entries.items())
            yield f"Value map `{map_name}`: {pairs}.\n"


def _task(task: Mapping[str, Any], keys: tuple[str, ...]) -> Iterator[str]:
    yield f"### {task['name']}: `{task['source']}` → `{task['destination']}`\n"
    if task.get("filter"):
        yield f"Rows for which `{task['filter']}`.\n"
    yield "| Source | Transforms | Destination | Longest | |"
    yield "|---|---|---|---|---|"
    for field, entry in task["fields"].items():
        spec = {"source": entry} if isinstance(entry, str) else entry
        is_mandatory = field in task.get("mandatory", ())
        mark = "key" if field in keys else "mandatory" if is_mandatory else ""
        longest = task.get("lengths", {}).get(field, "")
        source = f"`{spec['source']}`" if "source" in spec else "none"
        yield f"| {source} | {_transforms(spec)} | `{field}` | {longest} | {mark} |"
    yield ""


def _transforms(spec: Mapping[str, Any]) -> str:
    """Say what happens to a value, in the order it happens."""
    steps = []
    if value_map := spec.get("value_map"):
        shown = value_map if isinstance(value_map, str) else json.dumps(value_map)
        steps.append(f"value map `{shown}`")
    if spec.get("country"):
        steps.append("country code")
    if "default" in spec:
        steps.append(f"default `{spec['default']}`")
    if truncate := spec.get("truncate"):
        steps.append("truncated" if truncate is True else f"truncated to {truncate}")
    return ", ".join(steps)


if __name__ == "__main__":
    sys.stdout.write(page())
