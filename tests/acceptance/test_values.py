"""Every mapped field follows Sales, set and cleared; odd values arrive as they are."""

from tests.acceptance.oracle import assert_in_step

ADDRESS = {
    "line1": ("Gate 1", "Street"),
    "city": ("Oslo", "City"),
    "country": ("Norge", "CountryRegionISOCode"),
    "postalcode": ("0101", "ZipCode"),
    "stateorprovince": ("Viken", "State"),
}
# Column in Sales to its value, the field in F&O, what that holds then, and what it holds cleared.
CUSTOMER = {
    "creditlimit": (100.5, "CreditLimit", 100.5),
    "fax": ("1", "PrimaryContactFax", "1"),
    "telephone1": ("2", "PrimaryContactPhone", "2"),
    "emailaddress1": ("a@b.example", "PrimaryContactEmail", "a@b.example"),
    "websiteurl": ("https://b.example", "PrimaryContactURL", "https://b.example"),
    "description": ("one\r\ntwo", "SalesMemo", "one\r\ntwo"),
    **{
        f"address1_{part}": (value, f"Address{field}", "NO" if part == "country" else value)
        for part, (value, field) in ADDRESS.items()
    },
}
ACCOUNT = CUSTOMER | {
    "numberofemployees": (5, "OrganizationNumberOfEmployees", 5),
    **{
        f"address2_{part}": (value, f"DeliveryAddress{field}", "NO" if part == "country" else value)
        for part, (value, field) in ADDRESS.items()
    },
}
BUYER = CUSTOMER | {"middlename": ("Mo", "PersonMiddleName", "Mo")}
PERSON = {
    "department": ("Sales", "EmploymentDepartment", "Sales"),
    "jobtitle": ("Boss", "EmploymentProfession", "Boss"),
    "description": ("one", "Notes", "one"),
    "emailaddress1": ("a@b.example", "PrimaryEmailAddress", "a@b.example"),
    "telephone1": ("2", "PrimaryPhoneNumber", "2"),
    "websiteurl": ("https://b.example", "PrimaryURL", "https://b.example"),
    "governmentid": ("12", "GovernmentIdentificationNumber", "12"),
    "middlename": ("Mo", "MiddleName", "Mo"),
    "gendercode": (2, "Gender", "Female"),
    "familystatuscode": (3, "MaritalStatus", "Divorced"),
    "address1_line1": ("Gate 1", "PrimaryAddressStreet", "Gate 1"),
    "address1_city": ("Oslo", "PrimaryAddressCity", "Oslo"),
    "address1_country": ("Norge", "PrimaryAddressCountryRegionISOCode", "NO"),
    "address1_postalcode": ("0101", "PrimaryAddressZipCode", "0101"),
    "address1_stateorprovince": ("Viken", "PrimaryAddressStateId", "Viken"),
}
ODD = {
    "quotes": "O'Brien & 'Sons' \"Ltd\" ''",
    "marks of a URL": "a&b#c%d+e/f\\g?h=%27%20or%201 eq 1",
    "emoji": "👨‍👩‍👧 🎉 e\u0301",
    "right to left": "\u202e\u05e2\u05d1\u05e8\u202c \u0627\u0644\u0639",
    "blanks around": "  lead and trail  ",
    "lines": "\ttab\nline\r\n--boundary\r\nContent-ID: 1\r\n\r\n",
    "other values": "null",
    "wildcard": "st*r",
}


def test_every_mapped_field_is_set_and_cleared_with_its_column(company) -> None:
    account = company.account("A1")
    person = company.contact("C1", account)
    buyer = company.contact("C2", msdynce_isactivecustomer=True)
    company.run()
    rows = (
        ("accounts", account, ACCOUNT),
        ("contacts", person, PERSON),
        ("contacts", buyer, BUYER),
    )
    for table, row, columns in rows:
        company.change(table, row, **{name: found[0] for name, found in columns.items()})
    company.run()
    for record, columns in _with_records(company):
        for column, (_, field, expected) in columns.items():
            assert record.get(field) == expected, column
    for table, row, columns in rows:
        company.change(table, row, **dict.fromkeys(columns))
    company.run()
    for record, columns in _with_records(company):
        # The sandbox leaves out what holds the empty value of its type.
        left = {field for _, field, _ in columns.values() if field in record}
        assert not left


def _with_records(company):
    customers = company.customers()
    return (
        (customers["A1"], ACCOUNT),
        (company.persons()["C1", "A1"], PERSON),
        (customers["C2"], BUYER),
    )


def test_odd_values_arrive_as_they_are_and_are_recognised_again(company) -> None:
    for number, text in enumerate(ODD.values()):
        account = company.account(f"K{number}", name=text, description=text * 20)
        company.contact(f"P{number}", account, firstname=text[:25], lastname=text[:25])
    for key in ("O'B&x#%+/\\?", "ÆØÅ🎉", "  LEAD", "TRAIL  "):
        company.contact(f"of {key}"[:20], company.account(key))
    for number, limit in {"BIG": 100_000_000_000, "NEG": -5.25, "FRACTION": 0.1234}.items():
        company.account(number, creditlimit=limit)
    company.run()
    assert_in_step(company)
    writes = company.fno_writes()
    assert company.p2c("resync", "accounts", "--force").exit_code == 0
    assert company.p2c("resync", "contacts", "--force").exit_code == 0
    assert company.fno_writes() == writes


def test_numbers_that_fno_would_misread_are_rejected_and_harm_no_other(company) -> None:
    for person, number in {"C3": "A*", "C4": "A\t1", "C5": "*"}.items():
        company.contact(person, company.account(number))
    company.contact("C2", company.account("A2"))
    company.run(status=1)
    assert set(company.customers()) == {"A2"}
    assert set(company.persons()) == {("C2", "A2")}
    rejected = company.p2c("rejected", "list").stdout
    assert rejected.count("[key-not-usable]") == 6
    assert "correct the number in Sales" in rejected
