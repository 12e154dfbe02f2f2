"""JSON Schemas of template and project files, for completion and checks in editors.

`python -m p2c.templates.json_schema` writes them beside the templates; a test fails while they
differ from the models. A schema knows the form only: names are checked when templates are loaded.
"""

import json
from pathlib import Path

from pydantic import BaseModel

from p2c.templates.model import TemplateSpec
from p2c.templates.projects import ProjectSpec

FOLDER = Path(__file__).parent
SCHEMAS: dict[str, type[BaseModel]] = {
    "template.schema.json": TemplateSpec,
    "project.schema.json": ProjectSpec,
}


def schema_text(model: type[BaseModel]) -> str:
    """Return a model's JSON Schema as the file holds it."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **model.model_json_schema(),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write_schemas() -> None:
    """Write every schema."""
    for name, model in SCHEMAS.items():
        (FOLDER / name).write_text(schema_text(model), "utf-8")


if __name__ == "__main__":
    write_schemas()
