"""The suite pointed at an environment by its settings: here a sandbox that it does not control."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from p2c.sandbox import DemoSize, Sandbox

ROOT = Path(__file__).resolve().parents[2]
OWN = "P2C_CONTRACT_"


def contract_suite(**settings: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"),
            "tests/contract",
            "--ignore=tests/contract/test_real_environment.py",
        ],
        cwd=ROOT,
        env=environ | {OWN + name: value for name, value in settings.items()},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def held(environment: Sandbox) -> list[set[str]]:
    return [
        {str(row["accountid"]) for row in environment.dataverse_rows("accounts")},
        {str(row["contactid"]) for row in environment.dataverse_rows("contacts")},
        {str(record["CustomerAccount"]) for record in environment.fno_records("CustomersV2")},
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("leave", "least", "reason"),
    [
        ("", 10, "it writes, and the real environment is only read unless P2C_CONTRACT_WRITE=yes"),
        ("yes", 40, "a real environment does not fail, throttle or forget on demand"),
    ],
    ids=["reading", "writing"],
)
def test_a_real_environment_is_left_as_it_was_and_skips_say_why(leave, least, reason) -> None:
    with Sandbox(demo=DemoSize(accounts=20, contacts=40)) as environment:
        before = held(environment)
        done = contract_suite(
            DATAVERSE_URL=environment.dataverse_url, FNO_URL=environment.fno_url, WRITE=leave
        )
        after = held(environment)
    assert done.returncode == 0, done.stdout
    assert after == before
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= least, done.stdout
    assert reason in done.stdout


def test_one_url_without_the_other_is_an_error_not_the_sandbox() -> None:
    done = contract_suite(FNO_URL="http://127.0.0.1:9")
    assert done.returncode == 4
    assert "Only one of P2C_CONTRACT_DATAVERSE_URL and P2C_CONTRACT_FNO_URL is set" in done.stderr
