"""``python -m tools.bicep_check [FOLDER]``: prints what is wrong; 1 if anything is."""

import sys
from pathlib import Path

from tools.bicep_check.check import check_folder


def main() -> int:
    """Check the folder that is named, or ``infra``."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "infra")
    findings = check_folder(folder)
    for finding in findings:
        print(finding)
    print(f"{len(findings)} findings in {len(list(folder.glob('*.bicep')))} files")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
