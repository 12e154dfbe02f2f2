"""The template format: pydantic models of what a template file may hold.

Only the form is checked here. Whether names exist and types fit is for `p2c.templates.compile`.
A field's transform may be written in our own words, or pasted as Data Integrator's JSON; both end
as the same `FieldSpec`.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from p2c.mapping.task import WhenDeleted, WhenMoved

Constant = str | int | float | bool
Text = Annotated[str, Field(min_length=1)]


class Model(BaseModel):
    """Frozen, and refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DefaultTransform(Model):
    """Data Integrator's ``Default``: fills blanks."""

    transformType: Literal["Default"]  # noqa: N815 - Data Integrator's spelling.
    defaultValue: Constant  # noqa: N815 - Data Integrator's spelling.


class ValueMapTransform(Model):
    """Data Integrator's ``ValueMap``; the left side "" is for blanks."""

    transformType: Literal["ValueMap"]  # noqa: N815 - Data Integrator's spelling.
    valueMap: Mapping[str, Constant | None]  # noqa: N815 - Data Integrator's spelling.
    # Creating what is missing in the destination is more than p2c does, so only "no" is taken.
    createValuesOnDestination: Literal[False] = False  # noqa: N815 - Data Integrator's spelling.


class TruncateTransform(Model):
    """Data Integrator's ``Truncate``: cuts text to the destination's length."""

    transformType: Literal["Truncate"]  # noqa: N815 - Data Integrator's spelling.


class CountryTransform(Model):
    """Data Integrator's country region code."""

    transformType: Literal["CountryRegionCode"]  # noqa: N815 - Data Integrator's spelling.


TRANSFORMS: Mapping[str, type[Model]] = {
    "default": DefaultTransform,
    "valuemap": ValueMapTransform,
    "truncate": TruncateTransform,
    "countryregioncode": CountryTransform,
}
Transform = DefaultTransform | ValueMapTransform | TruncateTransform | CountryTransform


