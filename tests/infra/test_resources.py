"""Queues, tables, roles, the function app and the network against what the code needs."""

import ipaddress
import re

import pytest

from p2c.bootstrap import TABLES, poison_queue_name, queue_name
from p2c.templates import shipped_names
from tests.infra.deployment import REQUIRED, deployed, names_of, roles
from tests.infra.files import ROOT
from tests.support.triggers import triggers

QUEUES = "Microsoft.Storage/storageAccounts/queueServices/queues"
TABLES_TYPE = "Microsoft.Storage/storageAccounts/tableServices/tables"
CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"
APP = "<identity.identity.properties.principalId>"
APP_ROLES = {
    ("storage.account", APP, "Storage Blob Data Owner"),
    ("storage.account", APP, "Storage Queue Data Contributor"),
    ("storage.account", APP, "Storage Table Data Contributor"),
    ("monitoring.insights", APP, "Monitoring Metrics Publisher"),
}
OPERATOR_ROLES = {
    ("storage.account", "someone", "Storage Queue Data Contributor"),
    ("storage.account", "someone", "Storage Table Data Contributor"),
}


def properties(deployment, kind):
    (found,) = deployment.of_type(kind)
    return found.body["properties"]


def test_queues_are_those_of_the_templates():
    shipped = shipped_names()
    expected = {queue_name(t) for t in shipped} | {poison_queue_name(t) for t in shipped}
    assert sorted(names_of(deployed(), QUEUES)) == sorted(expected)


def test_every_queue_has_its_function():
    asked = [trigger["queueName"] for trigger in triggers() if "queueName" in trigger]
    assert sorted(names_of(deployed(), QUEUES)) == sorted(asked)


def test_tables_are_those_of_the_code():
    assert sorted(names_of(deployed(), TABLES_TYPE)) == sorted(TABLES)


def test_the_package_goes_where_the_app_looks_for_it():
    deployment = deployed()
    (container,) = names_of(deployment, CONTAINERS)
    storage = properties(deployment, "Microsoft.Web/sites")["functionAppConfig"]["deployment"]
    assert storage["storage"]["value"].endswith(f".blob>{container}")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, APP_ROLES),
        ({"operatorPrincipalId": "someone"}, APP_ROLES | OPERATOR_ROLES),
        (
            {"hashKey": "k" * 32},
            APP_ROLES | {("vault.vault", APP, "Key Vault Secrets User")},
        ),
        ({"privateNetwork": True}, APP_ROLES),
    ],
)
def test_roles_are_these_and_no_others(more, expected):
    assert roles(deployed(**more)) == expected


