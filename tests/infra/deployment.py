"""What a deployment would send to Azure, evaluated."""

import re

from tests.infra.files import INFRA, bicep_files
from tools.bicep_check.evaluate import Deployment, evaluate

REQUIRED = {
    "environmentName": "p2c-test",
    "location": "westeurope",
    "dataverseUrl": "https://contoso.crm4.dynamics.com",
    "fnoUrl": "https://contoso.operations.dynamics.com",
    "legalEntity": "usmf",
}

ROLE_NAMES = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
}

CLIENT_ID = "6c1e8f4a-0000-4000-8000-000000000001"
KNOWN_TO_AZURE = {
    "identity.identity.properties.clientId": CLIENT_ID,
    "storage.account.properties.primaryEndpoints.blob": "https://contoso.blob.core.windows.net/",
    "storage.account.properties.primaryEndpoints.queue": "https://contoso.queue.core.windows.net/",
    "storage.account.properties.primaryEndpoints.table": "https://contoso.table.core.windows.net/",
    "monitoring.insights.properties.ConnectionString": "InstrumentationKey=made-up",
    "vault.hash.properties.secretUri": "https://contoso.vault.azure.net/secrets/hash-key",
    "vault.appRegistration.properties.secretUri": "https://contoso.vault.azure.net/secrets/app",
}


def deployed(**parameters) -> Deployment:
    """Evaluate the real files with these parameters beside those that have no default."""
    return evaluate(bicep_files(), INFRA, REQUIRED | parameters)


def app_settings(deployment: Deployment) -> dict[str, str]:
    """The app's environment, with what Azure would put for references of its own."""
    (found,) = deployment.of_type("Microsoft.Web/sites/config")
    assert found.name.endswith("/appsettings")
    return {
        name: re.sub("<(.+?)>", lambda reference: KNOWN_TO_AZURE[reference[1]], value)
        for name, value in found.body["properties"].items()
    }


def names_of(deployment: Deployment, kind: str) -> list[str]:
    """The resources' own names, without those they are in."""
    return [resource.name.rpartition("/")[2] for resource in deployment.of_type(kind)]


def roles(deployment: Deployment) -> set[tuple[str, str, str]]:
    """What each role is on, whose it is, and its name."""
    found = deployment.of_type("Microsoft.Authorization/roleAssignments")
    assert len({role.name for role in found}) == len(found)
    return {
        (
            role.scope,
            role.body["properties"]["principalId"],
            ROLE_NAMES[role.body["properties"]["roleDefinitionId"].rpartition("/")[2]],
        )
        for role in found
    }