def _read_transform(value: Any) -> Any:
    """Name the transform type's case as the models spell it, or say which types there are."""
    if not isinstance(value, dict) or "transformType" not in value:
        raise PydanticCustomError(
            "transform-unknown", "each transform is a table with a transformType"
        )
    found = str(value["transformType"])
    model = TRANSFORMS.get(found.replace(" ", "").casefold())
    if model is None:
        names = "Default, ValueMap, Truncate, CountryRegionCode"
        raise PydanticCustomError(
            "transform-unknown",
            "transformType '{found}' is not known; known are {names}",
            {"found": found, "names": names},
        )
    (name,) = model.model_fields["transformType"].annotation.__args__  # type: ignore[union-attr]
    return model.model_validate({**value, "transformType": name})


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON readers keep the last of two equal keys in silence; people mean something else."""
    keys = [key for key, _ in pairs]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise PydanticCustomError(
            "value-map-duplicate", "'{key}' is given twice in the JSON", {"key": twice}
        )
    return dict(pairs)


def _read_transforms(value: Any) -> Any:
    """Accept a list of transforms, or JSON text that holds one."""
    if isinstance(value, str):
        try:
            value = json.loads(value, object_pairs_hook=_without_duplicates)
        except json.JSONDecodeError as error:
            raise PydanticCustomError(
                "transform-unknown", "the transform is no JSON: {why}", {"why": str(error)}
            ) from error
    if not isinstance(value, list):
        raise PydanticCustomError("transform-unknown", "a transform is a list of tables")
    return tuple(_read_transform(item) for item in value)


Transforms = Annotated[
    tuple[Transform, ...],
    BeforeValidator(_read_transforms, json_schema_input_type=str | list[Transform]),
]


class FieldSpec(Model):
    """How a destination field gets its value.

    The steps run in this order: value_map, country, default, truncate; or, instead of these,
    `transforms` in the order they are listed.
    """

    source: Text | None = Field(None, description="Column, lookup.column or polymorphic lookup.")
    default: Constant | None = Field(None, description="Fills blanks; any other value wins.")
    value_map: Text | Mapping[str, Constant] | None = Field(
        None, description='Name of a value map, or the map itself; the left side "" is for blanks.'
    )
    pass_through: bool = Field(
        default=False, description="Leave values alone that the map lacks, instead of rejecting."
    )
    country: bool = Field(
        default=False, description="ISO 3166 alpha-2 code from a code or a name; after the map."
    )
    truncate: bool | Annotated[int, Field(gt=0)] = Field(
        default=False, description="Cut text to the field's length, or to a length of your own."
    )
    transforms: Transforms | None = Field(
        None, description="Data Integrator's transforms, as JSON text or as a list."
    )

    @model_validator(mode="after")
    def _one_way(self) -> "FieldSpec":
        own = {"default", "value_map", "pass_through", "country", "truncate"}
        if self.transforms is not None and self.model_fields_set & own:
            raise PydanticCustomError(
                "transform-twice",
                "has transforms as well as default, value_map, pass_through, country or "
                "truncate; write it one way",
            )
        return self


def _read_field(value: Any) -> Any:
    """A string is a copy; a list, or a string that begins like one, is transforms alone."""
    if isinstance(value, list) or (isinstance(value, str) and value.lstrip().startswith("[")):
        return {"transforms": value}
    return {"source": value} if isinstance(value, str) else value


FieldEntry = Annotated[
    FieldSpec,
    BeforeValidator(_read_field, json_schema_input_type=Text | list[Transform] | FieldSpec),
]
ValueMapSpec = Mapping[str, Constant]


class SkipReasonSpec(Model):
    """Why people may find a row left out by the filter: the first `when` that holds."""

    when: Text
    code: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    reason: Text


class RequirementSpec(Model):
    """A record that must be in F&O first.

    Attributes:
        field: Destination field whose source is the lookup to follow.
        identified_by: Field of the other record that holds the same value.
        templates: Source table behind the lookup to the template that brings its record.
    """

    field: Text
    identified_by: Text
    templates: Mapping[str, Text]


class TaskSpec(Model):
    """One task: a source table, a destination entity and the fields between them."""

    name: Text = Field(description="Microsoft's name of the task.")
    source: Text = Field(description="Dataverse table, by its logical name.")
    destination: Text = Field(description="F&O data entity, by its public collection name.")
    filter: Text | None = Field(None, description="OData filter; rows it leaves out are skipped.")
    skip_reasons: tuple[SkipReasonSpec, ...] = Field((), strict=False)
    mandatory: tuple[Text, ...] = Field(
        (), strict=False, description="Fields F&O wants on a new record."
    )
    requires: tuple[RequirementSpec, ...] = Field((), strict=False)
    retired: Mapping[str, Constant] = Field(
        default_factory=dict,
        description="Fields that mark a record as no longer in use.",
    )
    when_deleted: WhenDeleted = Field(
        "report",
        description="What becomes of the records of a row that was deleted: nothing, or retired.",
    )
    when_moved: WhenMoved = Field(
        "deactivate",
        description="What becomes of a record under a key that its row no longer has: retired, "
        "where the task says how, or nothing.",
    )
    fields: Mapping[str, FieldEntry] = Field(description="Destination field to source.")
    lengths: Mapping[str, Annotated[int, Field(gt=0)]] = Field(
        default_factory=dict, description="Longest text of destination fields."
    )


class TemplateSpec(Model):
    """A template file."""

    title: Text = Field(description="Microsoft's name of the template.")
    direction: Literal["sales-to-fno"]
    prerequisites: tuple[Text, ...] = Field(
        (), strict=False, description="Templates that run before this one."
    )
    value_maps: Mapping[str, ValueMapSpec] = Field(default_factory=dict)
    tasks: tuple[TaskSpec, ...] = Field(min_length=1, strict=False)
