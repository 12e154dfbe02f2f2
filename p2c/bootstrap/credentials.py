"""Chooses whose tokens are sent: to both services and to storage."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from azure.core.credentials import (
    AccessToken,
    AccessTokenInfo,
    TokenCredential,
    TokenRequestOptions,
)
from azure.core.exceptions import AzureError, ClientAuthenticationError

from p2c.errors import ServiceRefusedError, UnavailableError, cut
from p2c.odata.transport import TokenProvider

SANDBOX_TOKEN = "sandbox"  # noqa: S105  the sandbox takes any token; this one is public


def storage_credential(kind: str | None, client_id: str | None) -> "StorageIdentity":
    """Return the credential for storage, as its settings name it."""
    # Imported here because it takes a third of a second, and only Azure needs it.
    from azure.identity import (  # noqa: PLC0415
        DefaultAzureCredential,
        ManagedIdentityCredential,
    )

    if kind == "managedidentity":
        return StorageIdentity(ManagedIdentityCredential(client_id=client_id))
    return StorageIdentity(DefaultAzureCredential(managed_identity_client_id=client_id))


def token_provider(kind: str, service: str, url: str) -> TokenProvider:
    """Return what gives tokens for a service: those of an identity, or the sandbox's."""
    if kind == "sandbox":  # The settings allow it with loopback hosts only.
        return _sandbox_token
    return IdentityToken(service, f"{url}/.default", _default_credential)


def _sandbox_token(*, force_refresh: bool) -> str:  # noqa: ARG001  it is always the same
    return SANDBOX_TOKEN


def _default_credential() -> TokenCredential:
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415  see above

    return DefaultAzureCredential()


class IdentityToken:
    """Tokens of a credential of the Azure SDK, which keeps them until shortly before they expire.

    Args:
        make_credential: A new credential has an empty cache; there is no other way to renew.
    """

    def __init__(
        self, service: str, scope: str, make_credential: Callable[[], TokenCredential]
    ) -> None:
        self._service = service
        self._scope = scope
        self._make_credential = make_credential
        self._lock = threading.Lock()
        self._credential: TokenCredential | None = None

    def __call__(self, *, force_refresh: bool) -> str:
        with _token_errors(self._service, self._scope):
            return self._current(renew=force_refresh).get_token(self._scope).token

    def _current(self, *, renew: bool) -> TokenCredential:
        with self._lock:
            if renew or self._credential is None:
                self._credential = self._make_credential()
            return self._credential


class _Credential(TokenCredential, Protocol):
    """What a credential of azure-identity can do for a client of storage."""

    def get_token_info(
        self, *scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo: ...


class StorageIdentity:
    """A credential for clients of storage that fails with p2c's errors.

    They pass through the SDK. It would take the credential's own for failures of storage, repeat
    the request, and leave nobody to see that storage was never asked.
    """

    def __init__(self, credential: _Credential) -> None:
        self._credential = credential

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """As `azure.core.credentials.TokenCredential`.

        Raises:
            ServiceRefusedError, UnavailableError: There is no token.
        """
        with _token_errors("storage", " ".join(scopes)):
            return self._credential.get_token(*scopes, **options)

    def get_token_info(
        self, *scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo:
        """As `get_token`; the SDK prefers it, since it says when to ask for the next token."""
        with _token_errors("storage", " ".join(scopes)):
            return self._credential.get_token_info(*scopes, options=options)


@contextmanager
def _token_errors(service: str, scope: str) -> Iterator[None]:
    """Raise p2c's errors for those of azure-identity."""
    try:
        yield
    except ClientAuthenticationError as error:
        raise ServiceRefusedError(
            f"{service}: no token for {scope}: {cut(error.message)} Expected a "
            "managed identity in Azure, or a developer's sign-in elsewhere. Sign in, or give "
            "the app its identity.",
            service=service,
            code="token-missing",
        ) from error
    except (AzureError, json.JSONDecodeError) as error:  # The latter for a page instead of a token.
        raise UnavailableError(
            f"{service}: the identity provider gave no token for {scope} "
            f"({type(error).__name__}). p2c tries again later. If it lasts, see whether the "
            "app's managed identity, or elsewhere login.microsoftonline.com, can be reached.",
            service=service,
            code="identity-unavailable",
        ) from error
