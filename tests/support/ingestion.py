"""Application Insights' ingestion as far as its exporter needs it: takes envelopes, keeps them."""

import gzip
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "11111111-2222-4333-8444-555555555555"


class Ingestion:
    """Runs while the ``with`` block lasts.

    Args:
        certificate: Of a server that speaks TLS, as a client with a token insists on.

    Attributes:
        envelopes: What was sent, oldest first.
        paths: Method and path of every request, whatever it was for. A process that takes `url`
            for its proxy asks to be connected to other hosts here, too, and is not.
        authorizations: The Authorization headers that came along.
    """

    def __init__(self, certificate=None):
        self.envelopes = []
        self.paths = []
        self.authorizations = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.certificate, certificate.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self):
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    @property
    def connection_string(self):
        return f"InstrumentationKey={KEY};IngestionEndpoint={self.url}/;LiveEndpoint={self.url}/"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def of(self, kind):
        """The data of a kind, such as ``MetricData``, each with the envelope's tags."""
        return [
            (envelope["data"]["baseData"], envelope["tags"])
            for envelope in self.envelopes
            if envelope["data"]["baseType"] == kind
        ]


def _handler(ingestion):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # The client's idle connections must not keep the server from stopping.
        timeout = 0.5

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            ingestion.paths.append(f"POST {self.path}")
            ingestion.authorizations.append(self.headers.get("Authorization"))
            found = json.loads(body) if body else []
            ingestion.envelopes += found
            answer = {"itemsReceived": len(found), "itemsAccepted": len(found), "errors": []}
            self._answer(json.dumps(answer).encode())

        def do_GET(self):
            ingestion.paths.append(f"GET {self.path}")
            self._answer(b"{}")

        def do_CONNECT(self):
            ingestion.paths.append(f"CONNECT {self.path}")
            self._answer(b"", 502)

        def _answer(self, content, status=200):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            """Keep quiet."""

    return Handler
