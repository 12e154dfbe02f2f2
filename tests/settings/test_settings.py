"""App settings: what is read, what is refused and with what words."""

import re
from pathlib import Path

import pytest

from p2c.errors import SettingError
from p2c.settings import (
    Settings,
    StorageSettings,
    find_settings,
    load_settings,
    setting_names,
)

GOOD = {
    "P2C_DATAVERSE_URL": "https://contoso.crm4.dynamics.com",
    "P2C_FNO_URL": "https://contoso.operations.dynamics.com/",
    "P2C_LEGAL_ENTITY": "usmf",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}
IDENTITY = {name: value for name, value in GOOD.items() if name != "AzureWebJobsStorage"}
PREFIX = "AzureWebJobsStorage__"


def broken(**changes: str | None) -> str:
    """Load good settings with these changes (None removes one); return the error's message."""
    environ = {**GOOD, **changes}
    with pytest.raises(SettingError) as caught:
        load_settings({name: value for name, value in environ.items() if value is not None})
    assert caught.value.code == "setting-invalid"
    return caught.value.message


def test_the_required_settings_suffice_and_the_others_have_defaults() -> None:
    settings = load_settings(GOOD)
    assert settings.dataverse_url == "https://contoso.crm4.dynamics.com"
    assert settings.fno_url == "https://contoso.operations.dynamics.com"
    assert settings.legal_entity == "usmf"
    assert settings.credential == "default"
    assert settings.projects is None
    assert settings.settle_seconds == 900
    assert settings.hash_key is None
    assert settings.schedules == {}
    assert settings.storage.connection_string is not None


def test_the_environment_is_read_when_nothing_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**GOOD, "P2C_SETTLE_SECONDS": "7"}.items():
        monkeypatch.setenv(name, value)
    assert load_settings().settle_seconds == 7


def test_every_setting_is_read(tmp_path: Path) -> None:
    settings = load_settings(
        {
            **GOOD,
            "P2C_DATAVERSE_URL": "http://127.0.0.1:8081",
            "P2C_FNO_URL": "http://[::1]:8082",
            "P2C_CREDENTIAL": "sandbox",
            "P2C_PROJECTS": str(tmp_path),
            "P2C_SETTLE_SECONDS": "0",
            "P2C_HASH_KEY": "k" * 32,
            "P2C_SCHEDULE_ACCOUNTS": "*/10 * * * * *",
        }
    )
    assert settings.dataverse_url == "http://127.0.0.1:8081"
    assert settings.fno_url == "http://[::1]:8082"
    assert settings.credential == "sandbox"
    assert settings.projects == tmp_path
    assert settings.settle_seconds == 0
    assert settings.hash_key.get_secret_value() == "k" * 32
    assert settings.schedules == {"P2C_SCHEDULE_ACCOUNTS": "*/10 * * * * *"}


def test_an_empty_setting_counts_as_absent() -> None:
    settings = load_settings({**GOOD, "P2C_SETTLE_SECONDS": "", "P2C_PROJECTS": " "})
    assert (settings.settle_seconds, settings.projects) == (900, None)


def test_settings_of_others_are_left_alone() -> None:
    others = {"PATH": "/bin", "P2C_CONTRACT_FNO_URL": "x", "AzureWebJobs.accounts.Disabled": "1"}
    assert load_settings({**GOOD, **others}) == load_settings(GOOD)


def test_the_account_name_gives_both_urls() -> None:
    name, credential, client = "contoso01", "managedidentity", "11111111-2222-3333-4444-555555"
    environ = {
        **IDENTITY,
        f"{PREFIX}accountName": name,
        f"{PREFIX}credential": credential,
        f"{PREFIX}clientId": client,
    }
    storage = load_settings(environ).storage
    assert storage.queue_url == "https://contoso01.queue.core.windows.net"
    assert storage.table_url == "https://contoso01.table.core.windows.net"
    assert storage.credential == "managedidentity"
    assert storage.client_id == client
    assert storage.connection_string is None


def test_both_service_urls_take_the_place_of_the_account_name() -> None:
    environ = {
        **IDENTITY,
        f"{PREFIX}queueServiceUri": "https://contoso.queue.core.usgovcloudapi.net/",
        f"{PREFIX}tableServiceUri": "https://contoso.table.core.usgovcloudapi.net",
        f"{PREFIX}blobServiceUri": "https://contoso.blob.core.usgovcloudapi.net",
    }
    storage = load_settings(environ).storage
    assert storage.queue_url == "https://contoso.queue.core.usgovcloudapi.net"
    assert storage.table_url == "https://contoso.table.core.usgovcloudapi.net"


