"""`run` finds rows that were deleted unseen, and asks before it takes many for deleted."""

ACCOUNTS = "Accounts - Customers"


def vanish(world, *rows: str) -> None:
    """Delete accounts so that the delta link cannot tell of it."""
    for row in rows:
        world._send("DELETE", f"accounts({row})", {})
    world.sandbox.expire_tokens()


def counts(run) -> dict[str, int]:
    found = run["templates"]["accounts"]["tasks"][ACCOUNTS]
    return {name: count for name, count in found.items() if count}


def planned_counts(plan) -> dict[str, int]:
    found = plan["templates"]["accounts"]["tasks"][ACCOUNTS]["counts"]
    return {name: count for name, count in found.items() if count}


def test_one_run_reads_everything_and_finds_what_was_deleted_meanwhile(world) -> None:
    rows = [world.account(accountnumber=f"A{number}") for number in range(20)]
    assert world.p2c("run", "accounts").exit_code == 0
    vanish(world, rows[3])
    run = world.document("run", "accounts")
    assert counts(run) == {"read": 20, "unchanged": 19, "deleted": 1}
    assert run["requests"]["fno"] == 0
    assert world.document("status")["tasks"][0]["rows"]["deleted"] == 1


def test_a_run_that_would_take_too_many_for_deleted_asks_and_others_go_on(world) -> None:
    rows = [world.account(accountnumber=f"A{number}") for number in range(3)]
    assert world.p2c("run").exit_code == 0
    vanish(world, *rows[:2])
    done = world.p2c("run", "--json")
    assert done.exit_code == 2
    assert "2 of 3 known rows were not found in Sales" in done.stderr
    asked = world.document("status")
    assert "2 of 3 known rows" in asked["tasks"][0]["deletes_need_consent"]
    assert [task["deletes_need_consent"] for task in asked["tasks"][1:]] == [None, None]
    execution = asked["executions"][0]
    assert (execution["status"], execution["error"]["code"]) == ("Error", "deletes-need-consent")
    assert "[deletes-need-consent]" in world.p2c("status").stdout

    # Another row changes, and waits until the question is answered.
    world.change(f"accounts({rows[2]})", name="Changed")
    assert counts(world.document("run", "accounts", status=2)) == {}
    planned = world.document("plan", "accounts", status=1)
    assert (planned["status"], planned_counts(planned)) == ("Incomplete", {})
    assert "2 of 3 known rows" in planned["deletes_need_consent"][0]
    planned = world.document("plan", "accounts", "--accept-deletes", status=1)
    assert planned_counts(planned) == {"read": 3, "updated": 1, "deleted": 2}
    assert "2 of 3 known rows" in world.document("status")["tasks"][0]["deletes_need_consent"]
    accepted = world.document("run", "accounts", "--accept-deletes")
    assert counts(accepted) == {"read": 3, "updated": 1, "deleted": 2}
    assert world.document("status")["tasks"][0]["deletes_need_consent"] is None


def test_other_templates_go_on_while_one_asks(world) -> None:
    row = world.account(accountnumber="A1")
    assert world.p2c("run", "accounts").exit_code == 0
    vanish(world, row)
    run = world.document("run", status=2)
    assert list(run["templates"]) == ["accounts", "contacts", "contacts-to-customer"]
    polled = {task["template"]: task["polled_at"] for task in world.document("status")["tasks"]}
    assert all(polled.values())


def test_all_data_compares_anew(world) -> None:
    rows = [world.account(accountnumber=f"A{number}") for number in range(3)]
    assert world.p2c("run", "accounts").exit_code == 0
    vanish(world, rows[0])
    assert world.p2c("run", "accounts").exit_code == 2
    world.account(accountnumber="A0", accountid=rows[0])
    assert counts(world.document("run", "accounts", "--all-data")) == {"read": 3, "unchanged": 3}


def test_deletes_are_accepted_for_named_templates_that_ask_and_not_otherwise(world) -> None:
    for command in ("run", "plan"):
        for words in (("--accept-deletes",), ("accounts", "--accept-deletes", "--all-data")):
            wrong = world.document(command, *words, status=2)
            assert wrong["error"]["code"] == "choice-invalid"
    nothing = world.document("run", "accounts", "--accept-deletes", status=2)
    assert nothing["error"]["code"] == "nothing-to-accept"
    assert "Template 'accounts': no task asks" in nothing["error"]["message"]
