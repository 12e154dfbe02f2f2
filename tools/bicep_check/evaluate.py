"""What a deployment with certain parameters would send to Azure, resource by resource.

For tests that hold the files to the code. The files have to be free of findings. What only Azure
can know, such as the address of a storage account, is a `Reference` that says where it is from.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools.bicep_check.library import LIBRARY
from tools.bicep_check.parse import parse
from tools.bicep_check.syntax import (
    Call,
    Expression,
    File,
    For,
    Index,
    Items,
    Lambda,
    Literal,
    Member,
    Module,
    Name,
    Nested,
    Object,
    Operation,
    Parameter,
    Resource,
    Text,
)


class EvaluationError(Exception):
    """Bicep or Azure would refuse this; the message says where and what."""


class Reference(str):
    """A text that only Azure knows: where it is from, in angle brackets."""

    __slots__ = ()

    @classmethod
    def to(cls, path: str) -> "Reference":
        """Make one of the path to it."""
        return cls(f"<{path}>")

    def member(self, name: str) -> "Reference":
        """Return what is below it."""
        return Reference.to(f"{self[1:-1]}.{name}")


@dataclass(frozen=True)
class Deployed:
    """A resource.

    Attributes:
        symbol: Its name in the files, after its module's: ``storage.queue``.
        type: Without the version.
        name: In Azure, after those of the resources that it is in.
        scope: Symbol of the resource that it extends; "" for the resource group.
        body: What is sent, but for ``parent`` and ``scope``.
    """

    symbol: str
    type: str
    name: str
    scope: str
    body: Mapping[str, object]


@dataclass(frozen=True)
class Deployment:
    """Everything that is deployed, and what is told of it."""

    resources: tuple[Deployed, ...]
    outputs: Mapping[str, object]

    def of_type(self, kind: str) -> list[Deployed]:
        """Return the resources of a type, in the files' order."""
        return [resource for resource in self.resources if resource.type == kind]


def evaluate(
    texts: Mapping[str, str], folder: Path, parameters: Mapping[str, object]
) -> Deployment:
    """Evaluate ``main.bicep`` and the modules that it deploys.

    Args:
        texts: File name to text.
        folder: Where other files that they name lie.
        parameters: Of ``main.bicep``.

    Raises:
        EvaluationError: A parameter is missing, unknown or outside its limits, or something is
            read from a resource that is not deployed.
    """
    files = {name: parse(name, text)[0] for name, text in texts.items()}
    main = _Scope("", files["main.bicep"], files, folder, parameters)
    return Deployment(tuple(main.deployed()), main.outputs())


