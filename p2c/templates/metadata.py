"""What p2c knows of both services' metadata, to check templates without asking either service.

Shipped for the tables and data entities of the templates (`schema/*.json`: names, keys, types,
lengths of columns; F&O's metadata gives no lengths). A project adds its custom columns and fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict

ColumnType = Literal[
    "BigInt",
    "Boolean",
    "DateTime",
    "Decimal",
    "Double",
    "Integer",
    "Memo",
    "Money",
    "Picklist",
    "State",
    "Status",
    "String",
    "Uniqueidentifier",
]


class ColumnDefinition(BaseModel):
    """A Dataverse column's type, and its longest text where it is text."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: ColumnType
    length: int | None = None


class Table(BaseModel):
    """A Dataverse table.

    Attributes:
        lookups: Lookup column to target table to navigation property, spelled as the metadata
            spells it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    set: str
    primary_key: str
    columns: Mapping[str, ColumnDefinition]
    lookups: Mapping[str, Mapping[str, str]]


class _EntityFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    key: tuple[str, ...]
    fields: Mapping[str, tuple[str, ...]]


class _FnoFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    entities: Mapping[str, _EntityFile]
    enums: Mapping[str, tuple[str, ...]]


class _DataverseFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    tables: Mapping[str, Table]


@dataclass(frozen=True, slots=True)
class DataEntity:
    """An F&O data entity: its key in the order of the metadata, and its fields' types."""

    key: tuple[str, ...]
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Metadata:
    """Tables, data entities, and the members of enums in the order of their values."""

    tables: Mapping[str, Table]
    entities: Mapping[str, DataEntity]
    enums: Mapping[str, tuple[str, ...]]

    def with_columns(self, table: str, columns: Mapping[str, ColumnDefinition]) -> "Metadata":
        """Return the metadata with columns added to a table that must exist."""
        old = self.tables[table]
        new = old.model_copy(update={"columns": {**old.columns, **columns}})
        return replace(self, tables={**self.tables, table: new})

    def with_fields(self, entity: str, fields: Mapping[str, str]) -> "Metadata":
        """Return the metadata with fields added to a data entity that must exist."""
        old = self.entities[entity]
        new = DataEntity(old.key, {**old.fields, **fields})
        return replace(self, entities={**self.entities, entity: new})


@cache
def shipped_metadata() -> Metadata:
    """Read the shipped metadata; the same value for the whole process."""
    folder = files(__package__) / "schema"
    fno = _FnoFile.model_validate_json((folder / "fno.json").read_text("utf-8"))
    dataverse = _DataverseFile.model_validate_json((folder / "dataverse.json").read_text("utf-8"))
    entities = {
        name: DataEntity(
            entity.key,
            {field: kind for kind, names in entity.fields.items() for field in names},
        )
        for name, entity in fno.entities.items()
    }
    return Metadata(dataverse.tables, entities, fno.enums)
