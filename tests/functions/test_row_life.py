"""Every line of a row's life, through timers and queues; docs/life-of-a-row.md lists them."""

import pytest

from p2c.sync.ledger import bucket_of
from p2c.templates import shipped_names
from tests.functions.world import World
from tests.host.needs import needs_worker

pytestmark = needs_worker


class Life:
    """A world, and what the tests ask about a row's life in it."""

    def __init__(self, world: World):
        self.world = world
        self.sandbox = world.sandbox

    def goes_on(self, *templates):
        """Run timers, one after the other, each until nothing is left to do."""
        for template in templates or shipped_names():
            assert self.world.host.run_timer(f"enumerate_{template.replace('-', '_')}").ok
            self.world.host.wait_until(self._rests)

    def _rests(self):
        return not any(self.world.count(template) for template in shipped_names())

    def edit(self, row, **values):
        """Change columns of a contact, or with ``table`` of another table."""
        answer = self.world.dataverse.patch(f"{values.pop('table', 'contacts')}({row})", values)
        assert answer.status_code == 204, answer.text

    def move(self, contact, account):
        self.edit(contact, **{"parentcustomerid_account@odata.bind": f"/accounts({account})"})

    def fill(self, number, party, **values):
        """Change a contact person in F&O as people would."""
        key = f"ContactPersonPartyNumber='{number}',AssociatedPartyNumber='{party}'"
        place = f"{self.sandbox.fno_url}/data/CDSContactPersons(dataAreaId='usmf',{key})"
        answer = self.world.dataverse.patch(place, values)
        assert answer.status_code == 204, answer.text

    def persons(self, number):
        """Records of a contact person, by the party it belongs to."""
        return {
            record["AssociatedPartyNumber"]: record
            for record in self.sandbox.fno_records("CDSContactPersons")
            if record["ContactPersonPartyNumber"] == number
        }

    def inactive(self, number):
        """Party to whether the contact person's record there is marked."""
        found = self.persons(number).items()
        return {party: record.get("IsInactive", "No") for party, record in found}

    def versions(self):
        """What changes in F&O when anything is written there."""
        return sorted(
            (record["RecId"], record["RecVersion"])
            for entity_set in ("CustomersV2", "CDSContactPersons")
            for record in self.sandbox.fno_records(entity_set)
        )

    def entry(self, row, template="contacts"):
        """What the ledger knows of a row in a template's first task."""
        runtime = self.world.app.runtime
        task = runtime.template(template).tasks[0]
        return runtime.ledger(task).read([row])[row]

    def forget(self, row, template):
        """Remove a row from the ledger, as if p2c had never met it."""
        task = self.world.app.runtime.template(template).tasks[0]
        partition = f"{template}|{task.task}|{bucket_of(row)}"
        self.world.app.tables["p2cledger"].delete(partition, row)
        assert self.entry(row, template).version is None

    def outcome(self, row, template="contacts"):
        """Outcome and reason code."""
        entry = self.entry(row, template)
        return (entry.outcome.value, entry.reason.code if entry.reason else "")

    def parties(self, row):
        """The parties that the ledger remembers keys of, the current one last."""
        return [dict(key.parts)["AssociatedPartyNumber"] for key in self.entry(row).keys]


@pytest.fixture
def life(world):
    return Life(world)


def test_a_contact_who_becomes_an_active_customer_becomes_a_customer_of_the_same_party(life):
    contact = life.world.contact("CON-1", life.world.account("ACC-1"), **life.world.euro())
    life.goes_on()
    before = life.persons("CON-1")
    assert life.world.customer("CON-1") is None

    life.edit(contact, msdynce_isactivecustomer=True)
    life.goes_on()
    customer = life.world.customer("CON-1")
    assert (customer["PartyNumber"], customer["PartyType"]) == ("CON-1", "Person")
    assert life.persons("CON-1") == before
    assert life.outcome(contact) == ("skipped", "active-customer")
    assert life.outcome(contact, "contacts-to-customer") == ("created", "")

    life.edit(contact, msdynce_isactivecustomer=False)
    life.goes_on()
    assert life.world.customer("CON-1") == customer
    assert life.persons("CON-1") == before
    assert life.outcome(contact) == ("unchanged", "")
    assert life.outcome(contact, "contacts-to-customer") == ("skipped", "not-active-customer")


