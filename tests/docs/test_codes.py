"""docs/error-codes.md and the code name the same codes."""

import ast
import re
import tomllib

from tests.docs.pages import ROOT, first_cells, read

CODE = re.compile(r"[a-z]+(-[a-z]+)*")
# Text of the form of a code that is none: headers, names of templates, ids of pydantic's.
NO_CODES = {
    "code",  # A key of JSON.
    "contacts-to-customer",
    "content-id",
    "content-type",
    "cross-company",
    "hash-key",
    "missing-reference",  # A member of `Written`; people see reference-missing.
    "ms-dyn-aid",
    "no-store",
    "not-checked",  # What a check came to.
    "not-guid",  # Replaced by body-invalid.
    "not-true",  # As above.
    "retry-after",
    "sales-to-fno",
    "unreadable-message",  # A partition in storage.
    "x-ms-client-request-id",
    "x-ms-correlation-id",
    "x-ms-error-code",
    "x-ms-request-id",
    "x-ms-service-request-id",
}
TAKES_A_CODE = {"Reason", "Rejection", "Problem", "_kind"}


def texts(node: ast.AST) -> set[str]:
    return {
        found.value
        for found in ast.walk(node)
        if isinstance(found, ast.Constant)
        and isinstance(found.value, str)
        and CODE.fullmatch(found.value)
    }


def codes_in(tree: ast.AST) -> set[str]:
    """Every text with a hyphen that looks like a code; without one, where a code is expected."""
    found = {text for text in texts(tree) if "-" in text}
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg="code" | "error_code", value=value):
                found |= texts(value)
            case ast.Assign(targets=[ast.Name("code")], value=value):
                found |= texts(value)
            case ast.Call(func=ast.Name(name), args=given) if name in TAKES_A_CODE:
                constants = [item for item in given[:3] if isinstance(item, ast.Constant)]
                found |= {text for constant in constants for text in texts(constant)}
            case _:
                pass
    return found


def codes_of_the_code() -> set[str]:
    package = ROOT / "p2c"
    found: set[str] = set()
    for path in package.rglob("*.py"):
        if "sandbox" not in path.relative_to(package).parts:
            found |= codes_in(ast.parse(path.read_text("utf-8")))
    for path in (package / "templates").glob("*.toml"):
        for task in tomllib.loads(path.read_text("utf-8"))["tasks"]:
            found |= {skip["code"] for skip in task.get("skip_reasons", ())}
    return found


def test_every_code_is_documented_and_every_documented_code_exists():
    code = codes_of_the_code()
    assert code - NO_CODES == first_cells(read("docs/error-codes.md"))
    assert code >= NO_CODES


def test_codes_in_the_other_pages_exist():
    code = codes_of_the_code()
    for page in ("README.md", "docs/templates.md", "docs/life-of-a-contact.md"):
        assert set(re.findall(r"\[([a-z]+(?:-[a-z]+)+)\](?!\()", read(page))) <= code
    rows = first_cells(read("docs/error-codes.md"))
    named = re.findall(
        r"(?:rejected|skipped|waiting)`?(?:,| as) `([a-z-]+)`", read("docs/templates.md")
    )
    assert named
    assert set(named) <= rows
