"""Source filters: OData text, parsed by odata-query and evaluated on our side.

Change tracking refuses ``$filter``, so rows are read first and left out here. What Dataverse's own
dual-write filters allow is allowed: eq ne gt ge lt le, and or not, parentheses, literals.
Comparison follows Dataverse: text without regard to case and trailing blanks. Two differences help
people: a blank compares by ``ne`` as unequal to any literal, and a blank boolean counts as false,
which is what a two-option column means before anyone has set it.
"""

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from odata_query import ast
from odata_query.exceptions import ODataException
from odata_query.grammar import ODataLexer, ODataParser

from p2c.mapping.conversion import as_instant
from p2c.mapping.sources import LookupId, Source
from p2c.mapping.values import is_blank, plain_decimal
from p2c.model import SourceRow

Literal = str | bool | Decimal | datetime | None
Resolve = Callable[[str], Source]

_NOT_CALL = re.compile(r"('(?:[^']|'')*')|\bnot\(", re.IGNORECASE)
_OPERATORS: dict[type, tuple[str, Callable[[Any, Any], bool]]] = {
    ast.Eq: ("eq", operator.eq),
    ast.NotEq: ("ne", operator.ne),
    ast.Lt: ("lt", operator.lt),
    ast.LtE: ("le", operator.le),
    ast.Gt: ("gt", operator.gt),
    ast.GtE: ("ge", operator.ge),
}


class FilterError(Exception):
    """The text is no filter that p2c evaluates; the message says why."""

    def __init__(self, message: str, code: str = "filter-invalid") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Comparison:
    """``source operator literal``."""

    source: Source
    operation: str
    compare: Callable[[Any, Any], bool]
    literal: Literal

    def holds(self, row: SourceRow) -> bool:
        """Compare as the module says; values of another kind than the literal are unequal."""
        value = self.source.read(row)
        if is_blank(value) and isinstance(self.literal, bool):
            value = False
        if is_blank(value) or self.literal is None:
            equal = is_blank(value) and self.literal is None
            return equal if self.operation == "eq" else not equal and self.operation == "ne"
        comparable = _comparable(value, self.literal)
        if comparable is None:
            return self.operation == "ne"
        return self.compare(comparable, _folded(self.literal))

    def __str__(self) -> str:
        return f"{self.source} {self.operation} {shown_literal(self.literal)}"


@dataclass(frozen=True, slots=True)
class Both:
    """``left and right``."""

    left: "Filter"
    right: "Filter"

    def holds(self, row: SourceRow) -> bool:
        """Whether both hold."""
        return self.left.holds(row) and self.right.holds(row)

    def __str__(self) -> str:
        return f"{_within(self.left, Either)} and {_within(self.right, Either)}"


@dataclass(frozen=True, slots=True)
class Either:
    """``left or right``."""

    left: "Filter"
    right: "Filter"

    def holds(self, row: SourceRow) -> bool:
        """Whether one of them holds."""
        return self.left.holds(row) or self.right.holds(row)

    def __str__(self) -> str:
        return f"{self.left} or {self.right}"


@dataclass(frozen=True, slots=True)
class Negation:
    """``not operand``."""

    operand: "Filter"

    def holds(self, row: SourceRow) -> bool:
        """Whether the operand does not hold."""
        return not self.operand.holds(row)

    def __str__(self) -> str:
        return f"not ({self.operand})"


Filter = Comparison | Both | Either | Negation


def targets_required(condition: Filter) -> Iterator[tuple[str, str]]:
    """Yield each lookup that must lead to one table for the filter to hold, with that table."""
    match condition:
        case Both(left, right):
            yield from targets_required(left)
            yield from targets_required(right)
        case Comparison(LookupId(lookup, table), "ne", _, None) if table:
            yield lookup, table
        case _:
            pass


def parse_filter(text: str, resolve: Resolve) -> Filter:
    """Parse a filter.

    Args:
        resolve: Gives the source of a column (``statecode``), of a lookup's id
            (``_parentcustomerid_value``) or of a column behind a navigation property
            (``parentcustomerid_account/accountid``); raises `FilterError` for an unknown one.

    Raises:
        FilterError: The text does not parse, or holds what is not evaluated.
    """
    # The grammar takes "not(" for a function; people and Dataverse write it all the same.
    spaced = _NOT_CALL.sub(lambda found: found[1] or "not (", text.strip())
    try:
        tree = ODataParser().parse(ODataLexer().tokenize(spaced))
    except ODataException as error:
        token = getattr(error, "token", None)
        near = "its end" if token is None else f"position {token.index + 1}"
        raise FilterError(f"does not parse near {near}") from error
    return _build(tree, resolve)


def comparisons_of(part: Filter) -> tuple[Comparison, ...]:
    """Return every comparison of a filter, from left to right."""
    if isinstance(part, Comparison):
        return (part,)
    if isinstance(part, Negation):
        return comparisons_of(part.operand)
    return comparisons_of(part.left) + comparisons_of(part.right)


def shown_literal(literal: Literal) -> str:
    """Write a literal as a filter spells it."""
    if literal is None:
        return "null"
    if isinstance(literal, bool):
        return "true" if literal else "false"
    if isinstance(literal, str):
        return "'" + literal.replace("'", "''") + "'"
    return literal.isoformat() if isinstance(literal, datetime) else format(literal, "f")


def _within(part: Filter, looser: type) -> str:
    """Write a part, in parentheses where it binds less tightly than what it stands in."""
    return f"({part})" if isinstance(part, looser) else str(part)


def _build(node: object, resolve: Resolve) -> Filter:
    if isinstance(node, ast.BoolOp):
        left, right = _build(node.left, resolve), _build(node.right, resolve)
        return Both(left, right) if isinstance(node.op, ast.And) else Either(left, right)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return Negation(_build(node.operand, resolve))
    if isinstance(node, ast.Compare) and type(node.comparator) in _OPERATORS:
        name = _path(node.left)
        if name is not None:
            operation, compare = _OPERATORS[type(node.comparator)]
            literal = _literal(node.right)
            return Comparison(resolve(name), operation, compare, literal)
    raise FilterError(
        "holds something other than comparisons of a column with a literal "
        "(eq, ne, gt, ge, lt, le) joined by and, or, not"
    )


def _path(node: object) -> str | None:
    if isinstance(node, ast.Identifier):
        return ".".join((*node.namespace, node.name))
    if isinstance(node, ast.Attribute) and (owner := _path(node.owner)) is not None:
        return f"{owner}/{node.attr}"
    return None


def _literal(node: object) -> Literal:
    try:
        match node:
            case ast.Null():
                return None
            case ast.Boolean() | ast.String():
                return node.py_val
            case ast.Integer() | ast.Float():
                return Decimal(node.val)
            case ast.GUID():
                return str(node.py_val)
            case ast.Date() | ast.DateTime():
                if (instant := as_instant(node.val)) is not None:
                    return instant
            case _:
                pass
    except (ValueError, ArithmeticError) as error:
        raise FilterError("holds a literal that is out of range") from error
    raise FilterError("compares with something other than a text, number, date, guid or null")


def _folded(value: Literal) -> Literal:
    return value.rstrip().casefold() if isinstance(value, str) else value


def _comparable(value: object, literal: Literal) -> Literal:
    """Return the row's value in the literal's kind, or None when it is of another kind."""
    if isinstance(literal, bool):
        return value if isinstance(value, bool) else None
    if isinstance(literal, str):
        return _folded(value) if isinstance(value, str) else None
    if isinstance(literal, datetime):
        return as_instant(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return None
    return plain_decimal(value)
