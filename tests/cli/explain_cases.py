"""A row in each outcome that it can have: how it gets there, and what is then asked for.

Each case works on an empty world and returns the text to explain. Its name is its golden files'.
"""

from collections.abc import Callable
from dataclasses import replace

from p2c.mapping.engine import RecordMapping
from p2c.mapping.transforms import Default
from p2c.sandbox import Fault
from tests.cli.explain_world import SETTLE_SECONDS, ExplainWorld

Case = Callable[[ExplainWorld], str]

ACCOUNT = "ACC-01000-BVRCPS"
CONTACT = "CON-01000-QWERTY"


def created_account(world: ExplainWorld) -> str:
    world.account(ACCOUNT, creditlimit=250000.5, name="Fjord " * 15, address1_country="USA")
    world.poll()
    return ACCOUNT


def created_contact(world: ExplainWorld) -> str:
    world.contact(CONTACT, world.account(ACCOUNT))
    world.poll()
    return CONTACT.lower()


def created_customer(world: ExplainWorld) -> str:
    euro = world.euro()
    world.contact(CONTACT, None, msdynce_isactivecustomer=True, **euro)
    world.poll()
    return CONTACT


def updated(world: ExplainWorld) -> str:
    row = world.contact(CONTACT, world.account(ACCOUNT))
    world.poll()
    world.change("contact", row, jobtitle="Innkjøpssjef", address1_country=None)
    world.poll()
    return f"{{{row.upper()}}}"


def unchanged(world: ExplainWorld) -> str:
    row = world.account(ACCOUNT)
    world.poll()
    world.change("account", row, telephone2="+47 55 00 00 00")
    world.poll()
    return row


def adopted(world: ExplainWorld) -> str:
    world.account(ACCOUNT)
    world.poll()
    world.forget()
    world.poll()
    return ACCOUNT


def moved(world: ExplainWorld) -> str:
    row = world.contact(CONTACT, world.account(ACCOUNT))
    world.poll()
    other = world.account("ACC-01001-P0W2XE", name="Havn Eiendom AS")
    world.change("contact", row, **{"parentcustomerid_account@odata.bind": f"accounts({other})"})
    world.poll()
    return CONTACT


def skipped_active_customer(world: ExplainWorld) -> str:
    account = world.account(ACCOUNT)
    world.contact(CONTACT, account, msdynce_isactivecustomer=True, **world.euro())
    world.poll()
    return CONTACT


def skipped_company_not_account(world: ExplainWorld) -> str:
    world.contact(CONTACT, None)
    world.poll()
    return CONTACT


def skipped_number_missing(world: ExplainWorld) -> str:
    row = world.account(ACCOUNT)
    world.change("account", row, accountnumber=None)
    world.poll()
    return row


def waiting_for_rejected_account(world: ExplainWorld) -> str:
    world.contact(CONTACT, world.account(ACCOUNT, address1_country="Atlantis"))
    world.poll()
    return CONTACT


def waiting_without_number(world: ExplainWorld) -> str:
    account = world.account(ACCOUNT)
    world.change("account", account, accountnumber=None)
    world.contact(CONTACT, account)
    world.poll()
    return CONTACT


def waiting_while_prerequisite_has_come(world: ExplainWorld) -> str:
    account = world.account(ACCOUNT)
    world.contact(CONTACT, account)
    world.poll("contacts")
    world.customer_in_fno(ACCOUNT)
    return CONTACT


def waiting_answer_unknown(world: ExplainWorld) -> str:
    world.account(ACCOUNT)
    world.sandbox.add_faults(Fault(effect="reset_after", service="fno", method="POST"))
    world.poll("accounts")
    world.clock.advance(10)  # How long F&O is left alone is left to chance.
    return ACCOUNT


def waiting_verification_pending(world: ExplainWorld) -> str:
    text = waiting_answer_unknown(world)
    world.work("accounts")
    return text


def verified(world: ExplainWorld) -> str:
    text = waiting_verification_pending(world)
    world.clock.advance(SETTLE_SECONDS)
    world.work("accounts")
    return text


def waiting_update_conflict(world: ExplainWorld) -> str:
    world.account(ACCOUNT)
    conflict = Fault(effect="infolog", level="operation", service="fno", method="POST")
    world.sandbox.add_faults(conflict)
    world.poll("accounts")
    return ACCOUNT


def rejected_value(world: ExplainWorld) -> str:
    account = world.account(ACCOUNT)
    world.contact(CONTACT, account, address1_country="Atlantis", firstname="K" * 40)
    world.poll()
    return CONTACT


def rejected_number(world: ExplainWorld) -> str:
    row = world.account("ACC*1")
    world.poll()
    return row


def rejected_by_fno(world: ExplainWorld) -> str:
    world.account(ACCOUNT, **{"transactioncurrencyid@odata.bind": None})
    world.poll()
    return ACCOUNT


