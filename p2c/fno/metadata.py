"""Reads the parts of F&O's ``$metadata`` that matter, with memory that does not grow with it.

The document runs to tens of megabytes. It is read twice from a file: the data entities' types are
named only after the types themselves.
"""

import os
from collections.abc import Iterable, Mapping
from typing import BinaryIO

# The parser is fed piece by piece, and refuses a document type, without which XML has no entities.
from xml.parsers import expat

from p2c.model import DestinationMetadata, EntityDefinition

_REQUIRED = "IsRequired"
_PIECE_BYTES = 64 * 1024


class MetadataError(ValueError):
    """The document is not what F&O sends."""


def read_metadata(document: BinaryIO, wanted: Iterable[str]) -> DestinationMetadata:
    """Return what the document says of the data entities that are wanted.

    Args:
        wanted: Public collection names, such as ``CustomersV2``.

    Raises:
        MetadataError: It is no XML, has a document type, or names no data entity.
    """
    sets = _Sets()
    _parse(document, sets)
    if not sets.types:
        raise MetadataError("an EntitySet in it")
    types = {sets.types[name]: name for name in wanted if name in sets.types}
    found = _Types(types)
    _parse(document, found)
    used = {
        kind.removeprefix("enum:")
        for entity in found.entities.values()
        for kind in entity.fields.values()
    }
    return DestinationMetadata(
        entity_sets=frozenset(sets.types),
        entities={
            types[name]: EntityDefinition(
                tuple(entity.key), entity.fields, frozenset(entity.required)
            )
            for name, entity in found.entities.items()
        },
        enums={name: frozenset(found.enums[name]) for name in used & found.enums.keys()},
    )


class _Sets:
    """Gathers every data entity's public collection name and type."""

    def __init__(self) -> None:
        self.types: dict[str, str] = {}

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "EntitySet":
            self.types[attributes.get("Name", "")] = _last(attributes.get("EntityType", ""))

    def end(self, tag: str) -> None:
        """Nothing ends."""


class _Entity:
    def __init__(self) -> None:
        self.key: list[str] = []
        self.fields: dict[str, str] = {}
        self.required: set[str] = set()


class _Types:
    """Gathers the types that are wanted, and the members of every enum."""

    def __init__(self, wanted: Iterable[str]) -> None:
        self._wanted = frozenset(wanted)
        self._entity: _Entity | None = None
        self._field = ""
        self._enum: set[str] | None = None
        self.entities: dict[str, _Entity] = {}
        self.enums: dict[str, set[str]] = {}

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = attributes.get("Name", "")
        if tag == "EntityType" and name in self._wanted:
            self._entity = self.entities[name] = _Entity()
        elif tag == "EnumType":
            self._enum = self.enums[name] = set()
        elif tag == "Member" and self._enum is not None:
            self._enum.add(name)
        elif self._entity is not None:
            self._in_entity(self._entity, tag, name, attributes)

    def end(self, tag: str) -> None:
        if tag == "EntityType":
            self._entity = None
        elif tag == "EnumType":
            self._enum = None
        elif tag == "Property":
            self._field = ""

    def _in_entity(
        self, entity: _Entity, tag: str, name: str, attributes: Mapping[str, str]
    ) -> None:
        if tag == "PropertyRef":
            entity.key.append(name)
        elif tag == "Property":
            self._field = name
            kind = attributes.get("Type", "")
            entity.fields[name] = kind if kind.startswith("Edm.") else f"enum:{_last(kind)}"
        elif tag == "Annotation" and self._field:
            is_required = _last(attributes.get("Term", "")) == _REQUIRED
            if is_required and attributes.get("Bool", "true") == "true":
                entity.required.add(self._field)


def _parse(document: BinaryIO, reader: _Sets | _Types) -> None:
    """Have a reader told of every element, by its name without namespace."""
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda tag, attributes: reader.start(_local(tag), attributes)
    parser.EndElementHandler = lambda tag: reader.end(_local(tag))
    parser.StartDoctypeDeclHandler = _refuse_doctype
    document.seek(0, os.SEEK_SET)
    try:
        while piece := document.read(_PIECE_BYTES):
            parser.Parse(piece, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise MetadataError(f"XML (line {error.lineno}: {expat.ErrorString(error.code)})") from None


def _refuse_doctype(*_: object) -> None:
    raise MetadataError("XML without a document type")


def _local(tag: str) -> str:
    return tag.rpartition(":")[2]


def _last(name: str) -> str:
    """Return a name without its namespace."""
    return name.rpartition(".")[2]