@pytest.mark.parametrize("host", ["127.0.0.1:10001", "localhost:10001", "[::1]:10001"])
def test_the_url_of_an_emulator_on_this_machine_has_the_account_as_its_path(host: str) -> None:
    environ = {
        **IDENTITY,
        f"{PREFIX}queueServiceUri": f"https://{host}/devstoreaccount1",
        f"{PREFIX}tableServiceUri": f"https://{host}/devstoreaccount1/",
    }
    storage = load_settings(environ).storage
    assert storage.queue_url == storage.table_url == f"https://{host}/devstoreaccount1"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "P2C_DATAVERSE_URL",
            None,
            "P2C_DATAVERSE_URL: found nothing; expected a root URL such as "
            "https://contoso.crm4.dynamics.com. Copy the environment's address from the browser, "
            "host only.",
        ),
        (
            "P2C_DATAVERSE_URL",
            "https://contoso.crm4.dynamics.com/api/data/v9.2",
            "P2C_DATAVERSE_URL: found 'https://contoso.crm4.dynamics.com/api/data/v9.2', and "
            "something follows the host; expected a root URL such as "
            "https://contoso.crm4.dynamics.com.",
        ),
        (
            "P2C_FNO_URL",
            None,
            "P2C_FNO_URL: found nothing; expected a root URL such as "
            "https://contoso.operations.dynamics.com.",
        ),
        (
            "P2C_FNO_URL",
            "contoso.operations.dynamics.com",
            "P2C_FNO_URL: found 'contoso.operations.dynamics.com', and it does not start with "
            "https:// and a host; expected",
        ),
        (
            "P2C_FNO_URL",
            "http://contoso.operations.dynamics.com",
            "and http is for this machine only; expected",
        ),
        ("P2C_FNO_URL", "http://127.0.0.1.evil.example", "and http is for this machine only;"),
        ("P2C_FNO_URL", "https://contoso:99999", "and it is not a URL; expected"),
        ("P2C_FNO_URL", "https://contoso/?x=1", "and something follows the host; expected"),
        (
            "P2C_FNO_URL",
            "https://me:hunter2@contoso.dynamics.com",
            "P2C_FNO_URL: found 39 characters (not shown), and it carries a user name; expected",
        ),
        (
            "P2C_CREDENTIAL",
            "Sandbox",
            "P2C_CREDENTIAL: found 'Sandbox'; expected default or sandbox. Remove the setting for "
            "real services; use sandbox with the sandbox's URLs only.",
        ),
        (
            "P2C_CREDENTIAL",
            "sandbox",
            "P2C_CREDENTIAL: found 'sandbox' with P2C_DATAVERSE_URL "
            "'https://contoso.crm4.dynamics.com'; expected a loopback host with it. Remove "
            "P2C_CREDENTIAL for real services.",
        ),
        (
            "P2C_LEGAL_ENTITY",
            None,
            "P2C_LEGAL_ENTITY: found nothing; expected a dataAreaId such as usmf. Take it from "
            "F&O's list of legal entities.",
        ),
        (
            "P2C_LEGAL_ENTITY",
            "us'mf",
            "P2C_LEGAL_ENTITY: found 'us'mf', and it is not one to four letters or digits;",
        ),
        (
            "P2C_PROJECTS",
            "/no/such/folder",
            "P2C_PROJECTS: found '/no/such/folder', and there is no such folder; expected an "
            "existing folder of project files. Mend the path or remove the setting.",
        ),
        (
            "P2C_SETTLE_SECONDS",
            "-1",
            "P2C_SETTLE_SECONDS: found '-1'; expected a whole number of seconds from 0. Mend the "
            "number or remove the setting for the default of 900.",
        ),
        ("P2C_SETTLE_SECONDS", "1.5", "P2C_SETTLE_SECONDS: found '1.5'; expected a whole number"),
        ("P2C_SETTLE_SECONDS", "15m", "P2C_SETTLE_SECONDS: found '15m'; expected a whole number"),
        (
            "P2C_HASH_KEY",
            "hunter2",
            "P2C_HASH_KEY: found 7 characters (not shown), and it is too short to be safe; "
            "expected at least 32 characters. Use 'openssl rand -hex 32', or remove the setting.",
        ),
        (
            "P2C_SCHEDULE_ACCOUNTS",
            "*/5 * * * *",
            "P2C_SCHEDULE_ACCOUNTS: found '*/5 * * * *', and it has 5 fields, not six; expected "
            "six NCRONTAB fields starting with seconds, such as '0 */5 * * * *'. Mend the "
            "expression or remove the setting for the default.",
        ),
        ("P2C_SCHEDULE_ACCOUNTS", "0 60 * * * *", "and its field 2 is '60'; expected six"),
        ("P2C_SCHEDULE_ACCOUNTS", "0 */0 * * * *", "and its field 2 is '*/0'; expected six"),
        ("P2C_SCHEDULE_ACCOUNTS", "0 0 9-8 * * *", "and its field 3 is '9-8'; expected six"),
        ("P2C_SCHEDULE_ACCOUNTS", "0 0 0 0 * *", "and its field 4 is '0'; expected six"),
        ("P2C_SCHEDULE_ACCOUNTS", "0 0 0 * mon *", "and its field 5 is 'mon'; expected six"),
        ("P2C_SCHEDULE_ACCOUNTS", "0 0 0 * * 1,,2", "and its field 6 is '1,,2'; expected six"),
        (
            "P2C_FNOURL",
            "https://contoso.operations.dynamics.com",
            "P2C_FNOURL: found this setting, which p2c does not know; expected one of "
            "P2C_CREDENTIAL, P2C_DATAVERSE_URL, P2C_FNO_URL, ",
        ),
        (
            "AzureWebJobsStorage",
            None,
            "AzureWebJobsStorage: found nothing; expected a connection string, or "
            "AzureWebJobsStorage__accountName, or AzureWebJobsStorage__queueServiceUri and "
            "AzureWebJobsStorage__tableServiceUri.",
        ),
        (
            "AzureWebJobsStorage",
            "AccountName=contoso;AccountKey=",
            "AzureWebJobsStorage: found 31 characters (not shown), and it names no account with a "
            "key; expected a connection string, or",
        ),
        (
            f"{PREFIX}accountName",
            "contoso",
            "AzureWebJobsStorage: found a connection string and also "
            "AzureWebJobsStorage__accountName; expected one form. Remove the connection string to "
            "use an identity.",
        ),
    ],
)
def test_a_broken_setting_is_named_with_what_was_found_and_expected(
    name: str, value: str | None, message: str
) -> None:
    assert message in broken(**{name: value})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"accountName": "Contoso_1"},
            "AzureWebJobsStorage__accountName: found 'Contoso_1'; expected a storage account's "
            "name, 3 to 24 lower-case letters and digits. Copy it from the storage account's "
            "overview.",
        ),
        (
            {"queueServiceUri": "https://contoso.queue.core.windows.net"},
            "AzureWebJobsStorage__tableServiceUri: found nothing; expected it beside "
            "AzureWebJobsStorage__queueServiceUri. Set it, or AzureWebJobsStorage__accountName "
            "alone.",
        ),
        (
            {"tableServiceUri": "https://contoso.table.core.windows.net"},
            "AzureWebJobsStorage__queueServiceUri: found nothing; expected it beside",
        ),
        (
            {"queueServiceUri": "http://127.0.0.1:10001", "accountName": "contoso"},
            "AzureWebJobsStorage__queueServiceUri: found 'http://127.0.0.1:10001', and tokens are "
            "sent over https only; expected a URL such as https://contoso.queue.core.windows.net.",
        ),
        (
            {"tableServiceUri": "https://contoso/table", "accountName": "contoso"},
            "AzureWebJobsStorage__tableServiceUri: found 'https://contoso/table', and something "
            "follows the host; expected a URL such as https://contoso.table.core.windows.net.",
        ),
        (
            {"tableServiceUri": "https://127.0.0.1.evil.example/a23", "accountName": "contoso"},
            "found 'https://127.0.0.1.evil.example/a23', and something follows the host;",
        ),
        *(
            (
                {"queueServiceUri": f"https://127.0.0.1:10001/{path}", "accountName": "contoso"},
                f"AzureWebJobsStorage__queueServiceUri: found 'https://127.0.0.1:10001/{path}', "
                "and more than an account's name follows the host; expected a URL such as "
                "https://contoso.queue.core.windows.net.",
            )
            for path in ("account1/p2c-accounts", "account1?sig=x", "..", "account1#x", "/account1")
        ),
        (
            {"queueServiceUri": "http://127.0.0.1:10001/account1", "accountName": "contoso"},
            "and tokens are sent over https only;",
        ),
        (
            {"credential": "password", "accountName": "contoso"},
            "AzureWebJobsStorage__credential: found 'password'; expected managedidentity. Mend "
            "it, or remove it outside Azure.",
        ),
    ],
)
def test_a_broken_identity_setting_is_named_too(settings: dict[str, str], message: str) -> None:
    changes = {f"{PREFIX}{suffix}": value for suffix, value in settings.items()}
    assert message in broken(AzureWebJobsStorage=None, **changes)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(SettingError) as caught:
        load_settings({"P2C_SETTLE_SECONDS": "soon"})
    named = [line.split(":")[0] for line in caught.value.message.splitlines()]
    assert sorted(named) == [
        "AzureWebJobsStorage",
        "P2C_DATAVERSE_URL",
        "P2C_FNO_URL",
        "P2C_LEGAL_ENTITY",
        "P2C_SETTLE_SECONDS",
    ]


