"""What is read from F&O's metadata document, and which documents are refused."""

import io
import tracemalloc

import pytest

from p2c.fno.metadata import MetadataError, read_metadata
from p2c.model import EntityDefinition

NS = "Microsoft.Dynamics.DataEntities"
IS_REQUIRED = "Microsoft.Dynamics.OData.Core.V1.IsRequired"


def document(types: str, sets: str = "", *, head: str = "") -> io.BytesIO:
    text = (
        f'<?xml version="1.0" encoding="utf-8"?>{head}'
        '<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
        f'<Schema Namespace="{NS}" xmlns="http://docs.oasis-open.org/odata/ns/edm">{types}'
        f'<EntityContainer Name="Resources">{sets}</EntityContainer></Schema>'
        "</edmx:DataServices></edmx:Edmx>"
    )
    return io.BytesIO(text.encode())


GROUP = (
    '<EntityType Name="CustomerGroup"><Key><PropertyRef Name="dataAreaId"/>'
    '<PropertyRef Name="CustomerGroupId"/></Key>'
    f'<Property Name="dataAreaId" Type="Edm.String"/>'
    f'<Property Name="CustomerGroupId" Type="Edm.String"><Annotation Term="{IS_REQUIRED}" '
    'Bool="true"/><Annotation Term="x.AllowEdit" Bool="false"/></Property>'
    f'<Property Name="IsPublicSector_IT" Type="{NS}.NoYes"><Annotation Term="{IS_REQUIRED}" '
    'Bool="false"/></Property>'
    f'<Annotation Term="{IS_REQUIRED}" Bool="true"/></EntityType>'
)
NO_YES = '<EnumType Name="NoYes"><Member Name="No" Value="0"/><Member Name="Yes"/></EnumType>'
SETS = f'<EntitySet Name="CustomerGroups" EntityType="{NS}.CustomerGroup"/>'


@pytest.mark.parametrize("types", [GROUP + NO_YES, NO_YES + GROUP], ids=["before", "after"])
def test_key_types_mandatory_marks_and_members_are_read_in_any_order(types):
    found = read_metadata(document(types, SETS), ["CustomerGroups"])
    assert found.entities == {
        "CustomerGroups": EntityDefinition(
            ("dataAreaId", "CustomerGroupId"),
            {
                "dataAreaId": "Edm.String",
                "CustomerGroupId": "Edm.String",
                "IsPublicSector_IT": "enum:NoYes",
            },
            frozenset({"CustomerGroupId"}),
        )
    }
    assert found.enums == {"NoYes": {"No", "Yes"}}


def test_what_was_not_asked_for_is_only_named():
    other = '<EntityType Name="B"><Key><PropertyRef Name="x"/></Key></EntityType>'
    sets = f'{SETS}<EntitySet Name="Bs" EntityType="{NS}.B"/>'
    unused = '<EnumType Name="Unused"><Member Name="A"/></EnumType>'
    found = read_metadata(document(other + GROUP + NO_YES + unused, sets), ["CustomerGroups", "No"])
    assert found.entities.keys() == {"CustomerGroups"}
    assert found.entity_sets == {"CustomerGroups", "Bs"}
    assert found.enums.keys() == {"NoYes"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (document(GROUP), "an EntitySet in it"),
        (document(GROUP, SETS, head='<!DOCTYPE a [<!ENTITY b "c">]>'), "without a document type"),
        (document(GROUP, SETS, head='<!DOCTYPE a SYSTEM "file:///etc/passwd">'), "without a docum"),
        (io.BytesIO(document(GROUP, SETS).getvalue()[:-20]), r"XML \(line 1: "),
        (io.BytesIO(b'{"value": []}'), r"XML \(line 1: "),
    ],
    ids=["no sets", "entity", "external", "cut", "JSON"],
)
def test_another_document_is_refused(text, message):
    with pytest.raises(MetadataError, match=message):
        read_metadata(text, ["CustomerGroups"])


def test_memory_does_not_grow_with_the_document():
    many = "".join(GROUP.replace("CustomerGroup", f"Other{number}") for number in range(20_000))
    large = document(many + GROUP + NO_YES, SETS)
    assert len(large.getvalue()) > 10_000_000
    tracemalloc.start()
    try:
        read_metadata(large, ["CustomerGroups"])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
