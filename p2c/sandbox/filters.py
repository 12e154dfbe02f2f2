"""``$filter``: parsed by odata-query, compiled here to a Python predicate.

Each service says which constructs it knows; the rest is refused, as the service would. The parser
lacks two constructs, which are rewritten before parsing: Dataverse's query function ``In`` and
F&O's enum literals.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from odata_query import ast
from odata_query.exceptions import ODataException
from odata_query.grammar import ODataLexer, ODataParser

Row = Mapping[str, Any]
Getter = Callable[[Row], Any]


class BadFilterError(ValueError):
    """The filter cannot be evaluated; the message is the service's."""


@dataclass(frozen=True)
class Dialect:
    """What a service accepts in ``$filter``.

    Attributes:
        column: Returns how to read a column, given its path, and its type; raises BadFilterError
            for an unknown one. Types: "string", "guid", "number", "bool", "datetime", "date",
            or ``enum:<type name>``.
        functions: Names of the string functions that are known.
        wildcards: Whether ``*`` in a string compared by eq or ne stands for any text.
        in_function: Whether Dataverse's query function ``In`` is known.
        enum_prefix: What precedes the type name in enum literals; None when there are none.
    """

    column: Callable[[tuple[str, ...]], tuple[Getter, str]]
    functions: frozenset[str]
    wildcards: bool
    enum_prefix: str | None
    in_function: bool


@dataclass(frozen=True)
class Filter:
    """A compiled filter.

    Attributes:
        matches: The predicate.
        column: When every match has one of `values` (folded by `fold`) in this column, its name;
            a store can then use an index instead of looking at every row.
        conditions: Comparisons in it; a list of values is one.
    """

    matches: Callable[[Row], bool]
    column: str | None = None
    values: tuple[Any, ...] = ()
    conditions: int = 1


_ENUM_MARK = "\x01"
_IN_MARK = "\x02"
_TOKEN = re.compile(
    r"'(?:[^']|'')*'"
    r"|Microsoft\.Dynamics\.CRM\.In\(\s*PropertyName\s*=\s*'(?P<column>\w+)'\s*,"
    r"\s*PropertyValues\s*=\s*\[(?P<values>(?:'(?:[^']|'')*'|\"[^\"]*\"|[^\]'\"])*)\]\s*\)"
    r"|(?P<type>\w+(?:\.\w+)+)'(?P<member>\w*)'"
)
_VALUE = re.compile(r"'((?:[^']|'')*)'|\"([^\"]*)\"|([^\s,]+)")
_LITERAL = r"(?:'(?:[^']|'')*'|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
# The two forms in which clients ask for many rows at once; a grammar written in Python would make
# the sandbox the bottleneck of a load test.
_ONE_OF = re.compile(rf"(\w+) eq {_LITERAL}(?: or \1 eq {_LITERAL})*")


def fold(value: Any) -> Any:
    """The form in which values are compared: both services compare text without case."""
    return value.casefold().rstrip(" ") if isinstance(value, str) else value


def compile_filter(text: str, dialect: Dialect) -> Filter:
    """Compile a filter expression.

    Raises:
        BadFilterError: It does not parse, or holds what the service does not know.
    """
    stripped = text.strip()
    quick = _ONE_OF.fullmatch(stripped)
    if quick is not None:
        getter, kind = dialect.column((quick[1],))
        found = [match[0] for match in re.finditer(_LITERAL, stripped)]
        plain = all(item.startswith("'") for item in found) == (kind == "string")
        if kind in {"string", "guid"} and plain and not (dialect.wildcards and "*" in stripped):
            chain = _membership(quick[1], getter, [_unquoted(item) for item in found])
            return replace(chain, conditions=len(found))
    function = _TOKEN.fullmatch(stripped)
    if function is not None and function["column"] is not None and dialect.in_function:
        getter, _ = dialect.column((function["column"],))
        return _membership(function["column"], getter, _list_values(function["values"]))
    tree = _parse(_TOKEN.sub(_rewritten, stripped))
    return _Compiler(dialect).filter(tree)


