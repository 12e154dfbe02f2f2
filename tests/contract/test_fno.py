"""What p2c believes of F&O; holds of the sandbox, and of a real environment when given."""

from decimal import Decimal

import pytest

from p2c.errors import ServiceRefusedError
from p2c.fno import FnoClient
from p2c.model import Create, RecordKey, Update, Written
from tests.contract.conftest import LATER, LEGAL_ENTITY, Environment


def find(environment: Environment, account: str, *select: str) -> list[dict[str, object]]:
    return environment.fno.find("CustomersV2", "CustomerAccount", [account], select)


def account_of(operation: Create) -> str:
    return operation.key.parts[1][1]


def test_the_legal_entity_is_among_the_companies(environment):
    assert LEGAL_ENTITY in environment.fno.companies()


def test_the_metadata_tells_keys_types_and_members_of_what_was_asked_for(environment):
    found = environment.fno.metadata(["CustomersV2", "CustomerGroups", "NoSuchEntities"])
    assert found.entities.keys() == {"CustomersV2", "CustomerGroups"}
    assert "Companies" in found.entity_sets
    customers = found.entities["CustomersV2"]
    assert customers.key == ("dataAreaId", "CustomerAccount")
    assert customers.fields["CreditLimit"] == "Edm.Decimal"
    kind = customers.fields["IsExternallyMaintained"]
    assert found.enums[kind.removeprefix("enum:")] == {"No", "Yes"}


class TestSingleRecords:
    def test_a_record_is_created_found_and_changed(self, environment):
        creation = environment.records.customer(OrganizationName="Søn & O'Brien", CreditLimit=10)
        assert environment.fno.write_one(creation).written is Written.DONE
        (found,) = find(environment, account_of(creation), "OrganizationName", "CreditLimit")
        assert found["OrganizationName"] == "Søn & O'Brien"
        change = Update(creation.key, {"OrganizationName": "Other"})
        assert environment.fno.write_one(change).written is Written.DONE
        read = environment.fno.get(creation.key, ["OrganizationName"])
        assert read is not None
        assert read["OrganizationName"] == "Other"

    def test_a_second_creation_says_that_the_record_exists(self, environment):
        creation = environment.records.customer()
        assert environment.fno.write_one(creation).written is Written.DONE
        again = environment.fno.write_one(creation)
        assert again.written is Written.EXISTS
        assert again.reason is not None
        assert "already exists" in again.reason.text

    def test_a_change_of_a_record_that_is_not_there_says_so(self, environment):
        key = environment.records.customer().key
        change = Update(key, {"OrganizationName": "x"})
        assert environment.fno.write_one(change).written is Written.ABSENT
        assert environment.fno.get(key) is None

    @pytest.mark.parametrize(
        "account", ["P2C-O'B", "P2C A&B", "P2C#1+2%3", "P2C-Ø", "P2C (1,2)=x", "P2C?a;b:c@d"]
    )
    def test_a_key_of_any_characters_is_created_found_and_changed(self, environment, account):
        creation = environment.records.customer(account=account)
        change = Update(creation.key, {"OrganizationName": "x"})
        results = environment.fno.write([creation, change], send_before=LATER)
        assert [result.written for result in results] == [Written.DONE] * 2
        assert len(find(environment, account)) == 1

    def test_amounts_are_exact(self, environment):
        creation = environment.records.customer(CreditLimit=Decimal("1234.56"))
        environment.fno.write_one(creation)
        (found,) = find(environment, account_of(creation), "CreditLimit")
        assert found["CreditLimit"] == Decimal("1234.56")