def test_no_secret_is_shown_in_messages_or_in_the_settings_text() -> None:
    secret = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
    settings = load_settings(
        {
            **GOOD,
            "AzureWebJobsStorage": f"AccountName=a;AccountKey={secret}",
            "P2C_HASH_KEY": secret,
        }
    )
    assert secret not in repr(settings)
    message = broken(AzureWebJobsStorage=secret, P2C_HASH_KEY=secret[:31])
    assert secret[:31] not in message


@pytest.mark.parametrize(
    "schedule",
    [
        "0 */5 * * * *",
        "0,30 0-59/2 8-17 1,15 jan-DEC mon-Fri",
        "*/10 * * * * *",
        "0 0 0 31 12 6",
        "59 59 23 * * sun",
    ],
)
def test_what_the_host_takes_as_a_schedule_is_taken(schedule: str) -> None:
    settings = load_settings({**GOOD, "P2C_SCHEDULE_X": schedule})
    assert settings.schedules == {"P2C_SCHEDULE_X": schedule}


def test_settings_cannot_be_changed() -> None:
    settings = load_settings(GOOD)
    with pytest.raises(ValueError, match="frozen"):
        settings.settle_seconds = 1


def test_every_setting_says_what_it_is_for() -> None:
    fields = [*Settings.model_fields.values(), *StorageSettings.model_fields.values()]
    without = [field.alias for field in fields if not field.description]
    # The storage settings describe themselves, one by one.
    assert without == []
    assert all(re.fullmatch(r"(P2C_|AzureWebJobsStorage).*", name) for name in setting_names())


