"""The storage settings read alone, for when the rest is broken."""

import pytest

from p2c.errors import SettingError
from p2c.settings import load_storage_settings

ACCOUNT = "AccountName=contoso;AccountKey=c2VjcmV0"


def test_other_settings_may_be_missing_or_wrong():
    storage = load_storage_settings({"AzureWebJobsStorage": ACCOUNT, "P2C_FNO_URL": "nonsense"})
    assert storage.connection_string is not None
    assert storage.connection_string.get_secret_value() == ACCOUNT


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, "AzureWebJobsStorage: found nothing; expected a connection string, or "),
        (
            {"AzureWebJobsStorage": "nonsense"},
            "AzureWebJobsStorage: found 8 characters (not shown), and it names no account with a "
            "key; expected",
        ),
        (
            {"AzureWebJobsStorage": ACCOUNT, "AzureWebJobsStorage__accountName": "contoso"},
            "AzureWebJobsStorage: found a connection string and also "
            "AzureWebJobsStorage__accountName; expected one form.",
        ),
        (
            {"AzureWebJobsStorage__queueServiceUri": "https://contoso.queue.core.windows.net"},
            "AzureWebJobsStorage__tableServiceUri: found nothing; expected it beside "
            "AzureWebJobsStorage__queueServiceUri.",
        ),
    ],
)
def test_broken_storage_settings_are_told_as_ever(environ, message):
    with pytest.raises(SettingError) as raised:
        load_storage_settings(environ)
    assert raised.value.message.startswith(message)