@dataclass
class _Scope:
    """A file that is deployed with certain parameters."""

    path: str
    file: File
    files: Mapping[str, File]
    folder: Path
    given: Mapping[str, object]
    values: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.declared = {found.name: found for found in self.file.declarations()}
        known = {parameter.name: parameter for parameter in self.file.parameters}
        for name in self.given:
            if name not in known:
                raise EvaluationError(f"{self.file.name} has no parameter '{name}'")
        for name, parameter in known.items():
            self.values[name] = self._parameter(parameter)

    def _parameter(self, parameter: Parameter) -> object:
        if parameter.name in self.given:
            value = self.given[parameter.name]
        elif parameter.default is not None:
            value = self.of(parameter.default, {})
        else:
            raise EvaluationError(f"{self.file.name} needs the parameter '{parameter.name}'")
        for decorator in parameter.decorators:
            limits = [self.of(argument, {}) for argument in decorator.arguments]
            if not _is_allowed(value, decorator.name, limits):
                raise EvaluationError(
                    f"{self.file.name}: '{parameter.name}' is {value!r}, which "
                    f"'@{decorator.name}' with {limits} refuses"
                )
        return value

    def deployed(self) -> Iterator[Deployed]:
        for resource in self.file.resources:
            found = self.named(resource.name)
            for each in found if isinstance(found, list) else [found]:
                if isinstance(each, _Placed):
                    yield from each.all()
        for module in self.file.modules:
            inner = self.named(module.name)
            if isinstance(inner, _Scope):
                yield from inner.deployed()

    def outputs(self) -> dict[str, object]:
        return {output.name: self.of(output.value, {}) for output in self.file.outputs}

    def output(self, name: str) -> object:
        (found,) = (output for output in self.file.outputs if output.name == name)
        return self.of(found.value, {})

    def named(self, name: str) -> object:
        """Return what a declaration stands for; found out once."""
        if name not in self.values:
            match self.declared[name]:
                case Module() as found:
                    self.values[name] = self._module(found)
                case Resource() as found:
                    self.values[name] = self._resource(found)
                case found:
                    assert not isinstance(found, Parameter)
                    self.values[name] = self.of(found.value, {})
        return self.values[name]

    def _module(self, module: Module) -> object:
        if not isinstance(module.body, Object):
            raise EvaluationError(f"{self.file.name}: '{module.name}' is a loop of modules")
        path = f"{self.path}{module.name}."
        if module.condition is not None and not self.of(module.condition, {}):
            return _Absent(path.rstrip("."))
        params = module.body.get("params")
        given = self.of(params.value, {}) if params else {}
        assert isinstance(given, dict)
        return _Scope(path, self.files[module.path], self.files, self.folder, given)

    def _resource(self, resource: Resource, above: "_Placed | None" = None) -> object:
        symbol = f"{self.path}{resource.name}"
        if isinstance(resource.body, Object):
            condition = resource.condition
            if condition is not None and not self.of(condition, {}):
                return _Absent(symbol)
            return self._placed(resource, resource.body, symbol, {}, above)
        return self._each(
            resource.body, {}, lambda body, names: self._looped(resource, body, symbol, names)
        )

    def _looped(
        self, resource: Resource, body: Expression, symbol: str, names: Mapping[str, object]
    ) -> object:
        assert isinstance(body, Object)
        return self._placed(resource, body, symbol, names)

    def _placed(
        self,
        resource: Resource,
        body: Object,
        symbol: str,
        names: Mapping[str, object],
        above: "_Placed | None" = None,
    ) -> "_Placed":
        values = self._object(body, names)
        parent, scope = values.pop("parent", above), values.pop("scope", None)
        kind, name = resource.type.partition("@")[0], str(values["name"])
        if above is not None:
            kind = f"{above.own.type}/{kind}"
        if isinstance(parent, _Placed):
            name = f"{parent.own.name}/{name}"
        extended = scope.own.symbol if isinstance(scope, _Placed) else ""
        placed = _Placed(Deployed(symbol, kind, name, extended, values), resource.existing)
        for child in body.resources:
            within = self._resource(child, placed)
            if isinstance(within, _Placed):
                placed.within[child.name] = within
        return placed

    def of(self, expression: Expression, names: Mapping[str, object]) -> object:  # noqa: C901, PLR0911  a line a kind
        """Return an expression's value.

        Args:
            names: What loops and lambdas call their items.
        """
        match expression:
            case Literal():
                return expression.value
            case Text():
                return "".join(
                    part if isinstance(part, str) else _text(self.of(part, names), part)
                    for part in expression.parts
                )
            case Items():
                return [self.of(item, names) for item in expression.items]
            case Object():
                return self._object(expression, names)
            case Name():
                known = expression.name in names
                return names[expression.name] if known else self.named(expression.name)
            case Member():
                return _member(self.of(expression.target, names), expression.name)
            case Index():
                return self._item(expression, names)
            case Nested():
                return _nested(self.of(expression.target, names), expression.name)
            case Call():
                return self._call(expression, names)
            case Operation():
                return self._operation(expression, names)
            case Lambda():
                return lambda item: self.of(expression.body, {**names, expression.names[0]: item})
            case For():
                return self._each(expression, names, self.of)

    def _object(self, found: Object, names: Mapping[str, object]) -> dict[str, object]:
        return {
            prop.key if isinstance(prop.key, str) else str(self.of(prop.key, names)): self.of(
                prop.value, names
            )
            for prop in found.properties
        }

    def _item(self, found: Index, names: Mapping[str, object]) -> object:
        target, index = self.of(found.target, names), self.of(found.index, names)
        if isinstance(target, list) and isinstance(index, int):
            return target[index]
        return _member(target, str(index))

    def _call(self, found: Call, names: Mapping[str, object]) -> object:
        arguments = [self.of(argument, names) for argument in found.arguments]
        if found.function == "loadTextContent":
            return (self.folder / str(arguments[0])).read_text("utf-8")
        return LIBRARY[found.function](*arguments)

    def _operation(self, found: Operation, names: Mapping[str, object]) -> object:
        first, *others = found.operands
        value = self.of(first, names)
        match found.operator:
            case "?:":
                return self.of(others[0] if value else others[1], names)
            case "!":
                return not value
            case "&&":
                return bool(value) and self.of(others[0], names)
            case "||":
                return bool(value) or self.of(others[0], names)
            case "==":
                return value == self.of(others[0], names)
            case "!=":
                return value != self.of(others[0], names)
        raise EvaluationError(f"{self.file.name}: the operator '{found.operator}' is not known")

    def _each(
        self,
        loop: For,
        names: Mapping[str, object],
        make: Callable[[Expression, Mapping[str, object]], object],
    ) -> list[object]:
        items = self.of(loop.items, names)
        assert isinstance(items, list)
        made: list[object] = []
        for index, item in enumerate(items):
            inner = {**names, loop.item: item, **({loop.index: index} if loop.index else {})}
            if loop.condition is None or self.of(loop.condition, inner):
                made.append(make(loop.body, inner))
        return made


@dataclass
class _Placed:
    """A resource, with those that are declared within it."""

    own: Deployed
    existing: bool
    within: dict[str, "_Placed"] = field(default_factory=dict)

    def all(self) -> Iterator[Deployed]:
        if not self.existing:
            yield self.own
        for child in self.within.values():
            yield from child.all()


@dataclass(frozen=True)
class _Absent:
    """A resource or module that is not deployed."""

    symbol: str


def _member(target: object, name: str) -> object:
    match target:
        case _Absent():
            raise EvaluationError(f"'{target.symbol}' is not deployed, but its '{name}' is read")
        case _Placed():
            if name == "name":
                return target.own.body["name"]
            return Reference.to(f"{target.own.symbol}.{name}")
        case _Scope():
            return _Outputs(target) if name == "outputs" else target.path
        case _Outputs():
            return target.scope.output(name)
        case Reference():
            return target.member(name)
        case dict():
            return target[name]
    raise EvaluationError(f"'{name}' is read from {target!r}")


@dataclass(frozen=True)
class _Outputs:
    scope: _Scope


def _nested(target: object, name: str) -> object:
    assert isinstance(target, _Placed)
    return target.within[name]


def _text(value: object, part: Expression) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise EvaluationError(f"line {part.at.line}: {value!r} stands within a text")
    return str(value)


def _is_allowed(value: object, decorator: str, limits: list[object]) -> bool:
    if not limits or decorator == "description":
        return True
    (limit,) = limits
    if decorator == "allowed":
        assert isinstance(limit, list)
        return value in limit
    measure = len(value) if isinstance(value, str | list) else value
    assert isinstance(measure, int)
    assert isinstance(limit, int)
    return measure >= limit if decorator.startswith("min") else measure <= limit