def test_settings_that_are_right_leave_nothing_unusable() -> None:
    found = find_settings(GOOD)
    assert found.settings == load_settings(GOOD)
    assert (found.problems, found.unusable) == ((), frozenset())


@pytest.mark.parametrize(
    ("changes", "unusable"),
    [
        ({"P2C_FNO_URL": None}, {"P2C_FNO_URL"}),
        (
            {"P2C_LEGAL_ENTITY": "too long", "P2C_SETTLE_SECONDS": "x"},
            {"P2C_LEGAL_ENTITY", "P2C_SETTLE_SECONDS"},
        ),
        ({"AzureWebJobsStorage": None}, {"AzureWebJobsStorage"}),
        (
            {"AzureWebJobsStorage": None, f"{PREFIX}accountName": "No!"},
            {"AzureWebJobsStorage"},
        ),
        ({f"{PREFIX}accountName": "contoso"}, {"AzureWebJobsStorage"}),
        ({"P2C_BOGUS": "1"}, {"P2C_BOGUS"}),
    ],
)
def test_what_is_wrong_is_unusable_and_the_rest_keeps_its_value(
    changes: dict[str, str | None], unusable: set[str]
) -> None:
    environ = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    found = find_settings(environ)
    assert found.unusable == unusable
    assert len(found.problems) == len(unusable)
    assert found.settings.dataverse_url == GOOD["P2C_DATAVERSE_URL"]


def test_the_token_of_the_sandbox_is_unusable_with_a_real_service() -> None:
    found = find_settings({**GOOD, "P2C_CREDENTIAL": "sandbox"})
    assert found.unusable == {"P2C_CREDENTIAL"}
    assert len(found.problems) == 2
