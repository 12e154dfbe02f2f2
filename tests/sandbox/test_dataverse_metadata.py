"""Metadata of the simulated Dataverse."""

import xml.etree.ElementTree as ET

import pytest

from tests.sandbox.talk import error

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


def test_a_table_tells_its_set_keys_and_tracking(dataverse, sandbox):
    path = (
        "EntityDefinitions(LogicalName='contact')"
        "?$select=EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute,ChangeTrackingEnabled"
    )
    found = dataverse.get(path).json()
    assert found["EntitySetName"] == "contacts"
    assert found["PrimaryIdAttribute"] == "contactid"
    assert found["ChangeTrackingEnabled"] is True
    assert "ObjectTypeCode" not in found
    sandbox.set_switches(dataverse_change_tracking="off")
    assert dataverse.get(path).json()["ChangeTrackingEnabled"] is False


def test_tables_are_listed_by_whether_they_track_changes(dataverse, sandbox):
    path = "EntityDefinitions?$select=LogicalName&$filter=ChangeTrackingEnabled eq true"
    listed = [item["LogicalName"] for item in dataverse.get(path).json()["value"]]
    assert {"account", "contact"} <= set(listed)
    sandbox.set_switches(dataverse_change_tracking="off")
    assert dataverse.get(path).json()["value"] == []


def test_a_definition_comes_with_columns_and_relationships_when_asked(dataverse):
    path = "EntityDefinitions(LogicalName='contact')?$select=LogicalName&$expand="
    found = dataverse.get(
        f"{path}Attributes($select=LogicalName,AttributeType),ManyToOneRelationships"
    ).json()
    kinds = {item["LogicalName"]: item["AttributeType"] for item in found["Attributes"]}
    assert (kinds["lastname"], kinds["parentcustomerid"]) == ("String", "Customer")
    assert "SchemaName" not in found["Attributes"][0]
    ways = {
        item["ReferencedEntity"]: item["ReferencingEntityNavigationPropertyName"]
        for item in found["ManyToOneRelationships"]
        if item["ReferencingAttribute"] == "parentcustomerid"
    }
    assert ways == {
        "account": "parentcustomerid_account",
        "contact": "parentcustomerid_contact",
    }
    for wrong in ("Nothing", "Attributes($select=Nam)", "Attributes($top=1)"):
        assert dataverse.get(f"{path}{wrong}").status_code == 400


def test_an_unknown_table_or_property_is_refused(dataverse):
    assert dataverse.get("EntityDefinitions(LogicalName='lead')").status_code == 404
    wrong = dataverse.get("EntityDefinitions(LogicalName='account')?$select=Nam")
    assert "Could not find a property named 'Nam'" in error(wrong)[2]
    assert dataverse.get("EntityDefinitions?$filter=A gt 5").status_code == 400


@pytest.mark.parametrize(
    ("state", "keys"), [("absent", []), ("Active", ["Active"]), ("Pending", ["Pending"])]
)
def test_the_state_of_a_key_is_told(dataverse, sandbox, state, keys):
    sandbox.set_switches(dataverse_account_key=state)
    path = "EntityDefinitions(LogicalName='{}')/Keys?$select=KeyAttributes,EntityKeyIndexStatus"
    found = dataverse.get(path.format("account")).json()["value"]
    assert [key["EntityKeyIndexStatus"] for key in found] == keys
    contact = dataverse.get(path.format("contact")).json()["value"]
    assert contact[0]["KeyAttributes"] == ["msdynce_contactnumber"]


def test_columns_tell_their_type_and_requirement(dataverse):
    path = "EntityDefinitions(LogicalName='contact')/Attributes"
    found = {
        item["LogicalName"]: item
        for item in dataverse.get(f"{path}?$select=LogicalName,AttributeType,RequiredLevel").json()[
            "value"
        ]
    }
    assert found["parentcustomerid"]["AttributeType"] == "Customer"
    assert found["statecode"]["AttributeType"] == "State"
    assert found["creditlimit"]["AttributeType"] == "Money"
    assert found["msdynce_contactnumber"]["RequiredLevel"]["Value"] == "ApplicationRequired"


def test_lengths_are_told_for_text_columns_through_a_cast(dataverse):
    path = "EntityDefinitions(LogicalName='account')/Attributes"
    uncast = error(dataverse.get(f"{path}?$select=LogicalName,MaxLength"))
    assert uncast[2].endswith("'MaxLength' on type 'Microsoft.Dynamics.CRM.AttributeMetadata'.")
    cast = f"{path}/Microsoft.Dynamics.CRM.StringAttributeMetadata?$select=LogicalName,MaxLength"
    found = {item["LogicalName"]: item["MaxLength"] for item in dataverse.get(cast).json()["value"]}
    assert found["accountnumber"] == 20
    assert "description" not in found
    one = dataverse.get(f"{path}?$filter=LogicalName eq 'name'").json()["value"]
    assert [item["MaxLength"] for item in one] == [160]


def test_the_metadata_document_describes_tables_and_tracking(dataverse, sandbox):
    def tracked() -> set[str]:
        answer = dataverse.get("$metadata?annotations=true")
        root = ET.fromstring(answer.content)
        account = root.find(f".//{EDM}EntityType[@Name='account']")
        names = {item.get("Name") for item in account.iter(f"{EDM}Property")}
        assert {"accountnumber", "_primarycontactid_value"} <= names
        return {item.get("Bool") for item in root.iter(f"{EDM}PropertyValue")}

    assert tracked() == {"true"}
    sandbox.set_switches(dataverse_change_tracking="off")
    assert tracked() == {"false"}


def test_the_service_lists_its_sets(dataverse):
    listed = {item["name"] for item in dataverse.get("").json()["value"]}
    assert listed == {"accounts", "contacts", "transactioncurrencies"}
