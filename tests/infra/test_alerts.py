"""When each alert is raised, and what about: the deployed rules on data points like p2c's."""

from datetime import datetime, timedelta
from functools import cache

import pytest

from p2c.templates import shipped_names
from tests.infra.alerting import raised
from tests.infra.deployment import deployed
from tests.support.workspace import data_point, log_record

DEPLOYED = cache(deployed)
NOW = datetime(2026, 3, 2, 8, 0)  # noqa: DTZ001  tables hold UTC without saying so
SETTLED = "A poisoned message is settled"
OTHERS = [
    data_point(NOW, "process.cpu.utilization", 99, template="accounts", service="fno"),
    log_record(NOW, SETTLED, category="Function.settle_accounts.User", template="accounts"),
    log_record(NOW, "Executed 'Functions.enumerate_accounts'", status="Completed", code="x"),
]
"""What the Functions host sends to the same tables."""


def ago(minutes):
    return NOW - timedelta(minutes=minutes)


def rows(outcome, number, minutes=5, previous="none", template="accounts"):
    names = {"template": template, "task": "t", "code": "", "previous": previous}
    return data_point(ago(minutes), "p2c.rows", number, outcome=outcome, **names)


def ended(template, status, minutes):
    return data_point(ago(minutes), "p2c.executions", 1, template=template, status=status)


def age(minutes_old, minutes=5, queue="work"):
    names = {"template": "accounts", "queue": queue}
    return data_point(ago(minutes), "p2c.queue.age", 60 * minutes_old, **names)


def poisoned(minutes=5, template="accounts"):
    particulars = {"action": "settle", "template": template, "rejected": 0, "unreadable": 0}
    return log_record(ago(minutes), SETTLED, sent_again=1, **particulars)


def asked(service, requests, operations, of_requests=0, of_operations=0):
    counted = [("p2c.requests", requests, {"status": "200"}), ("p2c.operations", operations, {})]
    throttled = {"request": of_requests, "operation": of_operations}
    counted += [("p2c.throttled", number, {"of": of}) for of, number in throttled.items() if number]
    return [data_point(ago(5), name, n, service=service, **more) for name, n, more in counted]


REJECTED = [
    ("no more than the threshold", [rows("rejected", 20)], set()),
    ("more than the threshold", [rows("rejected", 21)], {("accounts",)}),
    ("bit by bit", [rows("rejected", 11, 50), rows("rejected", 10)], {("accounts",)}),
    ("an hour ago", [rows("rejected", 21, 61)], set()),
    ("other outcomes", [rows("waiting", 100), rows("skipped", 100)], set()),
    ("each template by itself", [rows("rejected", 15), rows("rejected", 15, template="contacts")],
     set()),
    ("went well in the end", [rows("rejected", 21, 9), rows("created", 1, 5, "rejected")], set()),
    ("were rejected again", [rows("rejected", 20), rows("rejected", 5, 5, "rejected")], set()),
]  # fmt: skip
POISON = [
    ("nothing", [], set()),
    ("one", [poisoned()], {("accounts",)}),
    ("of two templates", [poisoned(), poisoned(template="contacts")],
     {("accounts",), ("contacts",)}),
    ("before", [poisoned(16)], set()),
]  # fmt: skip
OLD_MESSAGES = [
    ("just due", [age(0)], set()),
    ("an hour", [age(60)], set()),
    ("more", [age(61)], {("accounts", "work")}),
    ("a poison queue", [age(61, queue="poison"), age(0)], {("accounts", "poison")}),
    ("is worked off", [age(90, 10), age(1, 5)], set()),
    ("a timer is silent", [age(90, 31)], set()),
]
THROTTLED = [
    ("few requests", asked("fno", 19, 190, 19, 19), set()),
    ("no more than the share", asked("fno", 20, 200, 4), set()),
    ("requests", asked("fno", 20, 200, 5), {("fno",)}),
    ("operations", asked("fno", 20, 200, 0, 41), {("fno",)}),
    ("one of two services", asked("fno", 20, 200, 5) + asked("dataverse", 100, 100, 1),
     {("fno",)}),
]  # fmt: skip


def cases(**by_alert):
    return [
        pytest.param(key.replace("_", "-"), envelopes, expected, id=f"{key}: {name}")
        for key, found in by_alert.items()
        for name, envelopes, expected in found
    ]


@pytest.mark.parametrize(
    ("key", "envelopes", "expected"),
    cases(rejected=REJECTED, poison=POISON, old_messages=OLD_MESSAGES, throttled=THROTTLED),
)
def test_an_alert_is_raised_for_what_it_is_about(key, envelopes, expected):
    assert raised(DEPLOYED(), key, envelopes + OTHERS, NOW) == expected


def test_the_thresholds_of_the_deployment_count():
    told = [rows("rejected", 1)]
    assert raised(deployed(rejectedRowsThreshold=0), "rejected", told, NOW) == {("accounts",)}


def test_a_template_is_late_whose_last_completed_execution_is_too_long_ago():
    told = [
        ended("accounts", "Completed", 31),
        ended("accounts", "Warning", 2),
        ended("contacts", "Completed", 29),
        ended("contacts", "Error", 2),
    ]
    # Of the third nothing was ever heard.
    late = {("accounts",), ("contacts-to-customer",)}
    assert raised(DEPLOYED(), "late", told + OTHERS, NOW) == late
    longer = deployed(templates={"accounts": {"lateAfterMinutes": 40}})
    assert raised(longer, "late", told, NOW) == {("contacts-to-customer",)}


def test_no_template_is_late_when_all_complete_or_timers_are_held_back():
    told = [ended(template, "Completed", 5) for template in shipped_names()]
    assert raised(DEPLOYED(), "late", told, NOW) == set()
    assert raised(DEPLOYED(), "late", [], NOW) == {(name,) for name in shipped_names()}
    assert raised(deployed(timersEnabled=False), "late", [], NOW) == set()


def test_without_timers_the_other_alerts_stay():
    without = deployed(timersEnabled=False)
    assert raised(without, "poison", [poisoned()], NOW) == {("accounts",)}
    assert raised(without, "rejected", [rows("rejected", 21)], NOW) == {("accounts",)}
