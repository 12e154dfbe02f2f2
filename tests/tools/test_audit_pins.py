"""What the audit finds in requirement files and npm's lock files that are not as they should be."""

import json

import pytest

from tools.audit import pins as tool
from tools.audit.npm_locks import check_npm_locks
from tools.audit.pins import check_requirement_files, read_pins
from tools.node_packages import ROOT

A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
HEAD = "# made by:\n#    uv pip compile --universal requirements.in -o requirements.txt\n"


@pytest.fixture
def project(tmp_path):
    """A project with one requirement file and one of npm's, both as they should be."""
    write(tmp_path, "requirements.in", "requests\nrich>=15\n")
    write(
        tmp_path, "requirements.txt", f"{HEAD}{line('requests', '2.34.2')}{line('rich', '15.0.0')}"
    )
    write(tmp_path, "tools/node/package.json", {"dependencies": {"azurite": "3.35.0"}})
    write(tmp_path, "tools/node/package-lock.json", npm_lock())
    return tmp_path


def write(root, name, content):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")


def line(name, version, *hashes):
    return (
        " \\\n    ".join([f"{name}=={version}", *(f"--hash={each}" for each in hashes or [A, B])])
        + "\n"
    )


def npm_lock(asked="3.35.0", version="3.35.0", **entry):
    return {
        "packages": {
            "": {"dependencies": {"azurite": asked}},
            "node_modules/azurite": {"version": version, "integrity": "sha512-abc=="} | entry,
        }
    }


def test_the_real_files_are_pinned_and_in_step():
    for result in (check_requirement_files(ROOT), check_npm_locks(ROOT)):
        assert result.problems == ()
    assert {str(path.relative_to(ROOT)) for path in tool.requirement_files(ROOT)} == {
        "requirements.txt",
        "requirements-dev.txt",
        "tools/audit/requirements.txt",
        "tools/bicep_check/requirements.txt",
        "tools/node-requirements.txt",
    }


def test_every_requirement_file_is_compiled_by_make_lock():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for path in tool.requirement_files(ROOT):
        source = path.with_suffix(".in").relative_to(ROOT)
        assert f"$(UV_COMPILE) {source} -o {path.relative_to(ROOT)}\n" in makefile


def test_a_project_as_it_should_be_has_no_problems(project):
    assert check_requirement_files(project).problems == ()
    assert check_requirement_files(project).looked_at == "2 pins in 1 requirement files"
    assert check_npm_locks(project).problems == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("requests==2.34.2\n", "requirements.txt:3: requests 2.34.2 has no hash"),
        (line("requests", "2.34.2", "md5:abc"), "has the hash 'md5:abc', expected SHA-256"),
        (line("requests", "2.34.2", A[:-1]), "expected SHA-256 or longer in full"),
        (f"requests>=2.34 --hash={A}\n", "found 'requests>=2.34', expected one version"),
        (f"requests==2.* --hash={A}\n", "found 'requests==2.*', expected one version"),
        (f"requests --hash={A}\n", "found 'requests', expected one version"),
        (f"requests @ https://example.com/requests.whl --hash={A}\n", "expected one version"),
        ("-r more.txt\n", "found '-r more.txt', expected NAME==VERSION with hashes"),
        ("./requests.whl\n", "found './requests.whl', expected NAME==VERSION"),
    ],
)
def test_a_line_that_holds_no_one_file_is_found(project, text, message):
    write(project, "requirements.txt", f"{HEAD}{text}{line('rich', '15.0.0')}")
    first, *_ = check_requirement_files(project).problems
    assert first.startswith("requirements.txt:3: ")
    assert message in first
    assert "run `make lock`" in first


def test_names_markers_and_continued_lines_are_read(project):
    text = line("Typing_Extensions", "4.16.0 ; python_version < '3.13'", A, B)
    write(project, "requirements.txt", HEAD + text)
    (pin,), problems = read_pins(project, project / "requirements.txt")
    assert problems == []
    assert (pin.line, pin.name, pin.version) == (3, "typing-extensions", "4.16.0")
    assert pin.marker == 'python_version < "3.13"'
    assert pin.hashes == (A, B)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "requests\nrich>=15\nuvicorn\n",
            "requirements.in:3: asks for 'uvicorn', but requirements.txt has no such package",
        ),
        (
            "requests\nrich>=16\n",
            "requirements.in:2: asks for 'rich>=16', but requirements.txt has rich==15.0.0",
        ),
        ("requests==2.35.0\nrich\n", "requirements.in:1: asks for 'requests==2.35.0', but"),
    ],
)
def test_a_file_out_of_step_with_what_it_is_made_from_is_found(project, source, message):
    write(project, "requirements.in", source)
    (problem,) = check_requirement_files(project).problems
    assert problem.startswith(message)
    assert "run `make lock`" in problem


