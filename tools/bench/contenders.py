"""What p2c is measured against: a plain loop, and the ceiling of what F&O lets through.

Both know nothing of queues, a ledger or faults, and neither could go on after a crash.
"""

import json
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tools.bench.company import AUTHORIZATION, TIMEOUT_SECONDS, Company
from tools.bench.watched import CONNECTIONS, WORKERS

READERS = 4
"""Threads of the ceiling that read from Dataverse, besides the connections to F&O."""

_COLUMNS = (
    "firstname,lastname,msdynce_contactnumber,jobtitle,department,emailaddress1,telephone1,"
    "gendercode,address1_line1,address1_city,address1_postalcode,address1_stateorprovince,"
    "address1_country"
)


def run_plain_loop(company: Company) -> tuple[int, float]:
    """Bring contacts over as an afternoon's program would; return how many and the seconds."""
    started = time.perf_counter()
    done = 0
    with requests.Session() as session:
        session.headers.update(AUTHORIZATION)
        link = (
            f"{company.dataverse}contacts?$select={_COLUMNS}"
            "&$expand=parentcustomerid_account($select=accountnumber)"
            "&$filter=msdynce_isactivecustomer eq false"
        )
        while link:
            page = session.get(link, timeout=TIMEOUT_SECONDS).json()
            for row in page["value"]:
                answer = session.post(
                    f"{company.fno}CDSContactPersons?cross-company=true",
                    json=_contact_person(row),
                    timeout=TIMEOUT_SECONDS,
                )
                answer.raise_for_status()
                done += 1
            link = page.get("@odata.nextLink")
    return done, time.perf_counter() - started


def _contact_person(row: dict[str, Any]) -> dict[str, Any]:
    values = {
        "dataAreaId": "usmf",
        "ContactPersonPartyNumber": row["msdynce_contactnumber"],
        "AssociatedPartyNumber": row["parentcustomerid_account"]["accountnumber"],
        "ContactPersonPartyType": "Person",
        "FirstName": row["firstname"],
        "LastName": row["lastname"],
        "Gender": {1: "Male", 2: "Female"}.get(row["gendercode"], "Unknown"),
        "EmploymentProfession": row["jobtitle"],
        "EmploymentDepartment": row["department"],
        "PrimaryEmailAddress": row["emailaddress1"],
        "PrimaryPhoneNumber": row["telephone1"],
        "PrimaryAddressStreet": row["address1_line1"],
        "PrimaryAddressCity": row["address1_city"],
        "PrimaryAddressZipCode": row["address1_postalcode"],
        "PrimaryAddressStateId": row["address1_stateorprovince"],
        "PrimaryAddressCountryRegionISOCode": row["address1_country"],
    }
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Recorded:
    """Requests that p2c sent, to be sent again.

    Attributes:
        enumeration: Those that asked which rows there are, one after the other.
        messages: For each message what read its rows, and then what was sent to F&O for them.
    """

    enumeration: Sequence[dict[str, Any]]
    messages: Sequence[tuple[dict[str, Any], Sequence[dict[str, Any]]]]

    @staticmethod
    def read(file: Path) -> "Recorded":
        """Read what `tools.bench.watched` wrote down."""
        enumeration: list[dict[str, Any]] = []
        threads: dict[str, list[tuple[dict[str, Any], list[dict[str, Any]]]]] = {}
        for line in file.read_text().splitlines():
            request = json.loads(line)
            request["body"] = request["body"].encode()
            if not request["thread"].startswith(WORKERS):
                enumeration.append(request)
            elif request["service"] == "dataverse":
                threads.setdefault(request["thread"], []).append((request, []))
            else:
                threads[request["thread"]][-1][1].append(request)
        return Recorded(enumeration, [message for found in threads.values() for message in found])


def run_ceiling(recorded: Recorded) -> tuple[int, float]:
    """Send the same requests by bare threads; return how many records were made, and the seconds.

    `CONNECTIONS` threads do nothing but send prepared requests to F&O, and `READERS` others see to
    it that what is to be sent next has been read.
    """
    read: queue.SimpleQueue[Sequence[dict[str, Any]] | None] = queue.SimpleQueue()
    unread = iter(recorded.messages)
    lock = threading.Lock()
    started = time.perf_counter()
    with requests.Session() as session:
        for request in recorded.enumeration:
            _send(session, request)

    def reader(session: requests.Session) -> int:
        while True:
            with lock:
                message = next(unread, None)
            if message is None:
                return 0
            _send(session, message[0])
            read.put(message[1])

    def writer(session: requests.Session) -> int:
        made = 0
        while (batches := read.get()) is not None:
            made += sum(_send(session, request) for request in batches)
        return made

    with ThreadPoolExecutor(READERS + CONNECTIONS) as threads:
        writers = [threads.submit(_with_session, writer) for _ in range(CONNECTIONS)]
        readers = [threads.submit(_with_session, reader) for _ in range(READERS)]
        try:
            for found in readers:
                found.result()
        finally:
            for _ in writers:
                read.put(None)
        made = sum(found.result() for found in writers)
    return made, time.perf_counter() - started


def _with_session(work: Callable[[requests.Session], int]) -> int:
    with requests.Session() as session:
        return work(session)


def _send(session: requests.Session, request: dict[str, Any]) -> int:
    """Send a request; return how many records it made."""
    answer = session.request(
        request["method"],
        request["url"],
        data=request["body"] or None,
        headers=AUTHORIZATION | request["headers"],
        timeout=TIMEOUT_SECONDS,
    )
    answer.raise_for_status()
    return answer.content.count(b"HTTP/1.1 201")
