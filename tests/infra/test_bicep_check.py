"""The checker on the real files, and on copies of them with one mistake each."""

import json

import pytest

from tests.infra.files import INFRA, ROOT, with_change
from tools.bicep_check.check import check_files, check_folder
from tools.bicep_check.types import FOLDER


def codes(file, old, new):
    return {finding.code for finding in check_files(with_change(file, old, new), INFRA)}


def test_the_real_files_have_no_findings():
    assert [str(finding) for finding in check_folder(INFRA)] == []


# What is wrong: file, what stands there, what is put instead, the finding's code.
MISTAKES = [
    # Syntax.
    ("identity.bicep", "  tags: tags\n}", "  tags: tags\n", "syntax"),
    ("identity.bicep", "  name: name\n  location", "  name: name location", "syntax"),
    ("identity.bicep", "param tags object", "param tags", "syntax"),
    ("monitoring.bicep", "'PerGB2018'", "'PerGB2018", "syntax"),
    ("storage.bicep", "  'p2cledger'\n", "  'p2cledger' 'p2cother'\n", "syntax"),
    ("function-app.bicep", "reserved: true", "reserved = true", "syntax"),
    ("network.bicep", "concat(storageTargets,", "[...storageTargets,", "syntax"),
    # Names.
    ("storage.bicep", "parent: queueService\n", "parent: queuesService\n", "name-unknown"),
    ("main.bicep", "'rg-${environmentName}'", "'rg-${enviromentName}'", "name-unknown"),
    ("storage.bicep", "name: queueName\n", "name: tableName\n", "name-unknown"),
    ("network.bicep", "network::endpointSubnet", "network::endpointsSubnet", "name-unknown"),
    ("identity.bicep", "param name string", "param name string\nparam more string",
     "parameter-unused"),
    ("vault.bicep", "var keyVault", "var spare = 1\nvar keyVault", "variable-unused"),
    ("storage.bicep", "var tables =", "var queues =", "name-duplicate"),
    ("main.bicep", "var tags = {", "var tags = {\n  x: scheduledTemplates\n  y: tags", "cycle"),
    # Functions and decorators.
    ("main.bicep", "uniqueString(subscription", "uniquestring(subscription", "function-unknown"),
    ("function-app.bicep", "replace(template.key, '-', '_')", "replace(template.key, '-')",
     "arguments"),
    ("main.bicep", "empty(hashKey)", "empty(hashKey, 1)", "arguments"),
    ("alerts.bicep", "queries/poison.kql", "queries/poisoned.kql", "file-missing"),
    ("vault.bicep", "@secure()\nparam hashKey", "@secret()\nparam hashKey", "decorator-unknown"),
    ("vault.bicep", "@secure()\nparam hashKey", "param hashKey", "secret-open"),
    ("main.bicep", "@minValue(0)\nparam", "@minValue('0')\nparam", "type-mismatch"),
    ("main.bicep", "int = 900", "int = 600", "default-outside"),
    ("main.bicep", "string = 'Standard_LRS'", "string = 'Standard_LSR'", "type-mismatch"),
    # Types of resources and their place.
    ("storage.bicep", "queueServices/queues@", "queueServices/queue@", "resource-type-unknown"),
    ("vault.bicep", "Microsoft.KeyVault/vaults@", "microsoft.keyvault/vaults@",
     "resource-type-case"),
    ("storage.bicep", "storageAccounts@2025-01-01", "storageAccounts@2025-01-02", "api-version"),
    ("storage.bicep", "parent: queueService\n", "parent: tableService\n", "parent"),
    ("storage.bicep", "  parent: queueService\n", "", "parent"),
    ("storage.bicep", "  scope: account\n", "  scope: acount\n", "name-unknown"),
    ("main.bicep", "targetScope = 'subscription'\n", "", "scope"),
    # Properties.
    ("storage.bicep", "allowSharedKeyAccess", "allowSharedKeysAccess", "property-unknown"),
    ("storage.bicep", "allowBlobPublicAccess", "allowblobPublicAccess", "property-unknown"),
    ("function-app.bicep", "      runtime: {", "      runtimes: {", "property-unknown"),
    ("function-app.bicep", "  kind: 'functionapp'\n", "  kind: 'functionapp'\n  kind: 'linux'\n",
     "property-duplicate"),
    ("storage.bicep", "  kind: 'StorageV2'\n", "", "property-missing"),
    ("alerts.bicep", "            operator: 'Include'\n", "", "type-mismatch"),
    ("monitoring.bicep", "    Application_Type: 'web'\n", "", "property-missing"),
    ("monitoring.bicep", "DisableLocalAuth: true", "ConnectionString: 'x'", "property-read-only"),
    ("storage.bicep", "minimumTlsVersion: 'TLS1_2'", "minimumTlsVersion: 'TLS12'", "type-mismatch"),
    ("storage.bicep", "principalType: 'ServicePrincipal'", "principalType: 'Service'",
     "type-mismatch"),
    ("function-app.bicep", "name: 'python'", "name: 'phyton'", "type-mismatch"),
    ("function-app.bicep", "httpsOnly: true", "httpsOnly: 'true'", "type-mismatch"),
    ("function-app.bicep", "name: 'appsettings'", "name: 'appsetting'", "variant-unknown"),
    ("alerts.bicep", "severity: 3", "severity: 5", "type-mismatch"),
    ("alerts.bicep", "      workspaceId\n", "      1\n", "type-mismatch"),
    ("function-app.bicep", "maximumInstanceCount: maximumInstanceCount",
     "maximumInstanceCount: name", "type-mismatch"),
    # What is read from elsewhere.
    ("identity.bicep", "properties.clientId", "properties.clientID", "member-unknown"),
    ("alerts.bicep", "rule.threshold", "rule.treshold", "member-unknown"),
    ("alerts.bicep", "    enabled: timersEnabled\n", "", "member-unknown"),
    ("main.bicep", "    timersEnabled: timersEnabled\n    rejected", "    rejected",
     "property-missing"),
    ("alerts.bicep", "    threshold: oldMessageMinutes", "    treshold: 1", "member-unknown"),
    ("main.bicep", "storage.outputs.queueUri", "storage.outputs.queueUrl", "member-unknown"),
    ("main.bicep", "network!.outputs", "network.outputs", "conditional-access"),
    ("network.bicep", "zone[index].id", "zone['x'].id", "member-unknown"),
    # Modules.
    ("main.bicep", "'identity.bicep'", "'identities.bicep'", "module-missing"),
    ("main.bicep", "    sku: storageSku\n", "", "property-missing"),
    ("main.bicep", "    sku: storageSku\n", "    skuName: storageSku\n", "property-unknown"),
    ("main.bicep", "settleSeconds: settleSeconds", "settleSeconds: '900'", "type-mismatch"),
    ("main.bicep", "privateNetwork: privateNetwork", "privateNetwork: location", "type-mismatch"),
    ("main.bicep", "  name: 'identity'\n  scope: group\n", "  name: 'identity'\n", "scope"),
    ("main.bicep", "output storageAccountName string", "output storageAccountName int",
     "type-mismatch"),
    # What the checker cannot judge is said, not passed.
    ("main.bicep", "@description('Root URL of the HTTP", "import { x } from 'x.bicep'\n\n"
     "@description('Root URL of the HTTP", "construct-unknown"),
    ("monitoring.bicep", "insights.properties.ConnectionString",
     "insights.listKeys().connectionString", "construct-unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "code"), MISTAKES)
def test_a_mistake_is_found(file, old, new, code):
    assert code in codes(file, old, new)


def test_a_finding_names_the_place_what_was_found_and_what_was_meant():
    changed = with_change("storage.bicep", "allowSharedKeyAccess", "allowSharedKeysAccess")
    (finding,) = check_files(changed, INFRA)
    line = changed["storage.bicep"].split("allowSharedKeysAccess")[0].count("\n") + 1
    assert str(finding).startswith(f"storage.bicep:{line}:5: property-unknown: ")
    assert "did you mean 'allowSharedKeyAccess'?" in str(finding)


def test_the_types_are_of_the_packages_that_are_locked():
    npm = json.loads((ROOT / "tools/bicep_check/node/package.json").read_text("utf-8"))
    pinned = {f"{name} {version}" for name, version in npm["dependencies"].items()}
    lines = (ROOT / "tools/bicep_check/requirements.in").read_text("utf-8").splitlines()
    pinned |= {line.replace("==", " ") for line in lines if not line.startswith("#")}
    sources = {json.loads(path.read_text("utf-8"))["source"] for path in FOLDER.glob("*.json")}
    assert sources == pinned
