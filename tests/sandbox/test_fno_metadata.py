"""Metadata of the simulated F&O."""

import xml.etree.ElementTree as ET

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


def test_the_metadata_document_describes_keys_types_and_mandatory_fields(fno):
    root = ET.fromstring(fno.get("$metadata").content)
    customer = root.find(f".//{EDM}EntityType[@Name='CustomerV2']")
    keys = [item.get("Name") for item in customer.iter(f"{EDM}PropertyRef")]
    assert keys == ["dataAreaId", "CustomerAccount"]
    properties = {item.get("Name"): item for item in customer.iter(f"{EDM}Property")}
    assert len(properties) == 257
    assert properties["CreditLimit"].get("Nullable") == "false"
    assert properties["SalesMemo"].get("Nullable") is None
    assert properties["IsExternallyMaintained"].get("Type") == (
        "Microsoft.Dynamics.DataEntities.NoYes"
    )
    required = {name for name, item in properties.items() if len(item)}
    assert required == {*keys, "CustomerGroupId", "SalesCurrencyCode", "PartyType"}
    members = root.find(f".//{EDM}EnumType[@Name='NoYes']")
    assert [item.get("Name") for item in members] == ["No", "Yes"]


def test_the_metadata_service_describes_an_entity_and_an_enum(fno, sandbox):
    root = f"{sandbox.fno_url}/metadata"
    entity = fno.get(f"{root}/PublicEntities('CDSContactPerson')").json()
    assert entity["EntitySetName"] == "CDSContactPersons"
    found = {item["Name"]: item for item in entity["Properties"]}
    assert found["AssociatedPartyNumber"]["IsKey"] is True
    assert found["Gender"]["TypeName"] == "Microsoft.Dynamics.DataEntities.Gender"
    enum = fno.get(f"{root}/PublicEnumerations('NoYes')").json()
    assert [member["Name"] for member in enum["Members"]] == ["No", "Yes"]
    assert len(fno.get(f"{root}/PublicEntities").json()["value"]) == 9
    assert fno.get(f"{root}/PublicEntities('Nothing')").status_code == 404
    assert fno.get(f"{root}/Labels").status_code == 404


def test_the_service_lists_its_sets(fno):
    listed = {item["name"] for item in fno.get("").json()["value"]}
    assert {"CustomersV2", "CDSContactPersons", "Companies"} <= listed


def test_sites_and_warehouses_are_those_of_the_switches_and_cannot_be_written(fno, sandbox):
    sandbox.set_switches(fno_sites=["7", "8"])
    path = "OperationalSitesV2?$filter=dataAreaId eq 'nomf'&$select=SiteId"
    listed = fno.get(f"{path}&cross-company=true").json()["value"]
    assert [item["SiteId"] for item in listed] == ["7", "8"]
    assert fno.get("Warehouses(dataAreaId='usmf',WarehouseId='13')").status_code == 200
    assert fno.post("Warehouses", {"dataAreaId": "usmf", "WarehouseId": "99"}).status_code == 400
