"""Merging rows of the simulated Dataverse."""

import pytest

from tests.sandbox.talk import error, make_account, make_contact

ACCOUNT = "Microsoft.Dynamics.CRM.account"
CONTACT = "#Microsoft.Dynamics.CRM.contact"


def account(row_id, **values):
    return {"@odata.type": ACCOUNT, "accountid": row_id, **values}


def test_what_is_below_goes_to_the_target_and_the_subordinate_is_deactivated(dataverse):
    kept = make_account(dataverse, name="Kept")
    gone = make_account(dataverse, name="Gone", accountnumber="ACC-9")
    bound = {"parentcustomerid_account@odata.bind": f"/accounts({gone})"}
    person = make_contact(dataverse, lastname="Moe", **bound)
    branch = make_account(
        dataverse, name="Branch", **{"parentaccountid@odata.bind": f"/accounts({gone})"}
    )
    start = dataverse.get("contacts?$select=contactid", "odata.track-changes").json()
    answer = dataverse.post(
        "Merge",
        {
            "Target": account(kept),
            "Subordinate": account(gone),
            "UpdateContent": {"@odata.type": ACCOUNT, "accountnumber": "ACC-9-kept"},
            "PerformParentingChecks": False,
        },
    )
    assert answer.status_code == 204
    row = dataverse.get(f"accounts({gone})").json()
    assert (row["statecode"], row["statuscode"], row["merged"]) == (1, 2, True)
    assert row["_masterid_value"] == kept
    row = dataverse.get(f"accounts({kept})").json()
    assert (row["accountnumber"], row["merged"], row["statecode"]) == ("ACC-9-kept", False, 0)
    found = dataverse.get(f"contacts({person})?$expand=parentcustomerid_account($select=name)")
    assert found.json()["parentcustomerid_account"]["name"] == "Kept"
    assert dataverse.get(f"accounts({branch})").json()["_parentaccountid_value"] == kept
    changes = dataverse.get(start["@odata.deltaLink"]).json()["value"]
    assert [change["contactid"] for change in changes] == [person]


def test_contacts_are_merged_likewise(dataverse):
    kept, gone = (make_contact(dataverse, lastname=name) for name in ("Kept", "Gone"))
    bound = {"parentcustomerid_contact@odata.bind": f"/contacts({gone})"}
    below = make_contact(dataverse, lastname="Below", **bound)
    body = {
        name: {"@odata.type": CONTACT, "contactid": row}
        for name, row in (("Target", kept), ("Subordinate", gone))
    }
    assert dataverse.post("Merge", body).status_code == 204
    assert dataverse.get(f"contacts({gone})").json()["_masterid_value"] == kept
    row = dataverse.get(f"contacts({below})").json()
    assert (row["_parentcustomerid_value"], row["msdynce_iscompanyanaccount"]) == (kept, False)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Subordinate": None}, 400),
        ({"Target": {"@odata.type": "Microsoft.Dynamics.CRM.systemuser"}}, 400),
        ({"Subordinate": account("11111111-1111-4111-8111-111111111111")}, 404),
        ({"Target": account("11111111-1111-4111-8111-111111111111")}, 404),
        ({"Master": {}}, 400),
        ({"UpdateContent": {"nosuchcolumn": 1}}, 400),
    ],
)
def test_what_cannot_be_merged_is_refused_and_nothing_changes(dataverse, change, status):
    kept, gone = (make_account(dataverse, name=name) for name in ("Kept", "Gone"))
    body = {"Target": account(kept), "Subordinate": account(gone), **change}
    assert error(dataverse.post("Merge", body))[0] == status
    assert dataverse.get(f"accounts({gone})").json()["statecode"] == 0


def test_a_row_is_not_merged_into_itself_or_into_another_table(dataverse):
    row = make_account(dataverse, name="Kept")
    person = {"@odata.type": CONTACT, "contactid": make_contact(dataverse, lastname="Moe")}
    for subordinate in (account(row), person):
        body = {"Target": account(row), "Subordinate": subordinate}
        assert error(dataverse.post("Merge", body))[0] == 400
