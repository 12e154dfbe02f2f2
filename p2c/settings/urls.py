"""Checks URLs that are settings."""

import re
from urllib.parse import SplitResult, urlsplit

from p2c.odata.urls import is_loopback


def is_this_machine(url: str) -> bool:
    """Whether a URL leads to this machine."""
    return is_loopback(urlsplit(url).hostname or "")


def _url(value: str) -> SplitResult:
    try:
        url = urlsplit(value)
        _ = url.port
    except ValueError as error:
        raise ValueError("it is not a URL") from error
    if url.scheme not in ("https", "http") or not url.hostname:
        raise ValueError("it does not start with https:// and a host")
    if url.username is not None or url.password is not None:
        raise ValueError("it carries a user name")
    return url


def root_url(value: str) -> str:
    """Check the root URL of a service; it comes back without a slash at its end.

    Raises:
        ValueError: It is none; the text says why.
    """
    url = _url(value)
    if url.path not in ("", "/") or url.query or url.fragment:
        raise ValueError("something follows the host")
    if url.scheme == "http" and not is_this_machine(value):
        raise ValueError("http is for this machine only")
    return value.rstrip("/")


def storage_url(value: str) -> str:
    """Check a URL of a storage service, as `root_url`; Azurite's name the account."""
    url = _url(value)
    if url.scheme != "https":
        raise ValueError("tokens are sent over https only")
    if not is_this_machine(value):
        return root_url(value)
    if url.query or url.fragment or not re.fullmatch(r"(/[a-z0-9]{3,24})?/?", url.path):
        raise ValueError("more than an account's name follows the host")
    return value.rstrip("/")
