"""What an expression's value may be, and whether it fits where it stands."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, assert_never

from tools.bicep_check.combine import common, items_of, returned, type_of_value
from tools.bicep_check.finding import Finding, Position
from tools.bicep_check.functions import FUNCTIONS, LAMBDA, Signature
from tools.bicep_check.syntax import (
    Call,
    Expression,
    For,
    Index,
    Items,
    Lambda,
    Literal,
    Member,
    Name,
    Nested,
    Object,
    Operation,
    Text,
)
from tools.bicep_check.types import (
    ANY,
    BOOL,
    INT,
    STRING,
    ListOf,
    ObjectType,
    PropertyType,
    Type,
    Variants,
    misfit,
    text_of,
)

_COMPARED = frozenset({"==", "!=", "<", "<=", ">", ">=", "=~", "!~"})
_LOGICAL = frozenset({"&&", "||", "!"})


@dataclass
class Symbol:
    """Something with a name.

    Attributes:
        kind: ``parameter``, ``variable``, ``resource``, ``module`` or ``item``.
        find_type: Called once, when the name is first used, so that order does not matter.
    """

    kind: str
    at: Position
    find_type: Callable[[], Type]
    used: bool = False
    type: Type | None = None
    in_progress: bool = False


@dataclass
class Expressions:
    """Types the expressions of one file.

    Attributes:
        folder: Where ``loadTextContent`` looks.
        nested: Resources that were declared within a resource: its name and theirs to type.
        resource_types: A resource's name to Azure's type.
    """

    file: str
    folder: Path
    symbols: dict[str, Symbol] = field(default_factory=dict)
    nested: dict[tuple[str, str], Type] = field(default_factory=dict)
    resource_types: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def report(self, at: Position, code: str, message: str) -> None:
        """Note a mistake."""
        self.findings.append(Finding(self.file, at, code, message))

    def check(self, expression: Expression, expected: Type) -> None:
        """Report what in an expression does not fit where a type is expected."""
        match expression, expected:
            case Object(), ObjectType():
                self.check_object(expression, expected)
            case Object(), Variants():
                self.check_variant(expression, expected)
            case Items(), ListOf():
                for item in expression.items:
                    self.check(item, expected.items)
            case For(), ListOf():
                self.check_loop(expression, lambda body: self.check(body, expected.items))
            case Operation(operator="?:"), _:
                condition, yes, no = expression.operands
                self.check(condition, BOOL)
                self.check(yes, expected)
                self.check(no, expected)
            case _:
                if why := misfit(self.type_of(expression), expected):
                    self.report(expression.at, "type-mismatch", why)

    def check_object(self, found: Object, expected: ObjectType, apart: Iterable[str] = ()) -> None:
        """Report unknown, read-only and missing properties, and values that do not fit.

        Args:
            apart: Properties that Bicep itself understands; not looked at.
        """
        given = {prop.key for prop in found.properties if isinstance(prop.key, str)}
        for prop in found.properties:
            if isinstance(prop.key, Text):
                self.type_of(prop.key)
                self.check(prop.value, expected.others or ANY)
                continue
            if prop.key in apart:
                continue
            known = expected.properties.get(prop.key)
            if known is not None and known.read_only:
                self.report(prop.at, "property-read-only", f"Azure sets '{prop.key}' itself")
            elif known is None and expected.others is None:
                self.report(
                    prop.at,
                    "property-unknown",
                    f"'{expected.name}' has no property '{prop.key}'"
                    f"{_nearest(prop.key, expected.properties)}",
                )
            self.check(prop.value, known.type if known else expected.others or ANY)
        if any(isinstance(prop.key, Text) for prop in found.properties):
            return
        for name, wanted in expected.properties.items():
            if wanted.required and not wanted.read_only and name not in given:
                self.report(
                    found.at, "property-missing", f"'{expected.name}' needs the property '{name}'"
                )

    def check_variant(self, found: Object, expected: Variants, apart: Iterable[str] = ()) -> None:
        """Check an object against the variant that its discriminator names."""
        told = found.get(expected.discriminator)
        value = told.value.value if told and isinstance(told.value, Literal) else None
        variant = expected.variants.get(str(value))
        if variant is None:
            self.report(
                told.at if told else found.at,
                "variant-unknown",
                f"'{expected.name}' needs '{expected.discriminator}' to be one of "
                f"{', '.join(expected.variants)}; found {value!r}",
            )
            return
        self.check_object(found, variant, apart)

    def check_loop(self, loop: For, check_body: Callable[[Expression], Any]) -> None:
        """Check a loop's items, and its body with the loop's variables."""
        self.check(loop.items, ListOf(ANY))
        items = items_of(self.type_of(loop.items))
        names = {loop.item: items} | ({loop.index: INT} if loop.index else {})
        self.within(loop.at, names, lambda: self._loop_body(loop, check_body))

    def _loop_body(self, loop: For, check_body: Callable[[Expression], Any]) -> None:
        if loop.condition is not None:
            self.check(loop.condition, BOOL)
        check_body(loop.body)

    def type_of(self, expression: Expression) -> Type:  # noqa: C901, PLR0911, PLR0912  a line a kind
        """Return what an expression's value may be; what is wrong within it is reported."""
        match expression:
            case Literal():
                return type_of_value(expression.value)
            case Text():
                for part in expression.parts:
                    if not isinstance(part, str):
                        self._check_interpolated(part)
                return STRING
            case Items():
                return ListOf(common([self.type_of(item) for item in expression.items]))
            case Object():
                return self._of_object(expression)
            case Name():
                return self._of_name(expression)
            case Member():
                return self._of_member(expression)
            case Index():
                return self._of_index(expression)
            case Nested():
                return self._of_nested(expression)
            case Call():
                return self._of_call(expression)
            case Operation():
                return self._of_operation(expression)
            case For():
                return self._of_loop(expression)
            case Lambda():
                self.report(expression.at, "lambda-misplaced", "a lambda is an argument only")
                return ANY
            case _:
                assert_never(expression)

    def _check_interpolated(self, part: Expression) -> None:
        found = self.type_of(part)
        if isinstance(found, (ObjectType, Variants, ListOf)):
            self.report(part.at, "type-mismatch", f"found {text_of(found)} within a text")

    def _of_object(self, found: Object) -> ObjectType:
        properties: dict[str, PropertyType] = {}
        others: Type | None = None
        for prop in found.properties:
            kind = self.type_of(prop.value)
            if isinstance(prop.key, Text):
                self.type_of(prop.key)
                others = ANY
            else:
                properties[prop.key] = PropertyType(kind, required=True)
        return ObjectType("object", properties, others)

    def _of_name(self, found: Name) -> Type:
        symbol = self.symbols.get(found.name)
        if symbol is None:
            near = _nearest(found.name, self.symbols)
            self.report(found.at, "name-unknown", f"nothing is named '{found.name}'{near}")
            return ANY
        symbol.used = True
        if symbol.in_progress:
            self.report(found.at, "cycle", f"'{found.name}' depends on itself")
            return ANY
        if symbol.type is None:
            symbol.in_progress = True
            symbol.type = symbol.find_type()
            symbol.in_progress = False
        return symbol.type

    def _of_member(self, found: Member) -> Type:
        target = self.type_of(found.target)
        if target == ANY:
            return ANY
        if not isinstance(target, ObjectType):
            if not isinstance(target, Variants):
                self.report(found.at, "member-unknown", f"{text_of(target)} has no '{found.name}'")
            return ANY
        if target.conditional and not found.safe:
            self.report(
                found.at,
                "conditional-access",
                f"'{target.name}' may not be deployed; write '!' or '.?' before '{found.name}'",
            )
        known = target.properties.get(found.name)
        if known is not None:
            return known.type
        if target.others is None:
            near = _nearest(found.name, target.properties)
            self.report(found.at, "member-unknown", f"'{target.name}' has no '{found.name}'{near}")
        return target.others or ANY

    def _of_index(self, found: Index) -> Type:
        target = self.type_of(found.target)
        if isinstance(found.index, Literal) and isinstance(found.index.value, str):
            return self._of_member(Member(found.at, found.target, found.index.value, safe=True))
        index = self.type_of(found.index)
        if isinstance(target, ListOf):
            if why := misfit(index, INT):
                self.report(found.at, "type-mismatch", why)
            return target.items
        if target != ANY and not isinstance(target, ObjectType):
            self.report(found.at, "type-mismatch", f"{text_of(target)} has no items")
        return ANY

    def _of_nested(self, found: Nested) -> Type:
        self.type_of(found.target)
        key = (found.target.name if isinstance(found.target, Name) else "", found.name)
        if key not in self.nested:
            self.report(found.at, "name-unknown", f"'{key[0]}' holds no resource '{found.name}'")
            return ANY
        return self.nested[key]

    def _of_operation(self, found: Operation) -> Type:
        if found.operator == "?:":
            self.check(found.operands[0], BOOL)
            return common([self.type_of(operand) for operand in found.operands[1:]])
        wanted = BOOL if found.operator in _LOGICAL else ANY
        for operand in found.operands:
            self.check(operand, wanted)
        if found.operator in _LOGICAL | _COMPARED:
            return BOOL
        if found.operator == "??":
            return common([self.type_of(operand) for operand in found.operands])
        return INT

    def _of_loop(self, loop: For) -> Type:
        kinds: list[Type] = []
        self.check_loop(loop, lambda body: kinds.append(self.type_of(body)))
        return ListOf(kinds[0])

    def _of_call(self, found: Call) -> Type:
        signature = FUNCTIONS.get(found.function)
        if signature is None:
            self.report(
                found.at,
                "function-unknown",
                f"there is no function '{found.function}' that this checker knows"
                f"{_nearest(found.function, FUNCTIONS)}",
            )
            return ANY
        if not self.check_count(found.at, found.function, len(found.arguments), signature):
            return ANY
        takes = [*signature.takes, *([signature.more or ANY] * len(found.arguments))]
        kinds: list[Type] = []
        for argument, wanted in zip(found.arguments, takes, strict=False):
            if (wanted == LAMBDA) != isinstance(argument, Lambda):
                message = f"'{found.function}' takes no such argument"
                self.report(argument.at, "type-mismatch", message)
                return ANY
            if isinstance(argument, Lambda):
                kinds.append(self._of_lambda(argument, items_of(kinds[0])))
                continue
            self.check(argument, wanted)
            kinds.append(self.type_of(argument))
        self._check_file(found)
        return returned(found.function, kinds) or signature.returns

    def check_count(self, at: Position, name: str, given: int, signature: Signature) -> bool:
        """Report a wrong number of arguments; False when it is wrong."""
        least = len(signature.takes) - signature.optional
        most = len(signature.takes) if signature.more is None else given
        if least <= given <= most:
            return True
        expected = f"{least}" if most == least else f"{least} or more"
        self.report(at, "arguments", f"'{name}' takes {expected} arguments; found {given}")
        return False

    def _check_file(self, found: Call) -> None:
        if found.function != "loadTextContent" or not isinstance(found.arguments[0], Literal):
            return
        name = str(found.arguments[0].value)
        if not (self.folder / name).is_file():
            self.report(found.arguments[0].at, "file-missing", f"there is no file '{name}'")

    def _of_lambda(self, each: Lambda, item: Type) -> Type:
        kinds: list[Type] = []
        names = dict.fromkeys(each.names, item)
        self.within(each.at, names, lambda: kinds.append(self.type_of(each.body)))
        return kinds[0]

    def within(self, at: Position, names: Mapping[str, Type], work: Callable[[], None]) -> None:
        """Work with further names, which hide others while it lasts."""
        hidden = dict(self.symbols)
        for name, kind in names.items():
            self.symbols[name] = Symbol("item", at, lambda: ANY, type=kind)
        work()
        self.symbols.clear()
        self.symbols.update(hidden)


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), 1)
    return f"; did you mean '{near[0]}'?" if near else ""
