"""The files of `infra/`, as they are and with a mistake."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"


def bicep_files() -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in sorted(INFRA.glob("*.bicep"))}


def with_change(file: str, old: str, new: str) -> dict[str, str]:
    """Change the first place where a file has a text; it has to have it."""
    texts = bicep_files()
    assert old in texts[file], f"{file} has no {old!r}; mend the test"
    texts[file] = texts[file].replace(old, new, 1)
    return texts
