"""``python -m tools.p2c run accounts``: a command of p2c with the values of local.settings.json.

So the commands and ``func start`` work with one set of settings. As with the Functions host, a
variable of the environment wins over the file. Needs nothing but the standard library, and runs
wherever p2c does.
"""

import argparse
import json
import os
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path

SETTINGS = Path("local.settings.json")


class LocalSettingsError(Exception):
    """The file cannot be used; the message says where, what is wrong and what to do."""


def main() -> int:
    """Run a command, which exits by itself; 2 when the settings cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m tools.p2c", description=__doc__)
    parser.add_argument("--settings", type=Path, default=SETTINGS, help=f"instead of {SETTINGS}")
    parser.add_argument("words", nargs=argparse.REMAINDER, help="what follows python -m p2c")
    given = parser.parse_args()
    try:
        values = read_values(given.settings)
    except LocalSettingsError as error:
        print(error, file=sys.stderr)
        return 2
    kept = sorted(name for name in values if os.environ.get(name, values[name]) != values[name])
    if kept:
        print(
            f"Of {given.settings} not taken, because the environment has another value: "
            f"{', '.join(kept)}.",
            file=sys.stderr,
        )
    for name, value in values.items():
        os.environ.setdefault(name, value)
    sys.argv = ["p2c", *given.words]
    runpy.run_module("p2c", run_name="__main__", alter_sys=True)
    return 0


def read_values(path: Path) -> Mapping[str, str]:
    """Read the settings that a file gives.

    Raises:
        LocalSettingsError: It is not there, or not as Core Tools writes it.
    """
    try:
        document = json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise LocalSettingsError(
            f"{path}: found no such file; expected the local settings. Copy "
            "local.settings.sample.json to it."
        ) from None
    except OSError as error:
        raise LocalSettingsError(
            f"{path}: found a file that cannot be read ({error.strerror}); expected the local "
            "settings. Mend its rights."
        ) from None
    except ValueError as error:
        raise LocalSettingsError(
            f"{path}: found what is no JSON ({error}); expected the form of "
            "local.settings.sample.json. Mend it there; comments are not allowed."
        ) from None
    values = document.get("Values") if isinstance(document, dict) else None
    if not isinstance(values, dict):
        raise LocalSettingsError(
            f'{path}: found no object "Values"; expected the form of local.settings.sample.json. '
            "Add it."
        )
    if document.get("IsEncrypted"):
        raise LocalSettingsError(
            f'{path}: found "IsEncrypted": true; expected plain values. Run '
            "'func settings decrypt'."
        )
    for name, value in values.items():
        if not isinstance(value, str):
            raise LocalSettingsError(
                f"{path}, Values, {name}: found {json.dumps(value)}; expected a text. Put it in "
                "quotes."
            )
    return values


if __name__ == "__main__":
    sys.exit(main())
