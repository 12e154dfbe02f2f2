"""The settings that are deployed against those that the code reads."""

import json
import re

import pytest

from p2c.settings import (
    SCHEDULE_PREFIX,
    STORAGE,
    load_settings,
    load_telemetry_settings,
    setting_names,
)
from p2c.templates import shipped_names
from tests.infra.deployment import CLIENT_ID, app_settings, deployed
from tests.infra.files import ROOT
from tests.support.triggers import triggers, triggers_by_function

HOST = json.loads((ROOT / "host.json").read_text("utf-8"))
SAMPLE = json.loads((ROOT / "local.settings.sample.json").read_text("utf-8"))["Values"]

NOT_DEPLOYED = {
    STORAGE: "a connection string carries a key, and the account refuses keys",
    f"{STORAGE}__accountName": "the URLs say it, in any of Azure's clouds",
}
NOTHING_ABOUT_ITSELF = {
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "the exporter: it asks Microsoft nothing",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "the exporter: no metrics about itself",
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "the exporter: it tells Microsoft nothing",
}
READ_BY_OTHERS = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "host and exporter: the identity to send with",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "the host and p2c: where telemetry goes",
    "AZURE_CLIENT_ID": "azure-identity's DefaultAzureCredential",
    "PYTHON_ENABLE_OPENTELEMETRY": "the worker: log records leave from it",
    "PYTHON_THREADPOOL_THREAD_COUNT": "the worker",
    **NOTHING_ABOUT_ITSELF,
}
READ_BY_OTHERS_WITH_SECRET = {
    "AZURE_CLIENT_SECRET": "azure-identity's DefaultAzureCredential",
    "AZURE_TENANT_ID": "azure-identity's DefaultAzureCredential",
}
REFUSED_BY_FLEX = {
    "ENABLE_ORYX_BUILD",
    "FUNCTIONS_EXTENSION_VERSION",
    "FUNCTIONS_WORKER_RUNTIME",
    "FUNCTIONS_WORKER_RUNTIME_VERSION",
    "SCM_DO_BUILD_DURING_DEPLOYMENT",
    "TZ",
}
HASH_KEY = "k" * 32
WITH_SECRET = {"appRegistrationClientId": "made-up-id", "appRegistrationSecret": "made-up-secret"}


def test_what_the_code_reads_is_provided_and_what_is_provided_is_read():
    provided = set(app_settings(deployed())) - set(READ_BY_OTHERS)
    kinds = {re.sub(f"^{SCHEDULE_PREFIX}.*", f"{SCHEDULE_PREFIX}<TEMPLATE>", n) for n in provided}
    assert kinds == set(setting_names()) - set(NOT_DEPLOYED)


@pytest.mark.parametrize("more", [{}, WITH_SECRET])
def test_what_others_read_is_provided(more):
    expected = READ_BY_OTHERS | (READ_BY_OTHERS_WITH_SECRET if more else {})
    found = app_settings(deployed(**more))
    assert {name for name in found if not name.startswith(("P2C_", STORAGE))} == set(expected)


def test_there_is_a_schedule_for_each_timer_and_no_other():
    needed = {trigger["schedule"].strip("%") for trigger in triggers() if "schedule" in trigger}
    provided = {name for name in app_settings(deployed()) if name.startswith(SCHEDULE_PREFIX)}
    assert provided == needed
    assert len(needed) == len(shipped_names())


def test_schedules_are_those_of_the_local_sample():
    found = app_settings(deployed())
    schedules = {name: value for name, value in SAMPLE.items() if name.startswith(SCHEDULE_PREFIX)}
    assert {name: found[name] for name in schedules} == schedules


def test_a_schedule_can_be_changed_by_itself():
    changed = deployed(templates={"contacts": {"schedule": "0 0 3 * * *"}})
    found, before = app_settings(changed), app_settings(deployed())
    assert found == before | {"P2C_SCHEDULE_CONTACTS": "0 0 3 * * *"}


def test_without_timers_each_of_them_and_nothing_else_is_disabled():
    found, before = app_settings(deployed(timersEnabled=False)), app_settings(deployed())
    timers = {name for name, trigger in triggers_by_function().items() if "schedule" in trigger}
    disabled = {f"AzureWebJobs.{name}.Disabled": "true" for name in timers}
    assert len(timers) == len(shipped_names())
    assert found == before | disabled
    assert load_settings(found) == load_settings(before)