def rejected_then_corrected(world: ExplainWorld) -> str:
    row = world.account(ACCOUNT, address1_country="Atlantis")
    world.poll()
    world.change("account", row, address1_country="Norge")
    return ACCOUNT


def deleted(world: ExplainWorld) -> str:
    row = world.contact(CONTACT, world.account(ACCOUNT))
    world.poll()
    world.delete("contact", row)
    world.poll()
    return CONTACT


def deleted_and_deactivated(world: ExplainWorld) -> str:
    world.set_policy("contacts", when_deleted="deactivate")
    return deleted(world)


def came_and_went(world: ExplainWorld) -> str:
    row = world.account(ACCOUNT)
    world.poll("accounts")
    world.delete("account", row)
    world.forget()
    world.resync("accounts", row)
    return row


def restored_not_polled_yet(world: ExplainWorld) -> str:
    text = deleted(world)
    world.contact(text, None, contactid="00000000-0000-4000-8000-000000000002")
    return text


def deleted_not_polled_yet(world: ExplainWorld) -> str:
    row = world.account(ACCOUNT)
    world.poll()
    world.delete("account", row)
    return row


def never_seen_never_polled(world: ExplainWorld) -> str:
    world.contact(CONTACT, world.account(ACCOUNT))
    return CONTACT


def never_seen_after_a_poll(world: ExplainWorld) -> str:
    world.poll()
    world.account(ACCOUNT)
    return ACCOUNT


def task_asks_before_it_reads_on(world: ExplainWorld) -> str:
    world.account(ACCOUNT)
    rows = [world.account(f"ACC-0200{number}-VANISH") for number in range(3)]
    world.poll("accounts")
    for row in rows:
        world.delete("account", row)
    world.poll("accounts", all_data=True)
    world.poll("accounts")
    return rows[0]


def looked_up_value_has_changed(world: ExplainWorld) -> str:
    account = world.account(ACCOUNT)
    world.contact(CONTACT, account)
    world.poll()
    world.change("account", account, accountnumber="ACC-09000-CHANGE")
    return CONTACT


def template_has_changed(world: ExplainWorld) -> str:
    world.account(ACCOUNT)
    world.poll("accounts")
    record = world.task("accounts").map_row
    assert isinstance(record, RecordMapping)
    fields = tuple(
        replace(field, transforms=(Default("20"),)) if field.field == "CustomerGroupId" else field
        for field in record.fields
    )
    changed = replace(record, fields=fields)
    world.set_policy("accounts", map_row=changed, fingerprint="another")
    return ACCOUNT


def being_worked_on(world: ExplainWorld) -> str:
    row = world.account(ACCOUNT)
    world.poll()
    world.claim("accounts", row)
    return ACCOUNT


def worker_died(world: ExplainWorld) -> str:
    row = world.account(ACCOUNT)
    world.claim("accounts", row)
    world.clock.advance(40)
    return ACCOUNT


def changed_since(world: ExplainWorld) -> str:
    row = world.account(ACCOUNT)
    world.poll()
    world.change("account", row, name="Fjord Holding AS", description="Pays late")
    return ACCOUNT


def edited_in_fno(world: ExplainWorld) -> str:
    world.account(ACCOUNT, description="Pays late")
    world.poll()
    key = f"CustomersV2(dataAreaId='usmf',CustomerAccount='{ACCOUNT}')"
    world.change_in_fno(key, SalesMemo="Pays in time", AddressCity="Bergen")
    return ACCOUNT


def fno_throttled(world: ExplainWorld) -> str:
    world.account(ACCOUNT)
    busy = Fault(effect="status", service="fno", method="POST", status=429, retry_after=120)
    world.sandbox.add_faults(busy)
    world.poll("accounts")
    return ACCOUNT


def two_rows_one_number(world: ExplainWorld) -> str:
    world.account(ACCOUNT)
    world.account(ACCOUNT, name="Fjord Handel AS (dublett)")
    world.poll()
    return ACCOUNT


CASES: dict[str, Case] = {
    case.__name__.replace("_", "-"): case
    for case in (
        created_account,
        created_contact,
        created_customer,
        updated,
        unchanged,
        adopted,
        moved,
        skipped_active_customer,
        skipped_company_not_account,
        skipped_number_missing,
        waiting_for_rejected_account,
        waiting_without_number,
        waiting_while_prerequisite_has_come,
        waiting_answer_unknown,
        waiting_verification_pending,
        verified,
        waiting_update_conflict,
        rejected_value,
        rejected_number,
        rejected_by_fno,
        rejected_then_corrected,
        deleted,
        deleted_and_deactivated,
        came_and_went,
        restored_not_polled_yet,
        deleted_not_polled_yet,
        never_seen_never_polled,
        never_seen_after_a_poll,
        task_asks_before_it_reads_on,
        looked_up_value_has_changed,
        template_has_changed,
        being_worked_on,
        worker_died,
        changed_since,
        edited_in_fno,
        fno_throttled,
        two_rows_one_number,
    )
}
