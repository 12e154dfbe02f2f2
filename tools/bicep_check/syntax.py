"""A Bicep file as a tree of values: only what the checker knows how to check."""

from dataclasses import dataclass, field

from tools.bicep_check.finding import Position


@dataclass(frozen=True)
class Literal:
    """A text without interpolation, a number, a truth value or null."""

    at: Position
    value: str | int | bool | None


@dataclass(frozen=True)
class Text:
    """A text with interpolated expressions between its literal parts."""

    at: Position
    parts: tuple["str | Expression", ...]


@dataclass(frozen=True)
class Items:
    """An array."""

    at: Position
    items: tuple["Expression", ...]


@dataclass(frozen=True)
class Property:
    """A property of an object; `key` is an expression where it is interpolated."""

    at: Position
    key: "str | Text"
    value: "Expression"


@dataclass(frozen=True)
class Object:
    """An object; the body of a resource may also hold resources."""

    at: Position
    properties: tuple[Property, ...]
    resources: tuple["Resource", ...] = ()

    def get(self, key: str) -> "Property | None":
        """Return a property by its key."""
        return next((found for found in self.properties if found.key == key), None)


@dataclass(frozen=True)
class Name:
    """A reference to a declaration or a variable."""

    at: Position
    name: str


@dataclass(frozen=True)
class Member:
    """``object.name``; `safe` with ``.?`` or after ``!``."""

    at: Position
    target: "Expression"
    name: str
    safe: bool


@dataclass(frozen=True)
class Index:
    """``array[index]`` or ``object['name']``."""

    at: Position
    target: "Expression"
    index: "Expression"


@dataclass(frozen=True)
class Nested:
    """``resource::child``."""

    at: Position
    target: "Expression"
    name: str


@dataclass(frozen=True)
class Call:
    """A call of one of Bicep's functions."""

    at: Position
    function: str
    arguments: tuple["Expression", ...]


@dataclass(frozen=True)
class Operation:
    """A unary, binary or ternary (``?:``) operator with its operands."""

    at: Position
    operator: str
    operands: tuple["Expression", ...]


@dataclass(frozen=True)
class Lambda:
    """``name => body``."""

    at: Position
    names: tuple[str, ...]
    body: "Expression"


@dataclass(frozen=True)
class For:
    """``[for item in items: body]``; `condition` where the body is ``if (…) {…}``."""

    at: Position
    item: str
    index: str | None
    items: "Expression"
    condition: "Expression | None"
    body: "Expression"


Expression = (
    Literal
    | Text
    | Items
    | Object
    | Name
    | Member
    | Index
    | Nested
    | Call
    | Operation
    | Lambda
    | For
)


@dataclass(frozen=True)
class TypeName:
    """The type of a parameter or output: ``string``, ``object[]`` and so on."""

    at: Position
    name: str
    nullable: bool = False
    is_array: bool = False


@dataclass(frozen=True)
class Decorator:
    """``@name(arguments)``."""

    at: Position
    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Parameter:
    """``param``."""

    at: Position
    name: str
    type: TypeName
    default: Expression | None
    decorators: tuple[Decorator, ...]


@dataclass(frozen=True)
class Variable:
    """``var``."""

    at: Position
    name: str
    value: Expression


@dataclass(frozen=True)
class Resource:
    """``resource``, by itself or within another one's body."""

    at: Position
    name: str
    type: str
    existing: bool
    condition: Expression | None
    body: Object | For


@dataclass(frozen=True)
class Module:
    """``module``."""

    at: Position
    name: str
    path: str
    condition: Expression | None
    body: Object | For


@dataclass(frozen=True)
class Output:
    """``output``."""

    at: Position
    name: str
    type: TypeName
    value: Expression


Declaration = Parameter | Variable | Resource | Module


@dataclass
class File:
    """A file, by kinds of declarations, each in the file's order."""

    name: str
    scope: str = "resourceGroup"
    parameters: list[Parameter] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    resources: list[Resource] = field(default_factory=list)
    modules: list[Module] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)

    def declarations(self) -> list[Declaration]:
        """Everything that has a name others can use."""
        return [*self.parameters, *self.variables, *self.resources, *self.modules]
