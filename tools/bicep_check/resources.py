"""What a resource may hold: its type, its place below others, its scope and its properties."""

from tools.bicep_check.expressions import Expressions
from tools.bicep_check.syntax import (
    Expression,
    For,
    Index,
    Literal,
    Name,
    Object,
    Resource,
)
from tools.bicep_check.types import (
    ANY,
    BOOL,
    STRING,
    ListOf,
    ObjectType,
    PropertyType,
    ResourceType,
    Type,
    Variants,
    resource_type,
)

_OWN_KEYS = frozenset({"parent", "scope", "dependsOn"})
"""What Bicep itself understands in the body of every resource."""
_SCOPES = {"resourceGroup": "ResourceGroup", "subscription": "Subscription"}
_EVERYWHERE = frozenset({"All", "AllExceptExtension"})


def resource_symbol_type(expressions: Expressions, resource: Resource, above: str = "") -> Type:
    """Return what a resource's name stands for, and tell of the resources within its body."""
    name = _type_name(resource, above)
    expressions.resource_types[resource.name] = name.partition("@")[0]
    if isinstance(resource.body, Object):
        for child in resource.body.resources:
            expressions.nested[resource.name, child.name] = resource_symbol_type(
                expressions, child, name
            )
    known = resource_type(name.partition("@")[0])
    if known is None or isinstance(known.body, Variants):
        return ANY
    body = known.body
    conditional = resource.condition is not None
    if isinstance(resource.body, For):
        conditional = resource.body.condition is not None
    kind = ObjectType(
        resource.name,
        {**body.properties, "name": PropertyType(STRING), "id": PropertyType(STRING)},
        body.others,
        conditional,
    )
    return ListOf(kind) if isinstance(resource.body, For) else kind


def check_resource(
    expressions: Expressions, resource: Resource, scope: str, above: str = ""
) -> None:
    """Report what is wrong with a resource and those within its body."""
    name = _type_name(resource, above)
    kind, _, version = name.partition("@")
    known = resource_type(kind)
    if known is None:
        expressions.report(
            resource.at, "resource-type-unknown", f"no type is kept for '{kind}'; see azure_types"
        )
        return
    if kind != known.name:
        expressions.report(
            resource.at, "resource-type-case", f"found '{kind}', expected '{known.name}'"
        )
    if version != known.api_version:
        expressions.report(
            resource.at,
            "api-version",
            f"found '{version}' of {kind}; its properties are known for '{known.api_version}'",
        )
    if resource.condition is not None:
        expressions.check(resource.condition, BOOL)
    body = resource.body
    if isinstance(body, For):
        expressions.check_loop(
            body, lambda found: _check_body(expressions, resource, known, found, scope, above)
        )
    else:
        _check_body(expressions, resource, known, body, scope, above)
        for child in body.resources:
            check_resource(expressions, child, scope, name)


def _check_body(
    expressions: Expressions,
    resource: Resource,
    known: ResourceType,
    body: Expression,
    scope: str,
    above: str,
) -> None:
    if not isinstance(body, Object):
        expressions.report(body.at, "resource-body", "a resource needs an object")
        return
    for key in _OWN_KEYS:
        if (found := body.get(key)) is not None:
            expressions.type_of(found.value)
    _check_scope(expressions, resource, known, body, scope)
    _check_place(expressions, known, body, above)
    if resource.existing:
        _check_existing(expressions, body)
    elif isinstance(known.body, Variants):
        expressions.check_variant(body, known.body, _OWN_KEYS)
    else:
        expressions.check_object(body, known.body, _OWN_KEYS)


def _check_existing(expressions: Expressions, body: Object) -> None:
    for prop in body.properties:
        if prop.key not in _OWN_KEYS | {"name"}:
            expressions.report(
                prop.at,
                "property-unknown",
                f"an existing resource is only named; found '{prop.key}'",
            )
        expressions.type_of(prop.value)


def _check_scope(
    expressions: Expressions, resource: Resource, known: ResourceType, body: Object, scope: str
) -> None:
    if body.get("scope") is not None or known.scopes & _EVERYWHERE:
        return
    if _SCOPES.get(scope) not in known.scopes:
        expressions.report(
            resource.at,
            "scope",
            f"{known.name} is for {', '.join(sorted(known.scopes))}; this file is for {scope}",
        )


def _check_place(expressions: Expressions, known: ResourceType, body: Object, above: str) -> None:
    """Report a parent of another type, and a name with too few or too many parts."""
    depth = known.name.count("/") - 1
    named, parent = body.get("name"), body.get("parent")
    if parent is not None:
        target = parent.value.target if isinstance(parent.value, Index) else parent.value
        declared = expressions.resource_types.get(target.name) if isinstance(target, Name) else ""
        expected = known.name.rpartition("/")[0]
        if declared not in ("", expected):
            expressions.report(
                parent.at, "parent", f"found {declared or 'no resource'}, expected a {expected}"
            )
    if parent is not None or above:
        depth = 0
    if named is None or not isinstance(named.value, (Literal, Name)):
        return
    parts = str(named.value.value).count("/") if isinstance(named.value, Literal) else 0
    if parts != depth:
        expressions.report(
            named.at, "parent", f"{known.name} needs 'parent', or a name in {depth + 1} parts"
        )


def _type_name(resource: Resource, above: str) -> str:
    """Return the full type with its version; a nested resource takes both from the outer one."""
    if not above:
        return resource.type
    kind, _, version = above.partition("@")
    own, _, own_version = resource.type.partition("@")
    return f"{kind}/{own}@{own_version or version}"
