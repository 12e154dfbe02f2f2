"""Reads what a request's address says: names and numbers in its path and query."""

import re
from http import HTTPStatus

from p2c.errors import cut
from p2c.functions.problem import Finding, Problem
from p2c.templates import shipped_names

_CODE = re.compile(r"[a-z]+(-[a-z]+)*")


def read_limit(given: str | None, *, usually: int, most: int) -> int:
    """Read how many items are wanted.

    Raises:
        Problem: 400, ``limit-invalid``.
    """
    if given is None:
        return usually
    if re.fullmatch(r"[0-9]{1,4}", given) and 1 <= int(given) <= most:
        return int(given)
    raise _invalid("limit-invalid", "limit", given, f"a whole number from 1 to {most}")


def read_code(given: str) -> str:
    """Read the code of a reason; "" for any.

    Raises:
        Problem: 400, ``code-invalid``.
    """
    if not given or _CODE.fullmatch(given):
        return given
    raise _invalid("code-invalid", "code", given, "a code such as value-not-mapped")


def check_template(
    name: str, *, where: str = "template in the path", status: HTTPStatus = HTTPStatus.NOT_FOUND
) -> None:
    """Refuse a name that no template has.

    Raises:
        Problem: ``template-unknown``.
    """
    if name in shipped_names():
        return
    known = ", ".join(shipped_names())
    raise Problem(
        status,
        "template-unknown",
        f"There is no template '{cut(name)}'; there are: {known}.",
        [Finding(where, f"'{cut(name)}'", f"one of {known}", "Mend the name.")],
    )


def _invalid(code: str, name: str, given: str, expected: str) -> Problem:
    found = f"'{cut(given)}'"
    return Problem(
        HTTPStatus.BAD_REQUEST,
        code,
        f"{name}: found {found}, expected {expected}.",
        [Finding(f"{name} in the query", found, expected, "Mend it or leave it out.")],
    )