def test_the_app_can_read_its_settings():
    settings = load_settings(app_settings(deployed()))
    assert settings.dataverse_url == "https://contoso.crm4.dynamics.com"
    assert settings.fno_url == "https://contoso.operations.dynamics.com"
    assert settings.legal_entity == "usmf"
    assert settings.credential == "default"
    assert settings.projects is None
    assert settings.hash_key is None
    assert settings.settle_seconds == type(settings).model_fields["settle_seconds"].default
    assert len(settings.schedules) == len(shipped_names())
    assert settings.storage.queue_url == "https://contoso.queue.core.windows.net"
    assert settings.storage.table_url == "https://contoso.table.core.windows.net"
    assert settings.storage.credential == "managedidentity"
    assert settings.storage.client_id == CLIENT_ID


def test_telemetry_goes_to_application_insights_by_p2c_and_not_by_the_worker():
    found = app_settings(deployed())
    telemetry = load_telemetry_settings(found)
    assert telemetry.choice == "azure"
    assert telemetry.connection_string == found["APPLICATIONINSIGHTS_CONNECTION_STRING"]
    identity = f"ClientId={CLIENT_ID};Authorization=AAD"
    assert found["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"] == identity
    assert found["PYTHON_ENABLE_OPENTELEMETRY"] == "true"
    # The worker would send spans of its own, with URLs, and live metrics.
    assert "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY" not in found
    assert {found[name] for name in NOTHING_ABOUT_ITSELF} == {"true"}


def test_the_settle_time_cannot_be_deployed_shorter_than_the_promise_needs():
    assert app_settings(deployed(settleSeconds=1800))["P2C_SETTLE_SECONDS"] == "1800"


def test_projects_are_looked_for_in_the_package():
    found = app_settings(deployed(projects="projects"))
    assert found["P2C_PROJECTS"] == "/home/site/wwwroot/projects"


def test_a_hash_key_comes_from_the_vault():
    settings = load_settings(app_settings(deployed(hashKey=HASH_KEY)))
    assert settings.hash_key is not None
    assert settings.hash_key.get_secret_value() == (
        "@Microsoft.KeyVault(SecretUri=https://contoso.vault.azure.net/secrets/hash-key)"
    )


def test_a_client_secret_comes_from_the_vault_and_storage_keeps_the_identity():
    found = app_settings(deployed(**WITH_SECRET))
    assert found["AZURE_CLIENT_ID"] == "made-up-id"
    assert found["AZURE_CLIENT_SECRET"] == (
        "@Microsoft.KeyVault(SecretUri=https://contoso.vault.azure.net/secrets/app)"
    )
    assert found[f"{STORAGE}__clientId"] == CLIENT_ID


def test_secrets_are_nowhere_but_in_the_vault():
    deployment = deployed(hashKey=HASH_KEY, **WITH_SECRET)
    expected = {"vault.hash": HASH_KEY, "vault.appRegistration": "made-up-secret"}
    holders = {
        (resource.symbol, secret)
        for resource in deployment.resources
        for secret in expected.values()
        if secret in str(resource.body)
    }
    assert holders == set(expected.items())
    assert not any(secret in str(deployment.outputs) for secret in expected.values())


def test_no_vault_is_deployed_without_a_secret():
    assert not deployed().of_type("Microsoft.KeyVault/vaults")


@pytest.mark.parametrize("more", [{}, WITH_SECRET, {"privateNetwork": True}])
def test_nothing_is_set_that_flex_consumption_refuses(more):
    found = app_settings(deployed(**more))
    assert not REFUSED_BY_FLEX & set(found)
    assert not [name for name in found if name.startswith(("WEBSITE_", "AzureWebJobsDashboard"))]


def test_there_is_a_thread_for_every_message_that_an_instance_takes():
    queues = HOST["extensions"]["queues"]
    threads = int(app_settings(deployed())["PYTHON_THREADPOOL_THREAD_COUNT"])
    assert threads > queues["batchSize"] + queues["newBatchThreshold"]
    assert threads == int(SAMPLE["PYTHON_THREADPOOL_THREAD_COUNT"])
