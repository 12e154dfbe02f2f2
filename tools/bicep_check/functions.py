"""The functions of Bicep that `infra/` uses: what they take and return."""

from dataclasses import dataclass

from tools.bicep_check.types import (
    ANY,
    ANY_OBJECT,
    BOOL,
    INT,
    STRING,
    ListOf,
    ObjectType,
    PropertyType,
    Type,
)

LAMBDA = ObjectType("lambda")
"""Stands for a function's parameter that is a lambda."""


@dataclass(frozen=True)
class Signature:
    """What a function takes, in order, and returns.

    Attributes:
        optional: How many of `takes`, from the end, may be left out.
        more: What any number of further arguments may be; None where there are none.
    """

    takes: tuple[Type, ...]
    returns: Type
    optional: int = 0
    more: Type | None = None


def _object(name: str, /, **properties: Type) -> ObjectType:
    return ObjectType(name, {key: PropertyType(kind) for key, kind in properties.items()})


_ANYTHINGS = ListOf(ANY)
_STRINGS = ListOf(STRING)
_SUBSCRIPTION = _object(
    "subscription", id=STRING, subscriptionId=STRING, tenantId=STRING, displayName=STRING
)
_GROUP = _object("resource group", id=STRING, name=STRING, location=STRING, tags=ANY_OBJECT)
_ENVIRONMENT = _object(
    "environment",
    name=STRING,
    suffixes=_object("suffixes", storage=STRING, keyvaultDns=STRING, sqlServerHostname=STRING),
)

FUNCTIONS = {
    "cidrSubnet": Signature((STRING, INT, INT), STRING),
    "concat": Signature((_ANYTHINGS,), _ANYTHINGS, more=_ANYTHINGS),
    "contains": Signature((ANY, ANY), BOOL),
    "empty": Signature((ANY,), BOOL),
    "environment": Signature((), _ENVIRONMENT),
    "flatten": Signature((_ANYTHINGS,), _ANYTHINGS),
    "guid": Signature((STRING,), STRING, more=STRING),
    "items": Signature((ANY_OBJECT,), ListOf(_object("item", key=STRING, value=ANY))),
    "join": Signature((_STRINGS, STRING), STRING),
    "length": Signature((ANY,), INT),
    "loadTextContent": Signature((STRING, STRING), STRING, optional=1),
    "map": Signature((_ANYTHINGS, LAMBDA), _ANYTHINGS),
    "objectKeys": Signature((ANY_OBJECT,), _STRINGS),
    "replace": Signature((STRING, STRING, STRING), STRING),
    "resourceGroup": Signature((), _GROUP),
    "string": Signature((ANY,), STRING),
    "subscription": Signature((), _SUBSCRIPTION),
    "subscriptionResourceId": Signature((STRING, STRING), STRING, more=STRING),
    "tenant": Signature((), _object("tenant", tenantId=STRING)),
    "toLower": Signature((STRING,), STRING),
    "toObject": Signature((_ANYTHINGS, LAMBDA, LAMBDA), ANY_OBJECT, optional=1),
    "toUpper": Signature((STRING,), STRING),
    "union": Signature((ANY, ANY), ANY, more=ANY),
    "uniqueString": Signature((STRING,), STRING, more=STRING),
}

DECORATORS = {
    "allowed": Signature((_ANYTHINGS,), ANY),
    "description": Signature((STRING,), ANY),
    "maxLength": Signature((INT,), ANY),
    "maxValue": Signature((INT,), ANY),
    "minLength": Signature((INT,), ANY),
    "minValue": Signature((INT,), ANY),
    "secure": Signature((), ANY),
}
