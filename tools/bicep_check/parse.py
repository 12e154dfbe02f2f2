"""From a Bicep file's text to its tree, by the grammar of tree-sitter-bicep.

The grammar lets pass what the compiler refuses, such as two properties on one line; that is
caught here. A construct that has no place in `syntax` is reported.
"""

import re
from dataclasses import replace
from functools import cache

import tree_sitter
import tree_sitter_bicep

from tools.bicep_check.finding import Finding, Position
from tools.bicep_check.syntax import (
    Call,
    Decorator,
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
    Output,
    Parameter,
    Property,
    Resource,
    Text,
    TypeName,
    Variable,
)

_ESCAPES = {"\\'": "'", "\\\\": "\\", "\\n": "\n", "\\r": "\r", "\\t": "\t", "\\$": "$"}
_ACCESSES = frozenset({"member_expression", "subscript_expression", "resource_expression"})
# They bind looser than the access to a member; in brackets they are another node.
_LOOSER = frozenset(
    {"lambda_expression", "unary_expression", "binary_expression", "ternary_expression"}
)


@cache
def _parser() -> tree_sitter.Parser:
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))


def parse(name: str, text: str) -> tuple[File, list[Finding]]:
    """Return the file's tree; with findings it is incomplete and worth no further check."""
    reader = _Reader(name)
    root = _parser().parse(text.encode()).root_node
    reader.find_errors(root)
    if not reader.findings:
        reader.read_file(root)
    return reader.file, reader.findings


class _UnknownConstructError(Exception):
    """A node that the checker has no tree for; already reported."""


