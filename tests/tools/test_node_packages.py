"""npm packages are installed from lock files, and a failure is told."""

import sys
from pathlib import Path

import pytest

from tools import node_packages as tool
from tools.node_packages import ROOT, NodePackagesError


def test_a_command_that_fails_tells_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(NodePackagesError, match="exit code 3") as caught:
        tool._run([sys.executable, "-c", "print('no network'); exit(3)"], tmp_path)
    assert "no network" in str(caught.value)
    assert "reaches the package registries" in str(caught.value)


def test_lock_files_name_no_registry() -> None:
    locks = sorted((ROOT / "tools").rglob("package-lock.json"))
    assert len(locks) == 3
    for lock in locks:
        assert '"resolved"' not in lock.read_text("utf-8")
        assert '"integrity"' in lock.read_text("utf-8")
