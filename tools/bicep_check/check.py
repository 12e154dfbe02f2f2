"""Checks a folder of Bicep files: declarations, modules, and what each resource may hold."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.bicep_check.expressions import Expressions, Symbol
from tools.bicep_check.finding import Finding, Position
from tools.bicep_check.functions import DECORATORS
from tools.bicep_check.parse import parse
from tools.bicep_check.resources import check_resource, resource_symbol_type
from tools.bicep_check.syntax import (
    Declaration,
    Decorator,
    File,
    For,
    Items,
    Literal,
    Module,
    Object,
    Parameter,
    Resource,
    TypeName,
    Variable,
)
from tools.bicep_check.types import (
    ANY,
    ANY_OBJECT,
    BOOL,
    INT,
    STRING,
    ListOf,
    ObjectType,
    OneOf,
    PropertyType,
    Type,
)

SCOPES = ("resourceGroup", "subscription")
_TYPES: Mapping[str, Type] = {
    "string": STRING,
    "int": INT,
    "bool": BOOL,
    "object": ANY_OBJECT,
    "array": ListOf(ANY),
}
_MODULE_KEYS = frozenset({"name", "scope", "params", "dependsOn"})


def check_folder(folder: Path) -> list[Finding]:
    """Check every Bicep file in a folder, in order of place."""
    return check_files(
        {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.bicep"))}, folder
    )


def check_files(texts: Mapping[str, str], folder: Path) -> list[Finding]:
    """Check files by their text.

    Args:
        folder: Where other files that they name lie.
    """
    findings: list[Finding] = []
    files: dict[str, File] = {}
    for name, text in texts.items():
        files[name], found = parse(name, text)
        findings += found
    if not findings:
        for file in files.values():
            findings += _FileCheck(file, files, folder).run()
    return sorted(set(findings))


@dataclass
class _FileCheck:
    file: File
    files: Mapping[str, File]
    folder: Path

    def run(self) -> list[Finding]:
        self.expressions = Expressions(self.file.name, self.folder)
        if self.file.scope not in SCOPES:
            expected = " or ".join(SCOPES)
            self._report(Position(1, 1), "scope", f"found '{self.file.scope}', expected {expected}")
        self._declare()
        for parameter in self.file.parameters:
            self._check_parameter(parameter)
        for variable in self.file.variables:
            self.expressions.type_of(variable.value)
        for resource in self.file.resources:
            check_resource(self.expressions, resource, self.file.scope)
        for module in self.file.modules:
            self._check_module(module)
        for output in self.file.outputs:
            self.expressions.check(output.value, _declared(output.type))
        self._check_use()
        return self.expressions.findings

    def _report(self, at: Position, code: str, message: str) -> None:
        self.expressions.report(at, code, message)

    def _declare(self) -> None:
        for declaration in self.file.declarations():
            if declaration.name in self.expressions.symbols:
                self._report(declaration.at, "name-duplicate", f"'{declaration.name}' is taken")
            self.expressions.symbols[declaration.name] = self._symbol(declaration)
        twice = Counter(output.name for output in self.file.outputs)
        for output in self.file.outputs:
            if twice[output.name] > 1:
                self._report(output.at, "name-duplicate", f"output '{output.name}' is taken")

    def _symbol(self, declaration: Declaration) -> Symbol:
        match declaration:
            case Parameter():
                kind = _parameter_type(declaration)
                return Symbol("parameter", declaration.at, lambda: kind)
            case Variable(value=value):
                return Symbol("variable", declaration.at, lambda: self.expressions.type_of(value))
            case Resource():
                found = resource_symbol_type(self.expressions, declaration)
                return Symbol("resource", declaration.at, lambda: found)
            case Module():
                return Symbol("module", declaration.at, lambda: self._module_type(declaration))

    def _check_parameter(self, parameter: Parameter) -> None:
        for decorator in parameter.decorators:
            self._check_decorator(parameter, decorator)
        if parameter.type.name not in _TYPES:
            self._report(parameter.at, "type-unknown", f"'{parameter.type.name}' is no type")
        if parameter.default is not None:
            self.expressions.check(parameter.default, _parameter_type(parameter))
            self._check_limits(parameter)

    def _check_decorator(self, parameter: Parameter, decorator: Decorator) -> None:
        signature = DECORATORS.get(decorator.name)
        if signature is None:
            self._report(decorator.at, "decorator-unknown", f"'@{decorator.name}' is not known")
            return
        self.expressions.check_count(
            decorator.at, decorator.name, len(decorator.arguments), signature
        )
        for argument, wanted in zip(decorator.arguments, signature.takes, strict=False):
            self.expressions.check(argument, wanted)
        wrong = {"minValue": "int", "maxValue": "int"}.get(decorator.name)
        if wrong and parameter.type.name != wrong:
            self._report(decorator.at, "decorator-misplaced", f"'@{decorator.name}' is for {wrong}")
        if decorator.name == "secure" and parameter.type.name not in ("string", "object"):
            self._report(decorator.at, "decorator-misplaced", "'@secure' is for texts and objects")

    def _check_limits(self, parameter: Parameter) -> None:
        if not isinstance(parameter.default, Literal):
            return
        value = parameter.default.value
        measure = len(value) if isinstance(value, str) else value
        if not isinstance(measure, int):
            return
        limits = {d.name: d.arguments[0].value for d in parameter.decorators
                  if d.arguments and isinstance(d.arguments[0], Literal)}  # fmt: skip
        least = limits.get("minValue", limits.get("minLength"))
        most = limits.get("maxValue", limits.get("maxLength"))
        if (isinstance(least, int) and measure < least) or (
            isinstance(most, int) and measure > most
        ):
            self._report(
                parameter.default.at, "default-outside", f"found {value!r}, outside the limits"
            )

    def _module_type(self, module: Module) -> Type:
        file = self.files.get(module.path)
        outputs = {
            output.name: PropertyType(_declared(output.type))
            for output in (file.outputs if file else [])
        }
        kind = ObjectType(
            f"module {module.name}",
            {
                "name": PropertyType(STRING),
                "outputs": PropertyType(
                    ObjectType(f"outputs of {module.path}", outputs, None if file else ANY)
                ),
            },
            conditional=module.condition is not None,
        )
        return ListOf(kind) if isinstance(module.body, For) else kind

    def _check_module(self, module: Module) -> None:
        if module.condition is not None:
            self.expressions.check(module.condition, BOOL)
        file = self.files.get(module.path)
        if file is None:
            self._report(module.at, "module-missing", f"there is no file '{module.path}'")
            return
        if isinstance(module.body, For):
            self.expressions.check_loop(
                module.body,
                lambda body: self._check_module_body(module, body, file),
            )
        else:
            self._check_module_body(module, module.body, file)

    def _check_module_body(self, module: Module, body: object, file: File) -> None:
        if not isinstance(body, Object):
            return
        for prop in body.properties:
            if prop.key not in _MODULE_KEYS:
                self._report(prop.at, "property-unknown", f"a module has no '{prop.key}'")
            elif prop.key != "params":
                self.expressions.type_of(prop.value)
        if body.get("name") is None:
            self._report(body.at, "property-missing", "a module needs 'name'")
        if (body.get("scope") is None) != (file.scope == self.file.scope):
            self._report(
                body.at, "scope", f"'{module.path}' is for {file.scope}; mend 'scope' or it"
            )
        wanted = ObjectType(
            f"parameters of {module.path}",
            {
                parameter.name: PropertyType(
                    _parameter_type(parameter),
                    required=parameter.default is None and not parameter.type.nullable,
                )
                for parameter in file.parameters
            },
        )
        given = body.get("params")
        found = given.value if given else Object(body.at, ())
        self.expressions.check(found, wanted)

    def _check_use(self) -> None:
        for name, symbol in self.expressions.symbols.items():
            if not symbol.used and symbol.kind in ("parameter", "variable"):
                self._report(symbol.at, f"{symbol.kind}-unused", f"nothing uses '{name}'")
        for parameter in self.file.parameters:
            secure = any(decorator.name == "secure" for decorator in parameter.decorators)
            if (
                re.search(r"secret$|password$|hashKey$", parameter.name, re.IGNORECASE)
                and not secure
            ):
                self._report(parameter.at, "secret-open", f"'{parameter.name}' is not '@secure'")


def _declared(name: TypeName) -> Type:
    kind = _TYPES.get(name.name, ANY)
    return ListOf(kind) if name.is_array else kind


def _parameter_type(parameter: Parameter) -> Type:
    for decorator in parameter.decorators:
        if decorator.name == "allowed" and decorator.arguments:
            allowed = decorator.arguments[0]
            items = allowed.items if isinstance(allowed, Items) else ()
            values = [item.value for item in items if isinstance(item, Literal)]
            return OneOf(tuple(value for value in values if isinstance(value, (str, int))))
    return _declared(parameter.type)
