"""Reads F&O's infolog: the sentences in which it says why it did not write a record. Pure.

F&O sends the same body with 400, or with 500 in older versions and in change sets, so the text
decides and not the status. What follows from a kind is `p2c.fno.results`.
"""

import re
from dataclasses import dataclass

from p2c.errors import cut
from p2c.model import Written

_FAILED_WRITE = re.compile(r"Write failed for table row of type '(?P<entity>[^']*)'\. ?")
_INFOLOG = re.compile(r"^Infolog: ?")
_LEVEL = re.compile(r"(?:^|; ?)(?P<level>Info|Warning|Error): ")
# A quote opens after a blank and closes before one or before punctuation: O'Brien stays whole.
_QUOTED = re.compile(r"(?<![^\s(])'.*?'(?=[\s.,;)]|$)")

NOT_SELECTED = "No resources were found when selecting for update."
"""What PATCH and DELETE say of a record that is not there, or is another legal entity's."""


@dataclass(frozen=True, slots=True)
class Infolog:
    """Sentences of F&O about one record.

    Attributes:
        entity: The X++ name of the data entity, such as ``CustCustomerV3Entity``, or "".
        messages: Level (``Info``, ``Warning``, ``Error``, or "") and text of each.
    """

    entity: str
    messages: tuple[tuple[str, str], ...]

    @property
    def words(self) -> str:
        """What it says in one line of at most 256 characters, without the fixed beginning."""
        return cut(
            "; ".join(f"{level}: {text}" if level else text for level, text in self.messages)
        )


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of refusal.

    Attributes:
        code: Stable code of the reason.
        advice: What a person does about it.
        on_create: Whether it only counts for the creation of a record.
    """

    pattern: re.Pattern[str]
    written: Written
    code: str
    advice: str
    on_create: bool = False


def _kind(
    pattern: str, written: Written, code: str, advice: str, *, on_create: bool = False
) -> Kind:
    return Kind(re.compile(pattern, re.IGNORECASE | re.DOTALL), written, code, advice, on_create)


# The first that matches decides. What needs a person comes before a missing reference, whose
# arrival alone would not help the record on.
KINDS: tuple[Kind, ...] = (
    _kind(
        r"update conflict occurred due to another user process",
        Written.CONFLICT,
        "update-conflict",
        "It passes by itself.",
    ),
    _kind(
        r"system experiencing high resource utilization",
        Written.THROTTLED,
        "throttled",
        "It passes by itself.",
    ),
    _kind(
        re.escape(NOT_SELECTED),
        Written.ABSENT,
        "record-absent",
        "It is created on the next attempt.",
    ),
    _kind(
        r"with same party number as ",
        Written.REFUSED,
        "party-clash",
        "Free the party number in F&O or change the row's number, then retry.",
    ),
    _kind(
        r"cannot create a record in .*the record already exists",
        Written.EXISTS,
        "record-exists",
        "It is adopted on the next attempt.",
        on_create=True,
    ),
    _kind(
        r"the record already exists",
        Written.REFUSED,
        "duplicate",
        "Remove the other record's claim to this value in F&O, then retry.",
    ),
    _kind(
        r"must be filled in",
        Written.REFUSED,
        "mandatory-missing",
        "Fill the column in Sales or give the field a default value, then retry.",
    ),
    _kind(
        r"is blocked for ",
        Written.REFUSED,
        "blocked",
        "Lift the block in F&O, then retry.",
    ),
    _kind(
        r"is mandatory and must consequently be specified",
        Written.REFUSED,
        "dimension-missing",
        "Give the field (site or warehouse) a default value, then retry.",
    ),
    _kind(
        r"the property .* does not exist on type ",
        Written.REFUSED,
        "property-unknown",
        "Take the field out of the template or install what brings it, then retry.",
    ),
    _kind(
        r"request payload is not valid|cannot convert a primitive value",
        Written.REFUSED,
        "payload-refused",
        "Correct the field's type or value in the template, then retry.",
    ),
    _kind(
        r"is not found in the related table ",
        Written.MISSING_REFERENCE,
        "reference-missing",
        "Create the value in the related table of F&O or correct it in Sales, then retry.",
    ),
    # Last, since the word may stand in a name that another sentence quotes.
    _kind(r"\bdeadlock", Written.CONFLICT, "deadlock", "It passes by itself."),
)


def read_infolog(text: str) -> Infolog:
    """Split what F&O said into its sentences; text of another form is one sentence."""
    line = " ".join(text.split())
    failed = _FAILED_WRITE.match(line)
    rest = _INFOLOG.sub("", line[failed.end() :] if failed else line)
    marks = list(_LEVEL.finditer(rest))
    starts = [mark.start() for mark in marks] + [len(rest)]
    messages = [("", rest[: starts[0]].strip())]
    for mark, end in zip(marks, starts[1:], strict=True):
        messages.append((mark["level"], rest[mark.end() : end].strip()))
    kept = tuple((level, message) for level, message in messages if message)
    return Infolog(failed["entity"] if failed else "", kept)


def kind_of(text: str, *, is_create: bool) -> Kind | None:
    """Return the kind of refusal that F&O's words tell of; None when they tell of no known one.

    What stands in quotes is data and counts for nothing: a customer may be called Deadlock Ltd.
    """
    line = " ".join(text.split())
    kinds = [kind for kind in KINDS if is_create or not kind.on_create]
    said = _QUOTED.sub("''", line)
    for kind in kinds:
        if kind.pattern.search(said):
            return kind
    # Data with quotes of its own can hide the words around it. What passes by itself is not looked
    # for here: a wrong guess there would try the record for ever.
    for kind in kinds:
        if kind.written not in {Written.CONFLICT, Written.THROTTLED} and kind.pattern.search(line):
            return kind
    return None
