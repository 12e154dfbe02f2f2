"""Runs p2c in processes of its own and measures each from outside."""

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.azurite import azurite, dying_with_parent
from tools.bench.company import Company
from tools.node_packages import ROOT
from tools.processes import Addresses, p2c_settings

SETTLE_SECONDS = 2
TASK = "Contacts"


class BenchError(Exception):
    """A run did not come to what the benchmark set out to measure."""


@dataclass(frozen=True)
class Run:
    """One run of p2c.

    Attributes:
        document: What it printed.
        cpu_seconds: User and system time of the process, start-up included.
        peak_bytes: The most memory it had at a time.
        storage_calls: Requests to storage.
        storage_share: Of the time that the workers had a message in hand, the part in which they
            waited for storage.
        asked: What the services say they were asked.
    """

    document: Mapping[str, Any]
    cpu_seconds: float
    peak_bytes: int
    storage_calls: int
    storage_share: float
    asked: Mapping[str, Any]

    @property
    def seconds(self) -> float:
        """From the first look at the templates to the last message, as p2c says itself."""
        return float(self.document["seconds"])

    @property
    def counts(self) -> Mapping[str, int]:
        """Outcomes of the task."""
        found: Mapping[str, int] = self.document["templates"]["contacts"]["tasks"][TASK]
        return found

    @property
    def requests(self) -> int:
        """HTTP requests to both services."""
        return sum(service["requests"] for service in self.asked.values())

    @property
    def fno_operations(self) -> int:
        """Operations of F&O, reads included."""
        return int(self.asked["fno"]["operations"])

    @property
    def fno_writes(self) -> int:
        """Records that F&O was asked to write."""
        return sum(self.asked["fno"]["methods"].get(name, 0) for name in ("POST", "PATCH"))


class P2c:
    """p2c with empty storage of its own, on the benchmark's services."""

    def __init__(self, storage: str, addresses: Addresses, company: Company) -> None:
        self._environment = os.environ | p2c_settings(storage, addresses, SETTLE_SECONDS)
        self._company = company

    def run(self, *words: str, requests: Path | None = None) -> Run:
        """Run the contacts template with further words.

        Args:
            requests: Where to write down every request.

        Raises:
            BenchError: It did not end as Completed.
        """
        self._company.count_from_zero()
        with tempfile.TemporaryDirectory(prefix="p2c-bench-") as folder:
            report = Path(folder) / "report.json"
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tools.bench.watched", str(report)),
                    *(str(requests or "-"), "run", "contacts", *words, "--json"),
                ],
                cwd=ROOT,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                preexec_fn=dying_with_parent(),  # noqa: PLW1509 - it makes one system call
            )
            assert process.stdout is not None
            with process.stdout:
                printed = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                raise BenchError(f"p2c ended with {process.returncode}:\n{printed.decode()}")
            watched = json.loads(report.read_text())
        return Run(
            document=json.loads(printed),
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            peak_bytes=watched["peak_bytes"],
            storage_calls=watched["calls"].get("storage", 0),
            storage_share=watched["seconds"].get("storage", 0)
            / max(watched["seconds"].get("messages", 0), 1e-9),
            asked=self._company.asked(),
        )


@contextmanager
def fresh_p2c(addresses: Addresses, company: Company) -> Iterator[P2c]:
    """Give p2c an Azurite that nobody has used."""
    with azurite() as storage:
        yield P2c(storage, addresses, company)


def cpu_of_ended_children() -> float:
    """Return the processor seconds of every process that was started here and has ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
