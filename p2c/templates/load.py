"""Loads templates and projects, checks everything, and orders what was asked for."""

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from p2c.errors import Problem, RequestError, TemplateError
from p2c.mapping.dependants import with_watched_columns
from p2c.mapping.task import CompiledTemplate
from p2c.templates.compile import compile_template
from p2c.templates.files import read_spec, suggestion
from p2c.templates.metadata import shipped_metadata
from p2c.templates.model import TemplateSpec
from p2c.templates.projects import BoundTemplate, bind, read_projects

SHIPPED = Path(__file__).parent
ORDER = ("accounts", "contacts", "contacts-to-customer")
"""Templates in the order they run where prerequisites leave a choice, which is Microsoft's."""


def shipped_names() -> tuple[str, ...]:
    """Return the names of the shipped templates, in the order they run."""
    return ORDER


def load_templates(
    names: Sequence[str] | None = None,
    *,
    legal_entity: str,
    projects_folder: Path | None = None,
) -> tuple[CompiledTemplate, ...]:
    """Load templates with their projects' overrides, prerequisites first.

    Args:
        names: File names without suffix, such as ``accounts``; None for all.
        legal_entity: What records get as ``dataAreaId``.
        projects_folder: Folder of project files; None runs the templates as shipped.

    Raises:
        RequestError: A name is not a template's.
        TemplateError: Any template or project is wrong, whether asked for or not: templates
            refer to each other.
    """
    for name in names or ():
        if name not in ORDER:
            hint = suggestion(name, ORDER) or f"; there are {', '.join(ORDER)}"
            raise RequestError(f"no template '{name}'{hint}", code="template-unknown")
    paths = {name: SHIPPED / f"{name}.toml" for name in ORDER}
    compiled = compile_files(paths, legal_entity=legal_entity, projects_folder=projects_folder)
    return tuple(template for template in compiled if names is None or template.name in names)


def compile_files(
    paths: Mapping[str, Path], *, legal_entity: str, projects_folder: Path | None = None
) -> tuple[CompiledTemplate, ...]:
    """Check and compile template files, prerequisites first.

    Args:
        paths: Template name to file.

    Raises:
        TemplateError: With every problem found.
    """
    problems: list[Problem] = []
    bound = _bound(paths, projects_folder, problems)
    destinations = {template.name: template.tasks[0].spec.destination for template in bound}
    compiled = {
        template.name: compile_template(
            template, shipped_metadata(), legal_entity, destinations, problems
        )
        for template in bound
    }
    order = _ordered({template.name: template.spec for template in bound}, problems)
    if problems:
        raise TemplateError(problems)
    return with_watched_columns(compiled[name] for name in order)


def bound_templates(projects_folder: Path | None = None) -> tuple[BoundTemplate, ...]:
    """Read the shipped templates with their projects' overrides, in the order they run.

    Only the form is checked, so that a template can be looked at whose names are wrong.

    Raises:
        TemplateError: A file cannot be read, or a project does not fit its template.
    """
    problems: list[Problem] = []
    bound = _bound({name: SHIPPED / f"{name}.toml" for name in ORDER}, projects_folder, problems)
    if problems:
        raise TemplateError(problems)
    return tuple(bound)


def _bound(
    paths: Mapping[str, Path], projects_folder: Path | None, problems: list[Problem]
) -> list[BoundTemplate]:
    specs: dict[str, TemplateSpec] = {}
    for name, path in paths.items():
        spec = read_spec(path, TemplateSpec)
        if isinstance(spec, list):
            problems.extend(spec)
        else:
            specs[name] = spec
    projects = read_projects(projects_folder, specs, problems) if projects_folder else {}
    return [bind(name, spec, *projects.get(name, ("", None))) for name, spec in specs.items()]


def _ordered(specs: Mapping[str, TemplateSpec], problems: list[Problem]) -> list[str]:
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, spec in specs.items():
        sorter.add(name)
        for prerequisite in spec.prerequisites:
            if prerequisite in specs:
                sorter.add(name, prerequisite)
            else:
                hint = suggestion(prerequisite, list(specs))
                problems.append(
                    Problem(
                        "template-unknown",
                        f"its prerequisite '{prerequisite}' is no template{hint}",
                        file=f"{name}.toml",
                    )
                )
    try:
        return list(sorter.static_order())
    except CycleError as error:
        cycle = " → ".join(error.args[1])
        problems.append(
            Problem(
                "prerequisite-cycle",
                f"prerequisites go round in a circle: {cycle}",
                file=f"{error.args[1][0]}.toml",
            )
        )
        return []
