"""Nothing of what people typed is kept or said: only ids, keys, hashes and reasons."""

import base64
import json
import logging

from p2c.sandbox import Fault

MARK = "zqx"


def _marked(*columns: str) -> dict[str, str]:
    return {column: f"{MARK} {column} {MARK}"[:25] for column in columns} | {
        "emailaddress1": f"{MARK}@{MARK}.example",
        "websiteurl": f"https://{MARK}.example",
        "description": f"{MARK}\r\nhas  a {MARK}",
        "address1_postalcode": MARK,
        "address1_stateorprovince": MARK,
    }


ACCOUNT = _marked("name", "fax", "telephone1", "address1_line1", "address1_city", "address2_line1")
CONTACT = _marked(
    "firstname", "lastname", "middlename", "jobtitle", "department", "governmentid", "telephone1"
)


def test_no_value_of_a_person_is_in_storage_in_logs_or_on_the_screen(company, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    company.sandbox.set_switches(fno_currencies=["USD"])
    account = company.account("A1", **ACCOUNT)
    refused = company.account("A2", **ACCOUNT, **company.currency("CHF"))
    company.account("A3", **ACCOUNT | {"address1_postalcode": f"{MARK} is too long"})
    for number, parent in enumerate([account, account, refused]):
        company.contact(f"C{number}", parent, **CONTACT)
    company.contact("C7", **CONTACT)
    company.contact("C8", **CONTACT, msdynce_isactivecustomer=True)
    buyer = company.contact("C9", **CONTACT, msdynce_isactivecustomer=True)
    row = next(r for r in company.sandbox.dataverse_rows("contacts") if r["contactid"] == buyer)
    said = " ".join(f"{row['fullname']}, {row['description']}, {row['lastname']}. ".split())
    company.sandbox.add_faults(
        # F&O quotes what it was given, so much that it is cut in the midst of a value.
        Fault(
            effect="infolog",
            level="operation",
            service="fno",
            method="POST",
            body="C9",
            count=None,
            text=f"Error: The party {said}{'x' * (238 - len(said))} {row['fullname']} is odd.",
        ),
        Fault(effect="garbage", service="fno", path="$batch", body="C8"),
    )
    shown = [company.p2c("run"), company.p2c("run", "--all-data")]
    shown += [company.p2c("status"), company.p2c("rejected", "list"), company.p2c("run", "nobody")]

    assert "<AddressDescription>" in shown[3].output  # F&O's words about C9 are kept, without his.
    assert "then retry." in shown[3].output
    kept = [json.dumps(entity, default=str) for _, entity in company.tables()]
    queued = [text for _, text in company.queues()]
    decoded = [base64.b64decode(text).decode() for text in queued]
    logged = [record.getMessage() for record in caplog.records]
    assert len(kept) > 20
    for text in [*kept, *queued, *decoded, *logged, *(done.output for done in shown)]:
        assert MARK not in text