def test_a_contact_who_moves_leaves_an_inactive_record_and_comes_back_to_it(life):
    first, second = life.world.account("ACC-1"), life.world.account("ACC-2")
    contact = life.world.contact("CON-1", first, jobtitle="Chef")
    life.goes_on()
    life.move(contact, second)
    life.goes_on()
    assert life.inactive("CON-1") == {"ACC-1": "Yes", "ACC-2": "No"}
    assert life.parties(contact) == ["ACC-1", "ACC-2"]
    assert life.outcome(contact) == ("updated", "")

    life.edit(contact, jobtitle=None)
    life.fill("CON-1", "ACC-1", EmploymentDepartment="Kitchen")
    life.move(contact, first)
    life.goes_on()
    assert life.inactive("CON-1") == {"ACC-1": "No", "ACC-2": "Yes"}
    assert life.parties(contact) == ["ACC-2", "ACC-1"]
    assert life.outcome(contact) == ("updated", "")
    back = life.persons("CON-1")["ACC-1"]
    assert "EmploymentProfession" not in back
    assert back["EmploymentDepartment"] == "Kitchen", (
        "people filled it, and Sales has nothing there"
    )


def test_a_contact_who_stops_qualifying_keeps_the_record_and_goes_on_with_it(life):
    contact = life.world.contact("CON-1", life.world.account("ACC-1"))
    life.goes_on()
    before = life.versions()
    answer = life.world.dataverse.delete(f"contacts({contact})/parentcustomerid_account/$ref")
    assert answer.status_code == 204
    life.goes_on()
    assert life.outcome(contact) == ("skipped", "company-not-account")
    life.edit(contact, jobtitle="Chef")
    life.goes_on()
    assert life.outcome(contact) == ("skipped", "company-not-account")
    assert life.versions() == before

    life.move(contact, life.world.account("ACC-2"))
    life.goes_on()
    assert life.inactive("CON-1") == {"ACC-1": "Yes", "ACC-2": "No"}
    assert life.persons("CON-1")["ACC-2"]["EmploymentProfession"] == "Chef"


def test_a_deactivated_contact_is_marked_inactive_until_it_is_active_again(life):
    account = life.world.account("ACC-1")
    contact = life.world.contact("CON-1", account)
    life.goes_on()
    for state, inactive in ((1, "Yes"), (0, "No")):
        life.edit(contact, statecode=state, statuscode=state + 1)
        life.goes_on()
        assert life.inactive("CON-1") == {"ACC-1": inactive}
        assert life.outcome(contact) == ("updated", "")
    before = life.versions()
    life.edit(account, table="accounts", statecode=1, statuscode=2)
    life.goes_on()
    assert life.outcome(account, "accounts") == ("unchanged", "")
    assert life.versions() == before


def test_contacts_of_an_account_that_is_merged_away_follow_to_the_other(life):
    kept, given_up = life.world.account("ACC-1"), life.world.account("ACC-2")
    contact = life.world.contact("CON-1", given_up)
    life.goes_on()
    answer = life.world.dataverse.post(
        "Merge",
        {
            "Target": {"@odata.type": "Microsoft.Dynamics.CRM.account", "accountid": kept},
            "Subordinate": {"@odata.type": "Microsoft.Dynamics.CRM.account", "accountid": given_up},
            "UpdateContent": {
                "@odata.type": "Microsoft.Dynamics.CRM.account",
                "telephone1": "22 00 00 00",
            },
            "PerformParentingChecks": False,
        },
    )
    assert answer.status_code == 204, answer.text
    life.goes_on()
    assert life.inactive("CON-1") == {"ACC-2": "Yes", "ACC-1": "No"}
    assert life.world.customer("ACC-1")["PrimaryContactPhone"] == "22 00 00 00"
    assert life.world.customer("ACC-2") is not None
    assert life.outcome(given_up, "accounts") == ("unchanged", "")
    assert life.outcome(contact) == ("updated", "")


