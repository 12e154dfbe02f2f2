"""How to reach Azure Storage."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from p2c.errors import SettingError
from p2c.settings.names import STORAGE, given_settings
from p2c.settings.problems import describe, missing
from p2c.settings.urls import storage_url


def _connection_string(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    parts = dict(part.partition("=")[::2] for part in text.split(";") if part.strip())
    names = {name.strip().lower() for name, content in parts.items() if content}
    if "usedevelopmentstorage" in names:
        return value
    if {"accountname", "accountkey"} <= names or "sharedaccesssignature" in names:
        return value
    raise ValueError("it names no account with a key")


class StorageSettings(BaseModel):
    """How to reach Azure Storage: by connection string, or by identity.

    The identity form is that of the Functions host, so that one set of settings serves both.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    connection_string: Annotated[SecretStr, AfterValidator(_connection_string)] | None = Field(
        None, alias=STORAGE
    )
    """Connection string with a key or a shared access signature. For development: the
    deployed app uses the identity form."""

    account_name: Annotated[str, Field(pattern=r"^[a-z0-9]{3,24}$")] | None = Field(
        None, alias=f"{STORAGE}__accountName"
    )
    """Name of the account in the public cloud; the identity form that needs no URLs."""

    queue_service_uri: Annotated[str, AfterValidator(storage_url)] | None = Field(
        None, alias=f"{STORAGE}__queueServiceUri"
    )
    """Root URL of the queues, instead of the account's name. On this machine the account's name
    may follow the host, as it does in Azurite's URLs."""

    table_service_uri: Annotated[str, AfterValidator(storage_url)] | None = Field(
        None, alias=f"{STORAGE}__tableServiceUri"
    )
    """Root URL of the tables, likewise."""

    blob_service_uri: str | None = Field(None, alias=f"{STORAGE}__blobServiceUri")
    """Root URL of the blobs, which only the Functions host uses."""

    credential: Literal["managedidentity"] | None = Field(None, alias=f"{STORAGE}__credential")
    """``managedidentity`` in Azure; without it, whatever DefaultAzureCredential finds."""

    client_id: str | None = Field(None, alias=f"{STORAGE}__clientId")
    """Client id of a user-assigned managed identity; without it, the system-assigned one."""

    @property
    def queue_url(self) -> str:
        """Root URL of the queues, or "" with a connection string."""
        return self.queue_service_uri or self._account_url("queue")

    @property
    def table_url(self) -> str:
        """Root URL of the tables, or "" with a connection string."""
        return self.table_service_uri or self._account_url("table")

    def _account_url(self, service: str) -> str:
        if self.account_name is None:
            return ""
        return f"https://{self.account_name}.{service}.core.windows.net"


def pick_storage(given: Mapping[str, str]) -> dict[str, str]:
    """Pick the settings of storage."""
    known = (field.alias for field in StorageSettings.model_fields.values())
    return {name: given[name] for name in known if name is not None and name in given}


def load_storage_settings(environ: Mapping[str, str] | None = None) -> StorageSettings:
    """Read only how to reach storage, so that work can be put back when other settings are broken.

    Raises:
        SettingError: As `load_settings`.
    """
    given = given_settings(environ)
    found = pick_storage(given)
    if not found:
        raise SettingError(missing(STORAGE))
    try:
        storage = StorageSettings.model_validate(found)
    except ValidationError as error:
        problems = [describe(detail) for detail in error.errors(include_url=False)]
        raise SettingError("\n".join(problems)) from None
    check_storage(storage, given)
    return storage


def check_storage(storage: StorageSettings, given: Mapping[str, str]) -> None:
    """Find that storage is named in two ways, or half.

    Raises:
        SettingError: It is.
    """
    by_identity = [name for name in given if name.startswith(f"{STORAGE}__")]
    if storage.connection_string is not None and by_identity:
        raise SettingError(
            f"{STORAGE}: found a connection string and also {by_identity[0]}; expected one form. "
            "Remove the connection string to use an identity."
        )
    if storage.connection_string is None and not (storage.queue_url and storage.table_url):
        missing = "queueServiceUri" if not storage.queue_url else "tableServiceUri"
        raise SettingError(
            f"{STORAGE}__{missing}: found nothing; expected it beside "
            f"{', '.join(sorted(by_identity))}. Set it, or {STORAGE}__accountName alone."
        )