def _membership(column: str, getter: Getter, values: list[str]) -> Filter:
    wanted = {fold(value) for value in values}
    return Filter(lambda row: fold(getter(row)) in wanted, column, tuple(wanted))


def _unquoted(literal: str) -> str:
    return literal[1:-1].replace("''", "'") if literal.startswith("'") else literal.lower()


def _list_values(text: str) -> list[str]:
    return [
        match[1].replace("''", "'") if match[1] is not None else match[2] or match[3] or ""
        for match in _VALUE.finditer(text)
    ]


def _rewritten(match: re.Match[str]) -> str:
    if match["column"] is not None:
        mark = f"'{_IN_MARK}'"
        literals = ["'" + value.replace("'", "''") + "'" for value in _list_values(match["values"])]
        return f"({match['column']} in ({','.join([mark, *literals, mark])}))"
    if match["type"] is not None:
        return f"'{_ENUM_MARK}{match['type']}{_ENUM_MARK}{match['member']}'"
    return match[0]


@lru_cache(maxsize=256)
def _parse(text: str) -> Any:
    try:
        return ODataParser().parse(ODataLexer().tokenize(text))
    except ODataException as error:
        raise BadFilterError(f"Syntax error in '{text[:200]}'.") from error


_COMPARISONS: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: lambda left, right: left == right,
    ast.NotEq: lambda left, right: left != right,
    ast.Lt: lambda left, right: left is not None and left < right,
    ast.LtE: lambda left, right: left is not None and left <= right,
    ast.Gt: lambda left, right: left is not None and left > right,
    ast.GtE: lambda left, right: left is not None and left >= right,
}