def test_a_file_that_is_made_from_nothing_is_found(project):
    (project / "requirements.in").unlink()
    (problem,) = check_requirement_files(project).problems
    assert problem.startswith("requirements.txt: found no requirements.in beside it")


def test_another_version_than_the_included_file_has_is_found(project):
    write(project, "requirements-dev.in", "-r requirements.in\npytest\n")
    dev = line("requests", "2.34.2") + line("rich", "15.0.1") + line("pytest", "9.0.0")
    write(project, "requirements-dev.txt", HEAD + dev)
    (problem,) = check_requirement_files(project).problems
    assert problem.startswith(
        "requirements-dev.txt:6: has rich==15.0.1, but requirements.txt:6 has 15.0.0"
    )


@pytest.mark.parametrize(
    ("lock", "message"),
    [
        (npm_lock(integrity=""), "azurite 3.35.0 has the integrity '', expected 'sha512-…'"),
        (npm_lock(integrity="sha1-abc="), "has the integrity 'sha1-abc=', expected 'sha512-…'"),
        (
            npm_lock(asked="3.34.0"),
            "azurite: asks for 3.35.0, but package-lock.json was made for 3.34.0",
        ),
        (npm_lock(version="3.34.0"), "azurite: asks for 3.35.0, but package-lock.json has 3.34.0"),
    ],
)
def test_a_lock_file_of_npm_that_holds_too_little_is_found(project, lock, message):
    write(project, "tools/node/package-lock.json", lock)
    (problem,) = check_npm_locks(project).problems
    assert problem.startswith("tools/node/package")
    assert message in problem
    assert "run `make lock`" in problem


def test_a_range_in_package_json_is_found(project):
    write(project, "tools/node/package.json", {"dependencies": {"azurite": "^3.35.0"}})
    write(project, "tools/node/package-lock.json", npm_lock(asked="^3.35.0"))
    (problem,) = check_npm_locks(project).problems
    assert "azurite: found '^3.35.0', expected one version" in problem


def test_a_lock_file_that_is_not_there_is_found(project):
    (project / "tools/node/package-lock.json").unlink()
    (problem,) = check_npm_locks(project).problems
    assert problem.startswith("tools/node/package-lock.json: is not there")


def uv_says(monkeypatch, status, text="", stderr=""):
    """Have uv write a file and end so, in place of asking the package index."""

    def run(command, **_):
        if status == 0:
            target = command[command.index("-o") + 1]
            tool.Path(target).write_text(text, "utf-8")
        return tool.subprocess.CompletedProcess(command, status, "", stderr)

    monkeypatch.setattr(tool.subprocess, "run", run)


def test_uv_changes_nothing_in_a_file_that_is_in_step(project, monkeypatch):
    uv_says(monkeypatch, 0, (project / "requirements.txt").read_text("utf-8"))
    result = tool.compile_problems(project)
    assert (result.problems, result.not_done) == ((), ())


def test_what_uv_would_change_is_found(project, monkeypatch):
    uv_says(monkeypatch, 0, HEAD + line("requests", "2.34.2") + line("idna", "3.20"))
    gone, lacking = tool.compile_problems(project).problems
    assert gone.startswith("requirements.txt:6: has rich==15.0.0, which nothing asks for")
    assert lacking.startswith("requirements.txt: lacks idna==3.20, which its packages require")


def test_a_package_index_that_is_not_reached_is_no_pass(project, monkeypatch):
    uv_says(monkeypatch, 2, stderr="error: Failed to fetch")
    result = tool.compile_problems(project)
    assert result.problems == ()
    assert result.outcome == "INCOMPLETE"
    assert "uv could not compile it again: error: Failed to fetch" in result.not_done[0]


def test_a_file_without_the_command_that_made_it_is_found(project):
    write(project, "requirements.txt", line("requests", "2.34.2") + line("rich", "15.0.0"))
    (problem,) = tool.compile_problems(project).problems
    assert problem.startswith("requirements.txt: found no command in its second line")
