"""A command runs with the values of local.settings.json, and an unusable file is explained."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.p2c import LocalSettingsError, read_values

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = json.loads((ROOT / "local.settings.sample.json").read_text("utf-8"))


def command(settings: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("P2C_", "AzureWebJobsStorage"))
    }
    return subprocess.run(
        [sys.executable, "-m", "tools.p2c", "--settings", str(settings), *words],
        cwd=ROOT,
        env=mine | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """The sample, with a value that every command refuses, naming it."""
    values = SAMPLE["Values"] | {"P2C_LEGAL_ENTITY": "of-the-file"}
    path = tmp_path / "some.settings.json"
    path.write_text(json.dumps(SAMPLE | {"Values": values}), "utf-8")
    return path


def test_a_command_has_the_values_and_its_own_exit_status(settings):
    done = command(settings, "status", "--json")
    assert done.returncode == 2
    assert "P2C_LEGAL_ENTITY: found 'of-the-file'" in json.loads(done.stdout)["error"]["message"]
    assert "not taken" not in done.stderr


def test_the_environment_wins_and_it_is_said(settings):
    done = command(settings, "status", P2C_LEGAL_ENTITY="of-the-shell")
    assert done.returncode == 2
    assert "P2C_LEGAL_ENTITY: found 'of-the-shell'" in done.stderr
    assert (
        f"Of {settings} not taken, because the environment has another value: P2C_LEGAL_ENTITY.\n"
    ) in done.stderr


def test_the_words_are_the_command_s_own(settings):
    done = command(settings, "rejected", "retry", "--help")
    assert done.returncode == 0
    assert "--template" in done.stdout
    wrong = command(settings, "no-such-command")
    assert wrong.returncode == 2
    assert "no-such-command" in wrong.stderr


def test_the_sample_is_readable_also_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "local.settings.json"
    path.write_text(json.dumps(SAMPLE), "utf-8-sig")
    assert read_values(path) == SAMPLE["Values"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "found no such file; expected the local settings. Copy local.settings.sample.json"),
        ("{", "found what is no JSON (Expecting property name"),
        ('{"Values": {} // so\n}', "comments are not allowed"),
        ("[]", 'found no object "Values"'),
        ("{}", 'found no object "Values"'),
        ('{"Values": []}', 'found no object "Values"'),
        ('{"IsEncrypted": true, "Values": {"A": "x"}}', "Run 'func settings decrypt'"),
        ('{"Values": {"A": "x", "B": 2}}', "Values, B: found 2; expected a text. Put it in quotes"),
    ],
)
def test_an_unusable_file_is_explained(tmp_path, text, said):
    path = tmp_path / "local.settings.json"
    if text is not None:
        path.write_text(text, "utf-8")
    with pytest.raises(LocalSettingsError) as raised:
        read_values(path)
    assert str(raised.value).startswith(str(path))
    assert said in str(raised.value)


def test_without_the_file_no_command_runs(tmp_path):
    done = command(tmp_path / "local.settings.json", "check")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Copy local.settings.sample.json to it." in done.stderr
