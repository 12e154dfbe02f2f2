"""``infra/main.parameters.json`` as the Azure Developer CLI reads it."""

import json
import re
from typing import Any

from tests.infra.files import INFRA, bicep_files
from tools.bicep_check.parse import parse
from tools.bicep_check.syntax import Parameter

TEXT = (INFRA / "main.parameters.json").read_text("utf-8")
VARIABLE = re.compile(r"\$\{(\w+)(?:=([^}]*))?\}")
# Known to azd itself: the environment, and who is signed in.
OWN = {"AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_PRINCIPAL_ID", "AZURE_PRINCIPAL_TYPE"}


def asked_variables() -> dict[str, str | None]:
    """Each variable that a person may set, and what it is without one; None: there is no such."""
    found: dict[str, str | None] = {}
    for name, default in VARIABLE.findall(TEXT):
        found[name] = default if f"${{{name}=" in TEXT else None
    return {name: default for name, default in found.items() if name not in OWN}


def given_parameters() -> set[str]:
    """The parameters that azd is told of."""
    return set(json.loads(TEXT)["parameters"])


def main_parameters() -> dict[str, Parameter]:
    """The parameters of main.bicep."""
    parsed = parse("main.bicep", bicep_files()["main.bicep"])[0]
    return {parameter.name: parameter for parameter in parsed.parameters}


def read_parameters(environment: dict[str, str]) -> dict[str, Any]:
    """Give the parameters that azd would deploy with an environment's variables.

    As azd's source says it: variables are replaced in a parameter's text, wherever in it; texts
    become numbers and truth values where the parameter itself is one; an empty text counts as
    not given.
    """
    text = VARIABLE.sub(lambda found: environment.get(found[1]) or found[2] or "", TEXT)
    given = {name: one["value"] for name, one in json.loads(text)["parameters"].items()}
    types = {name: one.type.name for name, one in main_parameters().items()}
    return {name: _converted(value, types[name]) for name, value in given.items() if value != ""}


def _converted(value: Any, kind: str) -> Any:
    if kind == "int":
        return int(value)
    if kind == "bool":
        return {"true": True, "false": False}[value]
    return value