class TestFind:
    def test_values_compare_without_case(self, environment):
        creation = environment.records.customer()
        environment.fno.write_one(creation)
        assert len(find(environment, account_of(creation).lower())) == 1

    def test_what_is_not_there_is_not_found(self, environment):
        assert find(environment, "P2C-NOSUCH") == []

    def test_another_field_than_the_key_can_be_asked_for(self, environment):
        creation = environment.records.customer()
        environment.fno.write_one(creation)
        found = environment.fno.find(
            "CustomersV2", "PartyNumber", [account_of(creation)], ["CustomerAccount"]
        )
        assert [record["CustomerAccount"] for record in found] == [account_of(creation)]

    def test_more_values_than_fit_one_url_are_all_asked_for(self, environment):
        made = [environment.records.customer() for _ in range(3)]
        environment.fno.write(made, send_before=LATER)
        others = [f"P2C-NOSUCH-{number:05}" for number in range(400)]
        values = [*others, *map(account_of, made)]
        found = environment.fno.find("CustomersV2", "CustomerAccount", values, [])
        assert {record["CustomerAccount"] for record in found} == set(map(account_of, made))

    def test_a_record_of_another_legal_entity_is_found_and_changed_there_only(self, environment):
        others = [name for name in environment.fno.companies() if name not in (LEGAL_ENTITY, "dat")]
        creation = environment.records.customer()
        environment.fno.write_one(creation)
        elsewhere = FnoClient(environment.fno_transport, others[0])
        account = account_of(creation)
        assert elsewhere.find("CustomersV2", "CustomerAccount", [account], []) == []
        key = RecordKey("CustomersV2", (("dataAreaId", others[0]), ("CustomerAccount", account)))
        change = Update(key, {"OrganizationName": "x"})
        assert elsewhere.write_one(change).written is Written.ABSENT

    @pytest.mark.parametrize(
        ("entity_set", "field"), [("NoSuchEntities", "A"), ("CustomersV2", "NoSuchField")]
    )
    def test_an_unknown_entity_or_field_stops(self, environment, entity_set, field):
        with pytest.raises(ServiceRefusedError) as caught:
            environment.fno.find(entity_set, field, ["x"], [])
        assert caught.value.code in {"not-found", "request-refused"}


REFUSALS = [
    ({"CustomerGroupId": "NOSUCH"}, Written.MISSING_REFERENCE, "reference-missing"),
    ({"SalesCurrencyCode": "QQQ"}, Written.MISSING_REFERENCE, "reference-missing"),
    ({"CustomerGroupId": None}, Written.REFUSED, "mandatory-missing"),
    ({"NoSuchField": "x"}, Written.REFUSED, "property-unknown"),
    ({"CreditLimit": "much"}, Written.REFUSED, "payload-refused"),
    ({"OrganizationName": "x" * 5_000}, Written.REFUSED, "record-refused"),
]


class TestBatch:
    @pytest.mark.parametrize(("values", "written", "code"), REFUSALS)
    def test_a_refused_record_harms_no_other_and_has_its_reason(
        self, environment, values, written, code
    ):
        before, after = environment.records.customer(), environment.records.customer()
        refused = environment.records.customer(**values)
        results = environment.fno.write([before, refused, after], send_before=LATER)
        assert [result.written for result in results] == [Written.DONE, written, Written.DONE]
        assert results[1].reason is not None
        assert results[1].reason.code == code
        assert find(environment, account_of(refused)) == []
        assert len(find(environment, account_of(after))) == 1

    def test_creations_and_changes_have_each_their_result(self, environment):
        one, two, three = (environment.records.customer() for _ in range(3))
        environment.fno.write_one(one)
        operations = [
            one,
            Update(one.key, {"OrganizationName": "x"}),
            two,
            Update(three.key, {"OrganizationName": "x"}),
        ]
        results = environment.fno.write(operations, send_before=LATER)
        assert [result.written for result in results] == [
            Written.EXISTS,
            Written.DONE,
            Written.DONE,
            Written.ABSENT,
        ]

    def test_an_unknown_entity_is_refused_for_the_record(self, environment):
        key = RecordKey("NoSuchEntities", (("dataAreaId", LEGAL_ENTITY), ("A", "1")))
        good = environment.records.customer()
        results = environment.fno.write([Create(key, {}), good], send_before=LATER)
        assert [result.written for result in results] == [Written.REFUSED, Written.DONE]

    def test_a_party_that_is_another_customers_is_refused(self, environment):
        first = environment.records.customer()
        second = environment.records.customer(PartyNumber=account_of(first))
        environment.fno.write_one(first)
        result = environment.fno.write_one(second)
        assert result.written is Written.REFUSED
        assert result.reason is not None
        assert result.reason.code == "party-clash"

    def test_a_contact_of_a_party_that_is_not_there_misses_its_reference(self, environment):
        parts = (
            ("dataAreaId", LEGAL_ENTITY),
            ("ContactPersonPartyNumber", "P2C-CON"),
            ("AssociatedPartyNumber", "P2C-NOSUCH"),
        )
        contact = Create(RecordKey("CDSContactPersons", parts), {"LastName": "Moe"})
        result = environment.fno.write_one(contact)
        assert result.written is Written.MISSING_REFERENCE
        assert result.reason is not None
        assert "P2C-NOSUCH" in result.reason.text

    def test_every_operation_is_counted(self, environment):
        made = [environment.records.customer() for _ in range(3)]
        before = environment.meter.snapshot()
        environment.fno.write(made, send_before=LATER)
        after = environment.meter.snapshot()
        assert after["fno"] - before["fno"] == 1
        assert after["fno_operations"] - before["fno_operations"] == 3
