"""Reads template and project files: TOML text to models, and every fault of form to a `Problem`."""

import re
import tomllib
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from p2c.errors import Problem

M = TypeVar("M", bound=BaseModel)

_LINE = re.compile(r"\(at line (\d+)")
_FIELDS_HEADER = re.compile(r"\[tasks\.(?:\"?([^\"]+)\"?\.)?fields\]")
_NAME_LINE = re.compile(r"name\s*=\s*\"(.*)\"")
_SCALARS = {"str", "int", "float", "bool"}


def read_spec(path: Path, model: type[M]) -> M | list[Problem]:
    """Return the file's content as the model, or all that is wrong with its form."""
    try:
        text = path.read_text("utf-8")
        data = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        return [
            Problem(
                "file-unreadable",
                f"cannot be read: {what}; expected a TOML file in UTF-8",
                file=path.name,
            )
        ]
    except tomllib.TOMLDecodeError as error:
        return [_toml_problem(text, str(error), path.name)]
    try:
        return model.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        # A broken item makes its list look short too; that is not worth saying beside the cause.
        telling = [detail for detail in details if detail["type"] != "too_short"] or details
        problems = [_form_problem(detail, data, path.name) for detail in telling]
        # A constant of a wrong type is one problem, not one for each type it might have had.
        return list({str(problem): problem for problem in problems}.values())


def suggestion(name: str, known: Sequence[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the nearest known name, or ""."""
    lowered = {candidate.casefold(): candidate for candidate in known}
    nearest = get_close_matches(name.casefold(), list(lowered), n=1, cutoff=0.7)
    return f" (did you mean '{lowered[nearest[0]]}'?)" if nearest else ""


def _toml_problem(text: str, message: str, file: str) -> Problem:
    found = _LINE.search(message)
    if found is None or not ("overwrite a value" in message or "twice" in message):
        return Problem("toml-invalid", f"is no valid TOML: {message}", file=file)
    above = text.splitlines()[: int(found[1])]
    key = above[-1].split("=")[0].strip(' "')
    again = f"is given twice, the second time in line {found[1]}; remove one of them"
    header = next((line for line in reversed(above) if line.startswith("[")), "")
    if fields := _FIELDS_HEADER.match(header):
        names = (name[1] for line in reversed(above) if (name := _NAME_LINE.match(line)))
        task = fields[1] or next(names, "")
        return Problem("destination-duplicate", again, file=file, task=task, field=key)
    return Problem("key-duplicate", f"'{key}' {again}", file=file)


def _form_problem(detail: ErrorDetails, data: dict[str, Any], file: str) -> Problem:
    place = list(detail["loc"])
    task, field = "", ""
    if len(place) > 1 and place[0] == "tasks":
        named = place[1]
        task = _task_name(data, named) if isinstance(named, int) else named
        place = place[2:]
        if len(place) > 1 and place[0] == "fields":
            field = str(place[1])
            place = place[2:]
    if detail["type"].endswith("_type") and len(place) > 1 and place[-1] in _SCALARS:
        place = place[:-1]
        detail = {**detail, "msg": "expected text, a number or true/false"}
    where = ".".join(str(part) for part in place)
    code, message = _form_message(detail, where)
    return Problem(code, message, file=file, task=task, field=field)


def _task_name(data: dict[str, Any], index: int) -> str:
    task = data["tasks"][index]
    name = task.get("name") if isinstance(task, dict) else None
    return name if isinstance(name, str) else f"number {index + 1}"


def _form_message(detail: ErrorDetails, where: str) -> tuple[str, str]:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return "key-unknown", f"the key '{where}' is not known here; check its spelling"
    if kind == "missing":
        return "key-missing", f"the key '{where}' is missing"
    if kind == "too_short":
        return "value-invalid", f"'{where}' is empty; at least one is needed"
    if "-" in kind:
        return kind, detail["msg"]
    broken_map = any("value_map" in str(part) or part == "valueMap" for part in detail["loc"])
    code = "value-map-invalid" if broken_map else "value-invalid"
    said = detail["msg"][0].lower() + detail["msg"][1:]
    return code, f"'{where}': {said}" if where else said
