"""Makes `types/`: what Azure's resource types may hold, from two packages of Microsoft's.

Most come from npm's @azure/mcp-linux-x64, whose command prints Bicep's own type of a resource
without going on line. It lacks Azure Monitor and private DNS; these come from the models of
the Azure SDK for Python, whose attributes carry the names on the wire. Run on Linux, x64::

    python -m tools.bicep_check.azure_types
"""

import json
import os
import shutil
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tools.bicep_check.types import FOLDER

LOCK_FOLDER = Path(__file__).parent / "node"
CACHE = Path(__file__).resolve().parents[2] / ".p2c" / "bicep-check"
NPM_PACKAGE = "@azure/mcp-linux-x64"

FROM_NPM = (
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Insights/components",
    "Microsoft.Insights/workbooks",
    "Microsoft.KeyVault/vaults",
    "Microsoft.KeyVault/vaults/secrets",
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    "Microsoft.Network/privateEndpoints",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
    "Microsoft.Network/virtualNetworks",
    "Microsoft.Network/virtualNetworks/subnets",
    "Microsoft.OperationalInsights/workspaces",
    "Microsoft.Resources/resourceGroups",
    "Microsoft.Storage/storageAccounts",
    "Microsoft.Storage/storageAccounts/blobServices",
    "Microsoft.Storage/storageAccounts/blobServices/containers",
    "Microsoft.Storage/storageAccounts/queueServices",
    "Microsoft.Storage/storageAccounts/queueServices/queues",
    "Microsoft.Storage/storageAccounts/tableServices",
    "Microsoft.Storage/storageAccounts/tableServices/tables",
    "Microsoft.Web/serverfarms",
    "Microsoft.Web/sites",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
    "Microsoft.Web/sites/config",
)
# Resource type: API version, the SDK's package and module, model. The version is the one that the
# SDK's operations on it send.
FROM_SDK = {
    "Microsoft.Insights/actionGroups": (
        "2023-01-01", "azure-mgmt-monitor", "azure.mgmt.monitor", "ActionGroupResource",
    ),
    "Microsoft.Insights/scheduledQueryRules": (
        "2023-12-01", "azure-mgmt-monitor", "azure.mgmt.monitor", "ScheduledQueryRuleResource",
    ),
    "Microsoft.Network/privateDnsZones": (
        "2024-06-01", "azure-mgmt-privatedns", "azure.mgmt.privatedns", "PrivateZone",
    ),
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": (
        "2024-06-01", "azure-mgmt-privatedns", "azure.mgmt.privatedns", "VirtualNetworkLink",
    ),
}  # fmt: skip

_PLAIN = {"string", "int", "bool", "any", "null"}


def main() -> int:
    """Make every file anew."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    command = _install_command()
    for name in FROM_NPM:
        _write(from_npm(_ask(command, name)))
    for name, (api_version, package, module, model) in FROM_SDK.items():
        _write(from_sdk(name, api_version, module, model) | {"source": _source(package)})
    return 0


def from_npm(said: list[dict[str, Any]]) -> dict[str, Any]:
    """Keep of the command's answer what a check needs: objects that the resource can reach."""
    resource = next(part for part in said if part["$type"] == "Resource")
    name, _, api_version = resource["name"].partition("@")
    known = {part["name"]: part for part in said if part["$type"].endswith("Object")}
    body = {**resource["bodyType"], "name": name}
    objects: dict[str, Any] = {}
    todo = [body]
    while todo:
        part = todo.pop()
        objects[part["name"]] = _kept(part, known)
        for found in _mentioned(objects[part["name"]]):
            if found not in objects and all(found != other["name"] for other in todo):
                todo.append(known[found])
    scopes = resource["writableScopes"].split(", ")
    return _resource(name, api_version, scopes, objects) | {"source": _npm_source()}


def from_sdk(name: str, api_version: str, module: str, model: str) -> dict[str, Any]:
    """Read a resource's properties from a model of the SDK and the models it mentions."""
    models = import_module(f"{module}.models")
    objects: dict[str, Any] = {}
    todo = {model: name}
    while todo:
        model, kept_as = todo.popitem()
        objects |= _of_model(getattr(models, model), kept_as, models)
        mentioned = {found for made in objects.values() for found in _mentioned(made)}
        todo |= {found: found for found in mentioned - objects.keys()}
    body = objects[name]
    body["properties"] |= {"name": "string", "apiVersion": "string"}
    body["read_only"] = sorted({*body["read_only"], "apiVersion"} - {"name"})
    body["required"] = sorted({*body["required"], "name"})
    return _resource(name, api_version, ["ResourceGroup"], objects)