class _Compiler:
    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._conditions = 0

    def filter(self, tree: Any) -> Filter:
        """The predicate with what an index can use of it."""
        matches = self._predicate(tree)
        for node in _operands(tree, ast.And):
            column, values = self._bound(node)
            if column is not None:
                return Filter(matches, column, values, self._conditions)
        return Filter(matches, conditions=self._conditions)

    def _bound(self, tree: Any) -> tuple[str | None, tuple[Any, ...]]:
        column = None
        values: list[Any] = []
        for node in _operands(tree, ast.Or):
            if not (isinstance(node, ast.Compare) and isinstance(node.left, ast.Identifier)):
                return None, ()
            if column not in {None, node.left.name}:
                return None, ()
            column = node.left.name
            if isinstance(node.comparator, ast.In) and isinstance(node.right, ast.List):
                values += [_value(item) for item in node.right.val]
            elif isinstance(node.comparator, ast.Eq):
                values.append(_value(node.right))
            else:
                return None, ()
        if any(not isinstance(v, str) or (self._dialect.wildcards and "*" in v) for v in values):
            return None, ()
        return column, tuple(fold(value) for value in values)

    def _predicate(self, tree: Any) -> Callable[[Row], bool]:
        if isinstance(tree, ast.BoolOp):
            kind = type(tree.op)
            parts = [self._predicate(node) for node in _operands(tree, kind)]
            if kind is ast.And:
                return lambda row: all(part(row) for part in parts)
            return lambda row: any(part(row) for part in parts)
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not):
            inner = self._predicate(tree.operand)
            return lambda row: not inner(row)
        self._conditions += 1
        if isinstance(tree, ast.Compare):
            return self._comparison(tree)
        if isinstance(tree, ast.Call):
            return self._function(tree)
        if isinstance(tree, (ast.Identifier, ast.Attribute)):
            getter, column_type = self._dialect.column(_path(tree))
            if column_type == "bool":
                return lambda row: bool(getter(row))
        raise BadFilterError("The filter is not a logical expression.")

    def _comparison(self, tree: ast.Compare) -> Callable[[Row], bool]:
        left, right, operator = tree.left, tree.right, type(tree.comparator)
        if isinstance(left, (ast.Integer, ast.Boolean)):
            result = _COMPARISONS[operator](_value(left), _value(right))
            return lambda _row: result
        if not isinstance(left, (ast.Identifier, ast.Attribute)):
            raise BadFilterError("The left side of a comparison must be a property.")
        getter, kind = self._dialect.column(_path(left))
        if operator is ast.In:
            # The operator is refused; it stands here for the rewritten function only.
            items = [_value(item) for item in getattr(right, "val", [])]
            if not self._dialect.in_function or items[:1] != [_IN_MARK]:
                raise BadFilterError("The 'in' operator is not supported.")
            values = {fold(item) for item in items[1:]}
            return lambda row: fold(getter(row)) in values
        value = self._operand(right, kind, operator)
        if self._dialect.wildcards and isinstance(value, str) and "*" in value:
            pattern = re.compile(".*".join(map(re.escape, fold(value).split("*"))), re.DOTALL)
            wanted = operator is ast.Eq
            return lambda row: (pattern.fullmatch(fold(getter(row) or "")) is not None) == wanted
        compare = _COMPARISONS[operator]
        value = fold(value)
        if kind in {"datetime", "date"}:
            return lambda row: compare(_moment(getter(row)), value)
        return lambda row: compare(fold(getter(row)), value)

    def _operand(self, node: Any, kind: str, operator: type) -> Any:
        value = _value(node)
        if kind.startswith("enum:"):
            return self._enum_operand(value, kind[5:], operator)
        if isinstance(value, str) and value.startswith(_ENUM_MARK):
            raise BadFilterError("An enum value is compared with a property of another type.")
        if value is None:
            return None
        expected: dict[str, tuple[type, ...]] = {
            "string": (str,),
            "guid": (UUID, str),
            "number": (int, float),
            "bool": (bool,),
            "datetime": (datetime, date),
            "date": (datetime, date),
        }
        fits = isinstance(value, expected[kind]) and (kind == "bool") == isinstance(value, bool)
        if kind == "guid" and isinstance(node, ast.String):
            fits = False
        if not fits:
            raise BadFilterError(
                "A binary operator with incompatible types was detected. Found operand types "
                f"'Edm.{kind.capitalize()}' and 'Edm.{type(node).__name__}' for operator kind "
                f"'{'Equal' if operator is ast.Eq else operator.__name__}'."
            )
        return _moment(value) if kind in {"datetime", "date"} else value

    def _enum_operand(self, value: Any, type_name: str, operator: type) -> str:
        parts = value.split(_ENUM_MARK) if isinstance(value, str) else []
        if len(parts) != 3 or parts[1] != f"{self._dialect.enum_prefix}{type_name}":
            raise BadFilterError(
                "A binary operator with incompatible types was detected. Found operand types "
                f"'{self._dialect.enum_prefix}{type_name}' and 'Edm.String' for operator kind "
                f"'{operator.__name__}'."
            )
        if operator not in {ast.Eq, ast.NotEq}:
            raise BadFilterError("Only eq and ne are supported for enumerations.")
        return str(parts[2])

    def _function(self, tree: ast.Call) -> Callable[[Row], bool]:
        name = _path(tree.func)[0]
        if name not in self._dialect.functions or len(tree.args) != 2:
            raise BadFilterError(f"The function '{name}' is not supported.")
        getter, _ = self._dialect.column(_path(tree.args[0]))
        value = fold(_value(tree.args[1]))
        tests: dict[str, Callable[[str], bool]] = {
            "contains": lambda text: value in text,
            "startswith": lambda text: text.startswith(value),
            "endswith": lambda text: text.endswith(value),
        }
        test = tests[name]
        return lambda row: test(fold(getter(row) or ""))


def _operands(tree: Any, operator: type) -> list[Any]:
    """The operands of a chain of one operator, without recursion: chains get long."""
    found: list[Any] = []
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.BoolOp) and isinstance(node.op, operator):
            pending += [node.right, node.left]
        else:
            found.append(node)
    return found


def _path(node: Any) -> tuple[str, ...]:
    if isinstance(node, ast.Identifier):
        return (".".join((*node.namespace, node.name)),)
    if isinstance(node, ast.Attribute):
        return (*_path(node.owner), node.attr)
    raise BadFilterError("A property is expected.")


def _value(node: Any) -> Any:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.GUID):
        return node.val.lower()
    if not hasattr(node, "py_val"):
        raise BadFilterError("A literal is expected on the right side of a comparison.")
    return node.py_val


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    moment: datetime = value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
