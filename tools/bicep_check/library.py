"""What Bicep's functions return; those that `functions` has a signature for, and no others.

What only Azure knows is made up: texts of the right form, the same each time.
"""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from ipaddress import ip_network
from itertools import islice

_SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
_TENANT = "00000000-0000-0000-0000-000000000002"
_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"
_UNIQUE_LENGTH = 13
_GUID_NAMESPACE = uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")


def _cidr_subnet(network: str, bits: int, index: int) -> str:
    return str(next(islice(ip_network(network).subnets(new_prefix=bits), index, None)))


def _concat(*lists: Sequence[object]) -> list[object]:
    return [item for each in lists for item in each]


def _guid(*parts: str) -> str:
    return str(uuid.uuid5(_GUID_NAMESPACE, "-".join(parts)))


def _items(whole: Mapping[str, object]) -> list[object]:
    return [{"key": key, "value": whole[key]} for key in sorted(whole)]


def _map(items: Sequence[object], each: Callable[[object], object]) -> list[object]:
    return [each(item) for item in items]


def _string(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _subscription_resource_id(kind: str, *names: str) -> str:
    return "/".join(["", "subscriptions", _SUBSCRIPTION, "providers", kind, *names])


def _to_object(
    items: Sequence[object],
    key: Callable[[object], str],
    value: Callable[[object], object] = lambda item: item,
) -> dict[str, object]:
    return {key(item): value(item) for item in items}


def _union(*values: object) -> object:
    """Merge lists into one without repetitions, objects with all that is within them."""
    if all(isinstance(value, list) for value in values):
        merged: list[object] = []
        for item in _concat(*(value for value in values if isinstance(value, list))):
            if item not in merged:
                merged.append(item)
        return merged
    whole: dict[str, object] = {}
    for value in values:
        assert isinstance(value, dict)
        for key, inner in value.items():
            both = isinstance(inner, dict) and isinstance(whole.get(key), dict)
            whole[key] = _union(whole[key], inner) if both else inner
    return whole


def _unique_string(*parts: str) -> str:
    digest = sha256("-".join(parts).encode()).digest()
    return "".join(_DIGITS[byte % len(_DIGITS)] for byte in digest[:_UNIQUE_LENGTH])


LIBRARY: Mapping[str, Callable[..., object]] = {
    "cidrSubnet": _cidr_subnet,
    "concat": _concat,
    "contains": lambda whole, part: part in whole,
    "empty": lambda value: value is None or len(value) == 0,
    "environment": lambda: {
        "name": "AzureCloud",
        "suffixes": {
            "storage": "core.windows.net",
            "keyvaultDns": ".vault.azure.net",
            "sqlServerHostname": ".database.windows.net",
        },
    },
    "flatten": lambda lists: _concat(*lists),
    "guid": _guid,
    "items": _items,
    "join": lambda parts, between: between.join(parts),
    "length": len,
    "map": _map,
    "objectKeys": sorted,
    "replace": lambda text, old, new: text.replace(old, new),
    "resourceGroup": lambda: {
        "id": f"/subscriptions/{_SUBSCRIPTION}/resourceGroups/made-up",
        "name": "made-up",
        "location": "westeurope",
        "tags": {},
    },
    "string": _string,
    "subscription": lambda: {
        "id": f"/subscriptions/{_SUBSCRIPTION}",
        "subscriptionId": _SUBSCRIPTION,
        "tenantId": _TENANT,
        "displayName": "made up",
    },
    "subscriptionResourceId": _subscription_resource_id,
    "tenant": lambda: {"tenantId": _TENANT},
    "toLower": lambda text: text.lower(),
    "toObject": _to_object,
    "toUpper": lambda text: text.upper(),
    "union": _union,
    "uniqueString": _unique_string,
}
"""All but ``loadTextContent``, which needs to know the folder."""
