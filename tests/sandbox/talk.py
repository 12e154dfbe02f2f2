"""Plain HTTP talk with the sandbox that knows nothing of p2c's clients."""

import json
import re

import requests


class Service:
    """A requests session below one service root."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.session = requests.Session()
        self.session.headers["Authorization"] = "Bearer test"

    def send(self, method: str, path: str, prefer: str = "", **more) -> requests.Response:
        url = path if path.startswith("http") else self.root + path
        headers = {"Prefer": prefer} if prefer else {}
        headers |= more.pop("headers", {})
        return self.session.request(method, url, headers=headers, timeout=20, **more)

    def get(self, path: str, prefer: str = "", **more) -> requests.Response:
        return self.send("GET", path, prefer, **more)

    def post(self, path: str, body: object, prefer: str = "", **more) -> requests.Response:
        return self.send("POST", path, prefer, json=body, **more)

    def patch(self, path: str, body: object, prefer: str = "", **more) -> requests.Response:
        return self.send("PATCH", path, prefer, json=body, **more)

    def delete(self, path: str, **more) -> requests.Response:
        return self.send("DELETE", path, **more)

    def batch(self, lines: list[str], prefer: str = "", **more) -> requests.Response:
        """Send a batch given as the lines of its parts; its boundary is ``b``."""
        headers = {"Content-Type": "multipart/mixed; boundary=b"}
        body = "\r\n".join([*lines, "--b--", ""]).encode()
        return self.send("POST", "$batch", prefer, data=body, headers=headers, **more)


def make_account(dataverse, **values) -> str:
    answer = dataverse.post("accounts?$select=accountid", values, "return=representation")
    assert answer.status_code == 201, answer.text
    return answer.json()["accountid"]


def currency(dataverse, code: str) -> str:
    found = dataverse.get(f"transactioncurrencies?$filter=isocurrencycode eq '{code}'").json()
    return found["value"][0]["transactioncurrencyid"]


def error(answer: requests.Response) -> tuple[int, str, str]:
    body = answer.json()["error"]
    return answer.status_code, body["code"], body["message"]


def names(answer: requests.Response) -> list[str]:
    return [row["name"] for row in answer.json()["value"]]


def make_contact(dataverse: Service, **values) -> str:
    answer = dataverse.post("contacts?$select=contactid", values, "return=representation")
    assert answer.status_code == 201, answer.text
    return answer.json()["contactid"]


def infolog(answer: requests.Response) -> str:
    """The text that tells what F&O did not like."""
    body = answer.json()["error"]
    assert body["message"] == "An error has occurred."
    return body["innererror"]["message"]


CUSTOMER = {
    "dataAreaId": "usmf",
    "CustomerAccount": "ACC-1",
    "PartyNumber": "ACC-1",
    "PartyType": "Organization",
    "OrganizationName": "Fjord Foods",
    "CustomerGroupId": "10",
    "SalesCurrencyCode": "USD",
}
CONTACT = {
    "dataAreaId": "usmf",
    "ContactPersonPartyNumber": "CON-1",
    "AssociatedPartyNumber": "ACC-1",
    "FirstName": "Kari",
    "LastName": "Moen",
}


def part(request: str, body: object = None, headers: tuple[str, ...] = ()) -> list[str]:
    """The lines of one operation of a batch."""
    lines = ["--b", "Content-Type: application/http", "Content-Transfer-Encoding: binary", ""]
    lines += [f"{request} HTTP/1.1", *headers]
    if body is None:
        return [*lines, "", ""]
    return [*lines, "Content-Type: application/json", "", json.dumps(body)]


def change_set(*operations: tuple[str, object], boundary: str = "c") -> list[str]:
    """The lines of a change set."""
    lines = ["--b", f"Content-Type: multipart/mixed; boundary={boundary}", ""]
    for number, (request, body) in enumerate(operations, 1):
        lines += [f"--{boundary}", "Content-Type: application/http"]
        lines += ["Content-Transfer-Encoding: binary", f"Content-ID: {number}", ""]
        lines += [f"{request} HTTP/1.1", "Content-Type: application/json", "", json.dumps(body)]
    return [*lines, f"--{boundary}--"]


def statuses(answer: requests.Response) -> list[int]:
    """The statuses inside the answer to a batch."""
    return [int(status) for status in re.findall(r"HTTP/1\.1 (\d+)", answer.text)]
