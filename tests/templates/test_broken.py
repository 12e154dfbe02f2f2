"""Every way a template can be broken: the file ends with the messages it has to give."""

import re
from pathlib import Path

import pytest

from p2c.errors import TemplateError
from p2c.templates.load import SHIPPED, compile_files

FOLDER = Path(__file__).parent / "broken"
FILES = sorted(FOLDER.glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_broken_template_says_where_what_and_by_which_code(path):
    expected = re.findall(r"^# Expected: (.*)$", path.read_text("utf-8"), re.MULTILINE)
    paths = {"accounts": SHIPPED / "accounts.toml", path.stem: path}
    with pytest.raises(TemplateError) as caught:
        compile_files(paths, legal_entity="usmf")
    assert [str(problem) for problem in caught.value.problems] == expected
    assert caught.value.code == caught.value.problems[0].code
    assert caught.value.message == "\n".join(expected)


def test_the_example_without_its_fault_loads(tmp_path):
    broken = (FOLDER / "column-unknown.toml").read_text("utf-8")
    mended = tmp_path / "mended.toml"
    mended.write_text(broken.replace('"accountnumer"', '"accountnumber"'), "utf-8")
    (template,) = compile_files({"mended": mended}, legal_entity="usmf")
    assert template.tasks[0].field_types.keys() == {"CustomerAccount", "CustomerGroupId"}


def test_a_file_that_is_no_text_is_a_problem_of_that_file(tmp_path):
    path = tmp_path / "latin.toml"
    path.write_bytes('title = "Sønn"'.encode("latin-1"))
    with pytest.raises(TemplateError) as caught:
        compile_files({"latin": path}, legal_entity="usmf")
    assert caught.value.code == "file-unreadable"
    assert str(caught.value).startswith("latin.toml: cannot be read:")
