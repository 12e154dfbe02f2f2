"""A managed identity as Functions gives it to an app: an endpoint on loopback that issues tokens.

It keeps the rules of App Service's endpoint: the secret in ``X-IDENTITY-HEADER``, the version
2019-08-01, and the identity named by its client id. Its tokens are not signed.
"""

import base64
import json
import secrets
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

STORAGE = "https://storage.azure.com"
API_VERSION = "2019-08-01"
LIFE_SECONDS = 3600
_EARLY_SECONDS = 300
"""Real tokens are valid from some minutes ago, for clocks differ."""


def claims(token: str) -> dict[str, Any]:
    """What a token says."""
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


@dataclass
class ManagedIdentity:
    """The endpoint while the ``with`` block lasts; without it only `token` works.

    Attributes:
        issued: The audience of each token so far, oldest first.
        refused: Why requests were refused.
        audience: Claims this audience, whatever was asked for.
        age_seconds: How long ago a token was issued; more than `LIFE_SECONDS` expires it.
    """

    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    issued: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    audience: str | None = None
    age_seconds: int = 0

    def __post_init__(self) -> None:
        self._secret = secrets.token_hex(16)
        self._tenant = str(uuid.uuid4())

    @property
    def environment(self) -> dict[str, str]:
        """What Functions tells the app's processes."""
        return {
            "IDENTITY_ENDPOINT": f"http://127.0.0.1:{self._server.server_address[1]}/msi/token",
            "IDENTITY_HEADER": self._secret,
        }

    def answer(self, path: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str]]:
        """Answer a request; `headers` in lower case."""
        url = urlsplit(path)
        asked = dict(parse_qsl(url.query))
        wrong = {
            "path": url.path != "/msi/token",
            "X-IDENTITY-HEADER": headers.get("x-identity-header") != self._secret,
            "api-version": asked.get("api-version") != API_VERSION,
            "client_id": asked.get("client_id") != self.client_id,
            "resource": not asked.get("resource"),
        }
        for name, is_wrong in wrong.items():
            if is_wrong:
                self.refused.append(f"{name} of {path}")
                status = 401 if name == "X-IDENTITY-HEADER" else 400
                return status, {"statusCode": str(status), "message": f"wrong {name}."}
        return 200, self._issue(asked["resource"])

    def token(self, resource: str) -> str:
        """Return a token for a resource, as the endpoint would issue it now."""
        issued_at = int(time.time()) - self.age_seconds
        said = {
            "aud": self.audience or resource,
            "iss": f"https://sts.windows.net/{self._tenant}/",
            "appid": self.client_id,
            "iat": issued_at,
            "nbf": issued_at - _EARLY_SECONDS,
            "exp": issued_at + LIFE_SECONDS,
        }
        parts = (_part({"alg": "none", "typ": "JWT"}), _part(said), "unsigned")
        return ".".join(parts)

    def _issue(self, resource: str) -> dict[str, str]:
        token = self.token(resource)
        self.issued.append(str(claims(token)["aud"]))
        return {
            "access_token": token,
            # The client believes this, not the token: with an expired one it would not send it.
            "expires_on": str(int(time.time()) + LIFE_SECONDS),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": self.client_id,
        }

    def stop(self) -> None:
        """Be away: connections are refused from now on."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _part(said: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")


def _handler(identity: ManagedIdentity) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, said = identity.answer(self.path, headers)
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    return Handler
