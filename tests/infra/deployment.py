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
