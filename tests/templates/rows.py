"""Rows as Sales would give them, for the tests of templates."""

from p2c.model import LookupRow, SourceRow

ACCOUNT = "5b1d0f2a-0000-4000-8000-000000000001"
CONTACT = "5b1d0f2a-0000-4000-8000-000000000002"
NUMBERED = LookupRow("account", ACCOUNT, {"accountnumber": "ACC-01000-BVRCPS"})
NOK = LookupRow("transactioncurrency", "c1", {"isocurrencycode": "NOK"})


def account(**columns) -> SourceRow:
    """An account; columns given replace the usual ones."""
    usual = {
        "accountnumber": "ACC-01000-BVRCPS",
        "name": "Fjord og Sønn AS",
        "creditlimit": 250000.0,
        "numberofemployees": 12,
        "fax": "+47 55 00 00 01",
        "address1_line1": "Bryggen 1",
        "address1_city": "Bergen",
        "address1_country": "Norge",
        "address1_postalcode": "5003",
        "address1_stateorprovince": "Vestland",
        "address2_line1": "Kaien 2",
        "address2_city": "Göteborg",
        "address2_country": "sverige",
        "address2_postalcode": "411 08",
        "address2_stateorprovince": None,
        "description": "Pays late",
        "emailaddress1": "post@example.com",
        "telephone1": "+47 55 00 00 00",
        "websiteurl": "https://example.com",
    }
    return SourceRow(ACCOUNT, "1", {**usual, **columns}, {"transactioncurrencyid": NOK})


def contact(company: LookupRow | None = NUMBERED, **columns) -> SourceRow:
    """A contact of an account; `company` and columns given replace the usual ones."""
    usual = {
        "msdynce_contactnumber": "CON-01000-QWERTY",
        "msdynce_isactivecustomer": False,
        "firstname": "Kari",
        "middlename": None,
        "lastname": "Nordmann",
        "fullname": "Kari Nordmann",
        "department": "Innkjøp",
        "jobtitle": "Innkjøpssjef",
        "governmentid": None,
        "description": "",
        "emailaddress1": "kari@example.com",
        "telephone1": "+47 900 00 000",
        "fax": None,
        "websiteurl": None,
        "creditlimit": None,
        "gendercode": 2,
        "familystatuscode": 4,
        "donotemail": True,
        "statecode": 0,
        "address1_line1": "Bryggen 1",
        "address1_city": "Bergen",
        "address1_country": "NORWAY",
        "address1_postalcode": "5003",
        "address1_stateorprovince": None,
    }
    lookups = {"parentcustomerid": company, "transactioncurrencyid": NOK}
    return SourceRow(CONTACT, "1", {**usual, **columns}, lookups)