def test_storage_and_monitoring_take_no_keys():
    deployment = deployed()
    account = properties(deployment, "Microsoft.Storage/storageAccounts")
    assert account["allowSharedKeyAccess"] is False
    assert account["allowBlobPublicAccess"] is False
    assert account["minimumTlsVersion"] == "TLS1_2"
    assert account["supportsHttpsTrafficOnly"] is True
    assert properties(deployment, "Microsoft.Insights/components")["DisableLocalAuth"] is True
    publishing = properties(deployment, "Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    assert publishing["allow"] is False


def test_the_app_runs_on_the_python_that_development_uses():
    runtime = properties(deployed(), "Microsoft.Web/sites")["functionAppConfig"]["runtime"]
    assert runtime["name"] == "python"
    version = re.escape(runtime["version"])
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(rf'\$\(DEV\)/bin/python \|\| "\$\$\(tools/find-python {version}\)"', makefile)
    dockerfile = (ROOT / ".devcontainer/Dockerfile").read_text("utf-8")
    assert re.search(rf"^FROM python:{version}-", dockerfile, re.MULTILINE)


def test_instances_are_bounded_and_the_plan_is_flex_consumption():
    deployment = deployed(maximumInstanceCount=3)
    (plan,) = deployment.of_type("Microsoft.Web/serverfarms")
    assert plan.body["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    scale = properties(deployment, "Microsoft.Web/sites")["functionAppConfig"]
    assert scale["scaleAndConcurrency"] == {"maximumInstanceCount": 3, "instanceMemoryMB": 2048}


def test_the_app_is_the_service_that_azd_deploys_to():
    (site,) = deployed().of_type("Microsoft.Web/sites")
    azure = (ROOT / "azure.yaml").read_text("utf-8")
    assert f"\n  {site.body['tags']['azd-service-name']}:\n    project: ." in azure
    (group,) = deployed().of_type("Microsoft.Resources/resourceGroups")
    assert group.body["tags"]["azd-env-name"] == REQUIRED["environmentName"]


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("Microsoft.Storage/storageAccounts", r"[a-z0-9]{3,24}"),
        ("Microsoft.KeyVault/vaults", r"[a-z][a-z0-9-]{1,22}[a-z0-9]"),
        # The host tells apps on one storage account apart by the first 32 characters.
        ("Microsoft.Web/sites", r"[a-z0-9][a-z0-9-]{0,30}[a-z0-9]"),
        (QUEUES, r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"),
        (TABLES_TYPE, r"[A-Za-z][A-Za-z0-9]{2,62}"),
        (CONTAINERS, r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"),
        ("Microsoft.Resources/resourceGroups", r"[\w.()-]{1,89}[\w()-]"),
    ],
)
def test_names_are_such_as_azure_takes(kind, pattern):
    names = names_of(deployed(hashKey="k" * 32, environmentName="e" * 32), kind)
    assert names
    assert [name for name in names if not re.fullmatch(pattern, name)] == []


def test_by_default_there_is_no_network():
    kinds = {resource.type.partition("/")[0] for resource in deployed().resources}
    assert "Microsoft.Network" not in kinds


def test_in_a_network_every_service_has_its_endpoint_and_its_zone():
    deployment = deployed(privateNetwork=True, hashKey="k" * 32)
    for kind in ("Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults"):
        assert properties(deployment, kind)["publicNetworkAccess"] == "Disabled"
    reached = {
        (connection["properties"]["privateLinkServiceId"], *connection["properties"]["groupIds"])
        for endpoint in deployment.of_type("Microsoft.Network/privateEndpoints")
        for connection in endpoint.body["properties"]["privateLinkServiceConnections"]
    }
    storage, vault = "<storage.account.id>", "<vault.vault.id>"
    assert reached == {
        (storage, "blob"), (storage, "queue"), (storage, "table"), (vault, "vault")
    }  # fmt: skip
    zones = names_of(deployment, "Microsoft.Network/privateDnsZones")
    assert zones == [
        *(f"privatelink.{service}.core.windows.net" for service in ("blob", "queue", "table")),
        "privatelink.vaultcore.azure.net",
    ]
    links = deployment.of_type("Microsoft.Network/privateDnsZones/virtualNetworkLinks")
    assert [link.name.partition("/")[0] for link in links] == zones


def test_the_app_has_a_subnet_of_its_own_that_flex_consumption_takes():
    deployment = deployed(privateNetwork=True)
    network = properties(deployment, "Microsoft.Network/virtualNetworks")
    app, endpoints = (subnet["properties"] for subnet in network["subnets"])
    (delegation,) = app["delegations"]
    assert delegation["properties"]["serviceName"] == "Microsoft.App/environments"
    own = ipaddress.ip_network(app["addressPrefix"])
    assert own.prefixlen <= 27
    assert not own.overlaps(ipaddress.ip_network(endpoints["addressPrefix"]))
    site = properties(deployment, "Microsoft.Web/sites")
    assert site["virtualNetworkSubnetId"] == "<network.appSubnet.id>"


def test_the_alerts_are_mailed_to_whom_the_deployment_names():
    for email, receivers in (("", []), ("operator@contoso.com", ["operator@contoso.com"])):
        deployment = deployed(alertEmail=email)
        group = properties(deployment, "Microsoft.Insights/actionGroups")
        assert [one["emailAddress"] for one in group["emailReceivers"]] == receivers
        alerts = deployment.of_type("Microsoft.Insights/scheduledQueryRules")
        groups = [alert.body["properties"]["actions"]["actionGroups"] for alert in alerts]
        assert groups == [["<alerts.actionGroup.id>"]] * len(alerts)


def test_only_the_alert_on_late_templates_depends_on_timers():
    for timers in (True, False):
        rules = deployed(timersEnabled=timers).of_type("Microsoft.Insights/scheduledQueryRules")
        silent = [rule.name for rule in rules if not rule.body["properties"]["enabled"]]
        assert [name.startswith("alert-late-") for name in silent] == ([] if timers else [True])


def test_an_alert_knows_every_template():
    deployment = deployed(templates={"accounts": {"lateAfterMinutes": 90}})
    (late,) = (
        rule
        for rule in deployment.of_type("Microsoft.Insights/scheduledQueryRules")
        if rule.name.startswith("alert-late-")
    )
    query = late.body["properties"]["criteria"]["allOf"][0]["query"]
    found = dict(re.findall(r'"([\w-]+)", (\d+)', query))
    expected = dict.fromkeys(shipped_names(), "30") | {"accounts": "90"}
    assert found == expected
