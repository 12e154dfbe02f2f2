"""Reads the JSON body of a request, and says of a wrong one where, what and what to do."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic_core import ErrorDetails, PydanticCustomError

from p2c.errors import cut
from p2c.functions.problem import Finding, Problem
from p2c.sync.messages import row_id

MOST_ROWS = 1000
"""Rows in one request: as many as one queue message can name."""
MOST_BYTES = 256 * 1024
"""Far more than `MOST_ROWS` rows take, however they are laid out."""


def _guid(text: str) -> str:
    found = row_id(text)
    if found is None:
        raise PydanticCustomError("not-guid", "it is no GUID")
    return found


def _true(value: bool) -> bool:  # noqa: FBT001  pydantic calls it
    if not value:
        raise PydanticCustomError("not-true", "it is not true")
    return value


Guid = Annotated[str, AfterValidator(_guid)]
IsTrue = AfterValidator(_true)
"""For a switch that only makes sense when it is on."""


@dataclass(frozen=True)
class Form:
    """What the body of one kind of request looks like.

    Attributes:
        what: The request's purpose, such as ``resync``.
        example: Short bodies that are right.
        choices: Keys of which exactly one is to be given.
        choice_code: Of the problem that none or several are given.
        options: Further keys.
        expected: Key to what it takes, for keys that are neither ``rows`` nor a switch that is on.
        alone: Choices that go with no option.
    """

    what: str
    example: str
    choices: tuple[str, ...]
    choice_code: str
    options: tuple[str, ...]
    expected: Mapping[str, str]
    alone: frozenset[str] = frozenset()

    def read(self, content_type: str, body: bytes) -> dict[str, Any]:
        """Return the body's object with exactly one of the choices, or with an unknown key.

        Raises:
            Problem: 400, 413 or 415, with everything that is wrong.
        """
        found = self._object(content_type, body)
        if found.keys() - {*self.choices, *self.options}:
            return found  # This is worth saying first: it may be one of these, misspelled.
        given = [name for name in self.choices if name in found]
        if self.alone.intersection(given):
            given += [name for name in self.options if found.get(name)]
        if len(given) == 1:
            return found
        names = ", ".join(f"'{name}'" for name in self.choices)
        said = " and ".join(f"'{name}'" for name in given) or f"none of {names}"
        finding = Finding("body", said, f"exactly one: {self.example}", "Mend the body.")
        raise self.problem(self.choice_code, [finding])

    def problem(
        self, code: str, findings: Sequence[Finding], status: HTTPStatus = HTTPStatus.BAD_REQUEST
    ) -> Problem:
        """Return the problem that some findings are."""
        said = "; ".join(
            f"{item.where}: found {item.found}, expected {item.expected}" for item in findings[:3]
        )
        more = f"; and {len(findings) - 3} more" if len(findings) > 3 else ""
        detail = f"The request to {self.what} is wrong: {said}{more}. Nothing was queued."
        return Problem(status, code, detail, findings)

    def invalid(self, details: Sequence[ErrorDetails]) -> Problem:
        """Return the problem that pydantic's findings are."""
        # A broken item makes its list look short too; that is not worth saying beside the cause.
        telling = [detail for detail in details if detail["type"] != "too_short"] or details
        return self.problem("body-invalid", [self._finding(detail) for detail in telling])

    def _object(self, content_type: str, body: bytes) -> dict[str, Any]:
        given = content_type.partition(";")[0].strip()
        if given.lower() != "application/json":
            raise self.problem(
                "content-type-wrong",
                [
                    Finding(
                        "header Content-Type",
                        f"'{cut(given)}'" if given else "nothing",
                        "application/json",
                        "Set the header.",
                    )
                ],
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            )
        if len(body) > MOST_BYTES:
            raise self.problem(
                "body-too-large",
                [
                    Finding(
                        "body",
                        f"{len(body)} bytes",
                        f"at most {MOST_BYTES}",
                        "Send fewer rows at once.",
                    )
                ],
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            )
        if not body.strip():
            raise self.problem(
                "body-empty", [Finding("body", "nothing", self.example, "Send a body.")]
            )
        found = self._parsed(body)
        if not isinstance(found, dict):
            kind = _kind(found)
            raise self.problem(
                "body-not-object",
                [Finding("body", kind, f"an object: {self.example}", "Mend the body.")],
            )
        return found

    def _parsed(self, body: bytes) -> object:
        try:
            found: object = json.loads(body.decode(), object_pairs_hook=self._without_duplicates)
            # JSON can spell half of a surrogate pair, which nothing can write down again.
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeDecodeError as error:
            where, said = f"body, byte {error.start}", "bytes that are no UTF-8"
        except UnicodeEncodeError:
            where, said = "body", "text with half of a surrogate pair"
        except json.JSONDecodeError as error:
            where, said = f"body, line {error.lineno}, column {error.colno}", error.msg
        except RecursionError:
            where, said = "body", "brackets nested too deeply"
        except ValueError:
            # Python reads no whole numbers of more than 4,300 digits.
            where, said = "body", "a number that is too long"
        else:
            return found
        finding = Finding(where, said, f"JSON: {self.example}", "Mend the body.")
        raise self.problem("json-invalid", [finding])

    def _without_duplicates(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, value in pairs:
            if name in found:
                where = f"body, '{cut(_writable(name))}'"
                finding = Finding(where, "it twice", "it once", "Remove one of them.")
                raise self.problem("key-duplicate", [finding])
            found[name] = value
        return found

    def _finding(self, detail: ErrorDetails) -> Finding:
        place = detail["loc"]
        name = str(place[0])
        where = name + "".join(f"[{part}]" for part in place[1:])
        found = _shown(detail["input"])
        if detail["type"] == "extra_forbidden":
            known = ", ".join((*self.choices, *self.options))
            return Finding(where, found, f"one of {known}", "Mend the key or remove it.")
        if name == "rows":
            return _of_rows(detail, where, found)
        if name in self.expected:
            return Finding(where, found, self.expected[name], "Mend the value or remove it.")
        return Finding(where, found, "true", "Send true, or name 'rows' instead.")


def _of_rows(detail: ErrorDetails, where: str, found: str) -> Finding:
    if len(detail["loc"]) > 1:
        return Finding(
            where,
            found,
            "a GUID, such as 0f8fad5b-d9cb-469f-a165-70867728950e",
            "Copy the row's id from the address of its form in Sales.",
        )
    if detail["type"] == "too_long":
        return Finding(
            where,
            f"{len(detail['input'])} rows",
            f"at most {MOST_ROWS}",
            "Send several requests, or all.",
        )
    return Finding(where, found, "a list of at least one GUID", "Name rows, or send all.")


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f"'{cut(value)}'"
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    return "an empty list" if value == [] else _kind(value)


def _writable(text: str) -> str:
    return text.encode(errors="replace").decode()


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "an object"
    return _shown(value)
