"""URLs of a service: literals, keys and query options quoted, roots and links checked. Pure."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from urllib.parse import SplitResult, quote, unquote, urlsplit

MAX_URL_LENGTH = 8_000
"""Longest URL p2c sends, in characters. Both services take more; proxies on the way may not."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Characters with a meaning in OData expressions that may stand unencoded in a query (RFC 3986 3.4).
_EXPRESSION_SAFE = "$(),':="
_DEFAULT_PORTS = {"http": 80, "https": 443}


class LinkForeignError(ValueError):
    """A link leaves the service it came from."""


def text_literal(text: str) -> str:
    """Return a string as OData literal: in quotes, quotes within doubled."""
    return "'" + text.replace("'", "''") + "'"


def name(text: str) -> str:
    """Return a name of a set, property or table unchanged.

    Raises:
        ValueError: It is no such name; names are put into URLs as they are.
    """
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not the name of a set or property")
    return text


def guid(text: str) -> str:
    """Return a GUID in lower case with hyphens.

    Raises:
        ValueError: It is none.
    """
    found = text.strip().strip("{}").lower()
    if not _GUID.fullmatch(found):
        raise ValueError("not a GUID such as 60c4e274-0d87-e711-80e5-00155db19e6d")
    return found


def keyed(entity_set: str, parts: Sequence[tuple[str, str]]) -> str:
    """Return the path of one record by its key or alternate key, every part named and quoted.

    ``CustomersV2(dataAreaId='usmf',CustomerAccount='A%2F1')``. Text parts only.
    """
    quoted = ((name(part), quote(text_literal(value), safe="'")) for part, value in parts)
    return f"{name(entity_set)}({','.join(f'{part}={value}' for part, value in quoted)})"


def encoded(value: str) -> str:
    """Return the value of a query option as it stands in a URL; it is encoded by character."""
    return quote(value, safe=_EXPRESSION_SAFE)


def with_options(path: str, options: Iterable[tuple[str, str]]) -> str:
    """Return a path with query options, each value percent-encoded, in the order given."""
    query = "&".join(f"{option}={encoded(value)}" for option, value in options)
    return f"{path}?{query}" if query else path


def checked_root(url: str) -> str:
    """Return the root of a service without trailing slash.

    Raises:
        ValueError: Not ``https``, or ``http`` to another machine: tokens would go in the clear.
    """
    parts = _split(url)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ValueError("expected https:// (http:// only for this machine)")
    if parts.query or parts.fragment:
        raise ValueError("expected a root such as https://org.crm4.dynamics.com, without a query")
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_link(root: str, link: str) -> None:
    """Check that a link stays within a service root before a token is sent along it.

    Raises:
        LinkForeignError: Scheme, host or port are another's, or the path lies outside.
    """
    try:
        expected, found = _split(root), _split(link)
    except ValueError as error:
        raise LinkForeignError(str(error)) from error
    if _origin(expected) != _origin(found):
        raise LinkForeignError(
            f"it leads to {found.scheme}://{_authority(found)}, "
            f"expected {expected.scheme}://{_authority(expected)}"
        )
    within = expected.path.rstrip("/") + "/"
    segments = unquote(found.path).replace("\\", "/").split("/")
    if not found.path.startswith(within) or ".." in segments or "." in segments:
        raise LinkForeignError(f"its path is not under {within}")


def _split(url: str) -> SplitResult:
    # Some parsers drop blanks and control characters, others keep them: a URL with one is refused
    # before it can be read in two ways.
    if any(ord(character) <= 0x20 or ord(character) == 0x7F for character in url):
        raise ValueError("a URL with blanks or control characters")
    parts = urlsplit(url)
    _ = parts.port  # Raises ValueError for what is no port.
    if not parts.hostname:
        raise ValueError("expected an absolute URL")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL with user information")
    return parts


def _origin(parts: SplitResult) -> tuple[str, str, int | None]:
    return (
        parts.scheme,
        (parts.hostname or "").lower(),
        parts.port or _DEFAULT_PORTS.get(parts.scheme),
    )


def _authority(parts: SplitResult) -> str:
    host = parts.hostname or ""
    return f"{host}:{parts.port}" if parts.port else host
