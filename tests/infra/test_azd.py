"""What azd gives the Bicep, against its parameters, and what a person may set."""

import pytest

from p2c.settings import SCHEDULE_PREFIX, schedule_setting
from p2c.templates import shipped_names
from tests.infra.azd import asked_variables, given_parameters, main_parameters, read_parameters
from tests.infra.deployment import REQUIRED, app_settings, deployed
from tests.infra.files import INFRA, bicep_files
from tools.bicep_check.evaluate import EvaluationError, evaluate

GIVEN = {
    "AZURE_ENV_NAME": REQUIRED["environmentName"],
    "AZURE_LOCATION": REQUIRED["location"],
    "P2C_DATAVERSE_URL": REQUIRED["dataverseUrl"],
    "P2C_FNO_URL": REQUIRED["fnoUrl"],
    "P2C_LEGAL_ENTITY": REQUIRED["legalEntity"],
}


def deployed_by_azd(**variables):
    return evaluate(bicep_files(), INFRA, read_parameters(GIVEN | variables))


def test_azd_gives_every_parameter():
    assert given_parameters() == set(main_parameters())
    assert "${" not in str(read_parameters({}))
    needed = {name for name, one in main_parameters().items() if one.default is None}
    assert needed == set(REQUIRED)
    unset = {name for name, default in asked_variables().items() if default is None}
    assert unset == {"P2C_DATAVERSE_URL", "P2C_FNO_URL", "P2C_LEGAL_ENTITY"}


def test_what_is_not_set_is_deployed_as_the_bicep_has_it():
    by_azd, by_bicep = deployed_by_azd(), deployed()
    assert by_azd.resources == by_bicep.resources
    assert by_azd.outputs == by_bicep.outputs


@pytest.mark.parametrize(
    ("variable", "value", "parameter", "as_given"),
    [
        ("TIMERS_ENABLED", "false", "timersEnabled", False),
        ("PROJECTS_FOLDER", "projects", "projects", "projects"),
        ("P2C_SETTLE_SECONDS", "1800", "settleSeconds", 1800),
        ("MAXIMUM_INSTANCE_COUNT", "40", "maximumInstanceCount", 40),
        ("INSTANCE_MEMORY_MB", "512", "instanceMemoryMB", 512),
        ("STORAGE_SKU", "Standard_ZRS", "storageSku", "Standard_ZRS"),
        ("RETENTION_DAYS", "90", "retentionDays", 90),
        ("PRIVATE_NETWORK", "true", "privateNetwork", True),
        ("ALERT_EMAIL", "operator@contoso.com", "alertEmail", "operator@contoso.com"),
        ("REJECTED_ROWS_THRESHOLD", "0", "rejectedRowsThreshold", 0),
        ("P2C_HASH_KEY", "k" * 32, "hashKey", "k" * 32),
    ],
)
def test_a_variable_is_deployed(variable, value, parameter, as_given):
    assert variable in asked_variables()
    found = deployed_by_azd(**{variable: value}).resources
    assert found == deployed(**{parameter: as_given}).resources
    assert found != deployed().resources


def test_an_app_registration_takes_its_variables():
    own = {"APP_REGISTRATION_CLIENT_ID": "made-up", "APP_REGISTRATION_SECRET": "secret"}
    by_bicep = {"appRegistrationClientId": "made-up", "appRegistrationSecret": "secret"}
    found = deployed_by_azd(**own)
    assert found.resources == deployed(**by_bicep).resources
    assert found.outputs["applicationClientId"] == "made-up"
    other = deployed_by_azd(**own, APP_REGISTRATION_TENANT_ID="customer")
    settings = app_settings(found)
    assert settings["AZURE_TENANT_ID"] != "customer"
    assert app_settings(other) == settings | {"AZURE_TENANT_ID": "customer"}


def test_each_template_has_its_schedule_and_the_time_after_which_it_is_late():
    variables = {name for name in asked_variables() if name.startswith(SCHEDULE_PREFIX)}
    assert variables == {schedule_setting(name) for name in shipped_names()}
    assert set(read_parameters({})["templates"]) == set(shipped_names())
    for name in variables:
        changed = deployed_by_azd(**{name: "0 0 3 * * *"})
        assert app_settings(changed) == app_settings(deployed()) | {name: "0 0 3 * * *"}
    late = {key: {"lateAfterMinutes": 90} for key in shipped_names()}
    assert deployed_by_azd(LATE_AFTER_MINUTES="90").resources == deployed(templates=late).resources


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("P2C_SETTLE_SECONDS", "2"),
        ("INSTANCE_MEMORY_MB", "1000"),
        ("STORAGE_SKU", "Premium"),
        ("REJECTED_ROWS_THRESHOLD", "-1"),
    ],
)
def test_a_value_that_would_do_harm_is_refused(variable, value):
    with pytest.raises(EvaluationError):
        deployed_by_azd(**{variable: value})