class _Reader:
    def __init__(self, name: str) -> None:
        self.file = File(name)
        self.findings: list[Finding] = []

    def find_errors(self, node: tree_sitter.Node) -> None:
        """Report what the grammar could not read, each outermost place once."""
        if node.is_error or node.is_missing:
            what = f"'{node.type}' is missing" if node.is_missing else "this cannot be read"
            self._report(node, "syntax", f"{what}; found '{_text(node)[:40]}'")
            return
        if node.type == "parameter_declaration" and node.child_count < 3:
            self._report(node, "syntax", "a parameter has no type")
        for child in node.children:
            self.find_errors(child)

    def read_file(self, root: tree_sitter.Node) -> None:
        """Fill the file, declaration by declaration."""
        decorators: tuple[Decorator, ...] = ()
        last_row = -1
        for node in root.named_children:
            if node.type == "comment":
                continue
            if node.start_point.row == last_row:
                self._report(node, "syntax", "a declaration needs a line of its own")
            last_row = node.end_point.row
            try:
                if node.type == "decorators":
                    decorators = tuple(self._decorator(child) for child in _children(node))
                    continue
                self._declaration(node, decorators)
            except _UnknownConstructError:
                pass
            decorators = ()

    def _declaration(self, node: tree_sitter.Node, decorators: tuple[Decorator, ...]) -> None:
        parts = _children(node)
        at = _at(node)
        match node.type:
            case "target_scope_assignment":
                self.file.scope = str(self._literal(parts[0]).value)
            case "parameter_declaration":
                default = self._expression(parts[2]) if len(parts) > 2 else None
                found = Parameter(at, _text(parts[0]), self._type(parts[1]), default, decorators)
                self.file.parameters.append(found)
            case "variable_declaration":
                value = self._expression(parts[1])
                self.file.variables.append(Variable(at, _text(parts[0]), value))
            case "resource_declaration":
                self.file.resources.append(self._resource(node))
            case "module_declaration":
                condition, body = self._body(parts[2])
                path = str(self._literal(parts[1]).value)
                self.file.modules.append(Module(at, _text(parts[0]), path, condition, body))
            case "output_declaration":
                value = self._expression(parts[2])
                output = Output(at, _text(parts[0]), self._type(parts[1]), value)
                self.file.outputs.append(output)
            case _:
                raise self._unknown(node)

    def _resource(self, node: tree_sitter.Node) -> Resource:
        parts = _children(node)
        existing = any(child.type == "existing" for child in node.children)
        condition, body = self._body(parts[2])
        kind = str(self._literal(parts[1]).value)
        return Resource(_at(node), _text(parts[0]), kind, existing, condition, body)

    def _body(self, node: tree_sitter.Node) -> tuple[Expression | None, Object | For]:
        if node.type == "if_statement":
            condition, body = _children(node)
            return self._expression(condition), self._object(body)
        if node.type == "for_statement":
            return None, self._for(node)
        return None, self._object(node)

    def _decorator(self, node: tree_sitter.Node) -> Decorator:
        call = self._expression(_children(node)[0])
        if not isinstance(call, Call):
            raise self._unknown(node)
        return Decorator(call.at, call.function, call.arguments)

    def _type(self, node: tree_sitter.Node) -> TypeName:
        at = _at(node)
        inner = _children(node)
        match node.type:
            case "type" | "parenthesized_type":
                return self._type(inner[0])
            case "primitive_type":
                return TypeName(at, _text(node))
            case "nullable_type":
                return TypeName(at, self._type(inner[0]).name, nullable=True)
            case "array_type":
                return TypeName(at, self._type(inner[0]).name, is_array=True)
        raise self._unknown(node)

    def _expression(  # noqa: C901, PLR0911, PLR0912  a line for each kind of node
        self, node: tree_sitter.Node
    ) -> Expression:
        parts = _children(node)
        at = _at(node)
        match node.type:
            case "string" | "number" | "boolean" | "null":
                return self._string(node) if node.type == "string" else self._literal(node)
            case "array":
                self._need_lines(node)
                return Items(at, tuple(self._expression(part) for part in parts))
            case "object":
                return self._object(node)
            case "identifier":
                return Name(at, _text(node))
            case "parenthesized_expression":
                return self._expression(parts[0])
            case "for_statement":
                return self._for(node)
            case "call_expression":
                if parts[0].type != "identifier":
                    raise self._unknown(node)
                arguments = tuple(self._expression(part) for part in _children(parts[1]))
                return Call(at, _text(parts[0]), arguments)
            case "unary_expression":
                return Operation(at, _text(node.children[0]), (self._expression(parts[-1]),))
            case "binary_expression":
                operator = next(child for child in node.children if not child.is_named)
                return self._operation(at, operator.type, parts)
            case "ternary_expression":
                return self._operation(at, "?:", parts)
            case "lambda_expression":
                return self._lambda(parts[0], self._expression(parts[1]))
            case kind if kind in _ACCESSES:
                return self._access(node)
        raise self._unknown(node)

    def _operation(
        self, at: Position, operator: str, parts: list[tree_sitter.Node]
    ) -> Operation | Lambda:
        first, *others = (self._expression(part) for part in parts)
        if isinstance(first, Lambda):  # The grammar reads `x => x == y` as `(x => x) == y`.
            return replace(first, body=Operation(at, operator, (first.body, *others)))
        return Operation(at, operator, (first, *others))

    def _access(self, node: tree_sitter.Node) -> Expression:
        target, last = _children(node)
        found = self._expression(target)
        if _innermost(target).type in _LOOSER:
            return self._into_last(node, found, last)
        return self._accessed(node, found, last)

    def _into_last(
        self, node: tree_sitter.Node, found: Expression, last: tree_sitter.Node
    ) -> Expression:
        """Bind as Bicep does: the grammar reads `x => x.y` as `(x => x).y`, and `a == b.c` too."""
        if isinstance(found, Lambda):
            return replace(found, body=self._into_last(node, found.body, last))
        if isinstance(found, Operation):
            inner = self._into_last(node, found.operands[-1], last)
            return replace(found, operands=(*found.operands[:-1], inner))
        return self._accessed(node, found, last)

    def _accessed(
        self, node: tree_sitter.Node, target: Expression, last: tree_sitter.Node
    ) -> Expression:
        at = _at(last)
        if node.type == "subscript_expression":
            return Index(at, target, self._expression(last))
        if node.type == "resource_expression":
            return Nested(at, target, _text(last))
        safe = any(child.type in ("!", ".?") for child in node.children)
        return Member(at, target, _text(last), safe)

    def _lambda(self, names: tree_sitter.Node, body: Expression) -> Lambda:
        return Lambda(_at(names), tuple(re.findall(r"\w+", _text(names))), body)

    def _for(self, node: tree_sitter.Node) -> For:
        names, items, body = _children(node)
        item, *index = re.findall(r"\w+", _text(names))
        condition: Expression | None = None
        value: Expression
        if body.type == "if_statement":
            condition, value = self._body(body)
        else:
            value = self._expression(body)
        found = index[0] if index else None
        return For(_at(node), item, found, self._expression(items), condition, value)

    def _object(self, node: tree_sitter.Node) -> Object:
        if node.type != "object":
            raise self._unknown(node)
        self._need_lines(node)
        properties: list[Property] = []
        resources: list[Resource] = []
        for part in _children(node):
            inner = _children(part)
            if inner[0].type == "resource_declaration":
                resources.append(self._resource(inner[0]))
                continue
            key = self._string(inner[0]) if inner[0].type == "string" else None
            named = _text(inner[0]) if key is None else key
            if isinstance(named, Literal):
                named = str(named.value)
            if any(named == other.key for other in properties):
                self._report(part, "property-duplicate", f"'{named}' is there twice")
            properties.append(Property(_at(part), named, self._expression(inner[1])))
        return Object(_at(node), tuple(properties), tuple(resources))

    def _need_lines(self, node: tree_sitter.Node) -> None:
        """Report parts that share a line without a comma: the grammar does not mind."""
        before: tree_sitter.Node | None = None
        for child in node.children:
            if child.type == "comment" or child.type in "{}[]":
                continue
            same_line = before is not None and before.end_point.row == child.start_point.row
            if same_line and before is not None and "," not in (before.type, child.type):
                self._report(child, "syntax", "found two parts on a line; expected a comma")
            before = child

    def _string(self, node: tree_sitter.Node) -> Literal | Text:
        parts: list[str | Expression] = []
        for child in node.named_children:
            if child.type == "interpolation":
                parts.append(self._expression(_children(child)[0]))
            else:
                text = _text(child)
                parts.append(_ESCAPES.get(text, text) if child.type == "escape_sequence" else text)
        if all(isinstance(part, str) for part in parts):
            return Literal(_at(node), "".join(str(part) for part in parts))
        return Text(_at(node), tuple(parts))

    def _literal(self, node: tree_sitter.Node) -> Literal:
        text = _text(node)
        if node.type == "string":
            found = self._string(node)
            if isinstance(found, Literal):
                return found
            raise self._unknown(node)
        if node.type == "number":
            return Literal(_at(node), int(text))
        return Literal(_at(node), {"true": True, "false": False, "null": None}[text])

    def _report(self, node: tree_sitter.Node, code: str, message: str) -> None:
        self.findings.append(Finding(self.file.name, _at(node), code, message))

    def _unknown(self, node: tree_sitter.Node) -> _UnknownConstructError:
        self._report(
            node,
            "construct-unknown",
            f"found {node.type.replace('_', ' ')} '{_text(node)[:40]}', which this checker does "
            "not know; write it otherwise or teach tools/bicep_check",
        )
        return _UnknownConstructError()


def _children(node: tree_sitter.Node) -> list[tree_sitter.Node]:
    return [child for child in node.named_children if child.type != "comment"]


def _innermost(node: tree_sitter.Node) -> tree_sitter.Node:
    """Return what members and items are taken from."""
    while node.type in _ACCESSES:
        node = node.named_children[0]
    return node


def _text(node: tree_sitter.Node) -> str:
    return (node.text or b"").decode()


def _at(node: tree_sitter.Node) -> Position:
    return Position(node.start_point.row + 1, node.start_point.column + 1)