def test_a_contact_with_another_number_gets_another_record(life):
    contact = life.world.contact("CON-1", life.world.account("ACC-1"))
    active = life.world.contact(
        "CON-5", life.world.account("ACC-5"), msdynce_isactivecustomer=True, **life.world.euro()
    )
    life.goes_on()
    life.edit(contact, msdynce_contactnumber="CON-2")
    life.edit(active, msdynce_contactnumber="CON-6")
    life.goes_on()
    assert life.inactive("CON-1") == {"ACC-1": "Yes"}
    assert life.inactive("CON-2") == {"ACC-1": "No"}
    assert life.outcome(contact) == ("updated", "")
    assert life.world.customer("CON-5")
    assert life.world.customer("CON-6")["PartyNumber"] == "CON-6"
    assert life.outcome(active, "contacts-to-customer") == ("updated", "")


def test_an_account_with_another_number_gets_another_customer_and_its_contacts_follow(life):
    account = life.world.account("ACC-1")
    contacts = [life.world.contact(f"CON-{number}", account) for number in range(3)]
    life.goes_on()
    earlier = life.world.execution_ids()
    life.edit(account, table="accounts", accountnumber="ACC-2")
    # The contacts' own timer does not fire: nobody has edited them.
    life.goes_on("accounts")
    assert life.world.customer("ACC-2")["PartyNumber"] == "ACC-2"
    assert life.world.customer("ACC-1")
    for number, contact in enumerate(contacts):
        assert life.inactive(f"CON-{number}") == {"ACC-1": "Yes", "ACC-2": "No"}
        assert life.parties(contact) == ["ACC-1", "ACC-2"]
    (execution,) = set(life.world.execution_ids()) - set(earlier)
    ended = life.world.ended(execution)
    assert (ended["trigger"], ended["status"]) == ("timer", "Completed")
    assert ended["templates"]["accounts"]["tasks"]["Accounts - Customers"]["updated"] == 1
    assert ended["templates"]["contacts"]["tasks"]["Contacts"]["updated"] == 3


def test_a_record_that_fno_has_already_is_adopted(life):
    account = life.world.account("ACC-1")
    same = life.world.contact("CON-1", account)
    other = life.world.contact("CON-2", account)
    life.goes_on()
    before, records = life.versions(), life.persons("CON-2")["ACC-1"]
    for row, template in ((account, "accounts"), (same, "contacts"), (other, "contacts")):
        life.forget(row, template)
    life.edit(account, table="accounts", tickersymbol="A")
    life.edit(same, nickname="Kari M")
    life.edit(other, jobtitle="Chef")
    life.goes_on()
    assert life.outcome(account, "accounts") == ("unchanged", "")
    assert life.outcome(same) == ("unchanged", "")
    assert life.outcome(other) == ("updated", "")
    adopted = life.persons("CON-2")["ACC-1"]
    changed = {name for name in adopted if adopted[name] != records.get(name)}
    assert changed == {"EmploymentProfession", "RecVersion"}
    assert len(set(life.versions()) - set(before)) == 1


def test_an_edit_of_what_is_not_mapped_costs_no_write(life):
    contact = life.world.contact("CON-1", life.world.account("ACC-1"))
    life.goes_on()
    before = life.versions()
    life.edit(contact, nickname="Kari M")
    life.sandbox.reset_requests()
    life.goes_on("contacts")
    assert life.sandbox.requests()["fno"]["requests"] == 0
    assert life.versions() == before
    assert life.outcome(contact) == ("unchanged", "")


def test_a_value_that_is_cleared_in_sales_is_cleared_in_fno(life):
    account = life.world.account("ACC-1", telephone1="22 00 00 00", creditlimit=500)
    contact = life.world.contact("CON-1", account, jobtitle="Chef")
    life.goes_on()
    assert life.world.customer("ACC-1")["PrimaryContactPhone"] == "22 00 00 00"
    assert life.world.customer("ACC-1")["CreditLimit"] == 500
    assert life.persons("CON-1")["ACC-1"]["EmploymentProfession"] == "Chef"
    life.edit(account, table="accounts", telephone1=None, creditlimit=None)
    life.edit(contact, jobtitle=None)
    life.goes_on()
    customer = life.world.customer("ACC-1")
    # The sandbox keeps no empty values.
    assert "PrimaryContactPhone" not in customer
    assert "CreditLimit" not in customer
    assert "EmploymentProfession" not in life.persons("CON-1")["ACC-1"]
    assert life.outcome(contact) == ("updated", "")