def _kept(part: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    if part["$type"] == "DiscriminatedObject":
        discriminator = part["discriminator"]
        variants = {
            _value_of(discriminator, element): _kept(
                {**element, "properties": [*part["baseProperties"], *element["properties"]]}, known
            )
            for element in part["elements"]
        }
        return {"discriminator": discriminator, "variants": variants}
    properties = part["properties"]
    kept: dict[str, Any] = {
        "properties": {found["name"]: _type(found["type"], known) for found in properties},
        "required": [found["name"] for found in properties if "Required" in _flags(found)],
        "read_only": [found["name"] for found in properties if "ReadOnly" in _flags(found)],
    }
    # A list that only the service fills is not looked into; it would bring in whole other types.
    for name in kept["read_only"]:
        if "items" in kept["properties"][name]:
            kept["properties"][name] = {"items": "any"}
    if "additionalPropertiesType" in part:
        kept["others"] = _type(part["additionalPropertiesType"], known)
    return kept


def _value_of(discriminator: str, element: dict[str, Any]) -> str:
    return next(str(p["type"]) for p in element["properties"] if p["name"] == discriminator)


def _flags(found: dict[str, Any]) -> list[str]:
    return str(found.get("flags", "")).split(", ")


def _type(text: str, known: dict[str, Any]) -> Any:
    """Read the command's notation: ``string``, ``Sku``, ``Sku[]``, ``Hot | Cool | string``."""
    if text.endswith("[]"):
        return {"items": _type(text[:-2].removeprefix("(").removesuffix(")"), known)}
    if text in _PLAIN:
        return text
    if text in known:
        return {"ref": text}
    values = text.split(" | ")
    return {
        "one_of": [value for value in values if value not in _PLAIN],
        "open": any(value in _PLAIN for value in values),
    }


def _of_model(model: Any, kept_as: str, models: Any) -> dict[str, Any]:
    """Read a model; attributes of a flattened object become that object again."""
    made: dict[str, Any] = {}
    for attribute, found in model._attribute_map.items():  # noqa: SLF001  there is no other way
        *outer, name = found["key"].split(".")
        owner = ".".join([kept_as, *outer])
        kept = made.setdefault(owner, {"properties": {}, "required": [], "read_only": []})
        kept["properties"][name] = _sdk_type(model, attribute, found["type"], models)
        rule = model._validation.get(attribute, {})  # noqa: SLF001  as above
        if rule.get("required"):
            kept["required"].append(name)
        if rule.get("readonly"):
            kept["read_only"].append(name)
    for owner, kept in made.items():
        if owner != kept_as:
            made[kept_as]["properties"][owner.rpartition(".")[2]] = {"ref": owner}
            if kept["required"]:
                made[kept_as]["required"].append(owner.rpartition(".")[2])
    return made


def _sdk_type(model: Any, attribute: str, text: str, models: Any) -> Any:
    """Read the SDK's notation: ``str``, ``Identity``, ``[str]``, ``{str}``; enums by annotation."""
    if text.startswith("["):
        return {"items": _sdk_type(model, attribute, text[1:-1], models)}
    if text.startswith("{"):
        return "any"
    if text in ("str", "int"):
        annotation = str(model.__init__.__annotations__.get(attribute, ""))
        named = annotation.partition("_models.")[2].partition("'")[0].partition("]")[0]
        if named and issubclass(getattr(models, named), (str, int)):
            return {"one_of": [member.value for member in getattr(models, named)], "open": True}
    plain = {"int": "int", "long": "int", "bool": "bool", "object": "any"}
    if text in ("str", "duration", "iso-8601", "float"):
        return "any" if text == "float" else "string"
    return plain.get(text) or {"ref": text}


def _mentioned(kept: Any) -> list[str]:
    if isinstance(kept, dict):
        own = [kept["ref"]] if "ref" in kept and isinstance(kept["ref"], str) else []
        return own + [found for value in kept.values() for found in _mentioned(value)]
    return []


def _resource(
    name: str, api_version: str, scopes: list[str], objects: dict[str, Any]
) -> dict[str, Any]:
    return {
        "name": name,
        "api_version": api_version,
        "scopes": scopes,
        "body": name,
        "objects": dict(sorted(objects.items())),
    }


def _install_command() -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    for found in LOCK_FOLDER.iterdir():
        shutil.copy(found, CACHE)
    npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(npm, cwd=CACHE, check=True)
    command = CACHE / "node_modules" / NPM_PACKAGE / "dist" / "azmcp"
    command.chmod(0o755)
    return command


def _ask(command: Path, name: str) -> list[dict[str, Any]]:
    environment = {
        **os.environ,
        "AZURE_MCP_COLLECT_TELEMETRY": "false",
        "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1",
    }
    asked = [str(command), "bicepschema", "get", "--resource-type", name]
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, check=True)
    said: list[dict[str, Any]] = json.loads(done.stdout)["results"]["BicepSchemaResult"]
    return said


def _npm_source() -> str:
    wanted = json.loads((LOCK_FOLDER / "package.json").read_text("utf-8"))
    return f"{NPM_PACKAGE} {wanted['dependencies'][NPM_PACKAGE]}"


def _source(package: str) -> str:
    return f"{package} {version(package)}"


def _write(kept: dict[str, Any]) -> None:
    path = FOLDER / f"{kept['name'].replace('/', '_')}.json"
    path.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
