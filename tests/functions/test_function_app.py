"""function_app.py as the production worker indexes it, without a single setting."""

import json
import subprocess
import sys

import pytest

from p2c.templates import shipped_names
from tests.functions.world import ROOT, SCHEDULES
from tests.host.needs import needs_worker
from tests.host.process import Worker

pytestmark = needs_worker


@pytest.fixture(scope="module")
def functions():
    worker = Worker.start(ROOT, {})
    yield worker.functions
    worker.kill()


def test_each_template_has_a_timer_a_queue_function_and_one_on_its_poison_queue(functions):
    for template in shipped_names():
        name = template.replace("-", "_")
        assert functions[f"enumerate_{name}"].trigger == {
            "direction": "IN",
            "type": "timerTrigger",
            "name": "timer",
            "schedule": f"%P2C_SCHEDULE_{name.upper()}%",
            "useMonitor": True,
            "runOnStartup": False,
        }
        for function, queue in (("sync", f"p2c-{template}"), ("settle", f"p2c-{template}-poison")):
            assert functions[f"{function}_{name}"].trigger == {
                "direction": "IN",
                "type": "queueTrigger",
                "name": "message",
                "queueName": queue,
                "connection": "AzureWebJobsStorage",
            }


def test_the_http_functions_ask_for_a_key_except_health(functions):
    found = {
        name: (function.trigger["route"], tuple(function.trigger["methods"]), level)
        for name, function in functions.items()
        if function.trigger["type"] == "httpTrigger"
        for level in [str(function.trigger["authLevel"]).upper()]
    }
    assert found == {
        "resync": ("resync/{template}", ("POST",), "FUNCTION"),
        "plan": ("plan/{template}", ("GET",), "FUNCTION"),
        "executions": ("executions", ("GET",), "FUNCTION"),
        "execution": ("executions/{id}", ("GET",), "FUNCTION"),
        "row": ("rows/{template}/{row}", ("GET",), "FUNCTION"),
        "rejected": ("rejected", ("GET",), "FUNCTION"),
        "retry": ("rejected/retry", ("POST",), "FUNCTION"),
        "health": ("health", ("GET",), "ANONYMOUS"),
    }


def test_there_are_no_other_functions(functions):
    assert len(functions) == 3 * len(shipped_names()) + 8


def test_no_function_has_a_retry_policy(functions):
    # The host would ignore it on a queue trigger, and keep its count in memory on a timer.
    assert [name for name, function in functions.items() if function.retry] == []


def test_the_settings_of_the_schedules_are_those_of_the_sample(functions):
    wanted = {
        function.trigger["schedule"].strip("%")
        for function in functions.values()
        if function.trigger["type"] == "timerTrigger"
    }
    sample = json.loads((ROOT / "local.settings.sample.json").read_text("utf-8"))
    given = {name for name in sample["Values"] if name.startswith("P2C_SCHEDULE_")}
    assert wanted == given == set(SCHEDULES)


def test_importing_the_app_does_not_import_the_identity_library():
    # The app has to be ready within 30 s of a cold start.
    code = "import sys, function_app; print('azure.identity' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
