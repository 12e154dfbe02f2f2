"""The switches of the sandbox: behaviour that differs between environments or is not known.

Values arrive as JSON over the control interface, so these are boundary models: unknown names and
wrong values are refused.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Switches(BaseModel):
    """All switches with their defaults; the defaults are what was seen most often.

    Rates are probabilities per request, sizes are rows or records a page.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataverse_page_size: int = Field(5_000, ge=1, le=5_000)
    dataverse_change_tracking: Literal["on", "off", "off-other-words"] = "on"
    """Off: 0x80072491; off-other-words: 0x80060888 with a differently worded message."""
    dataverse_expired_status: Literal[400, 410, 500] = 400
    dataverse_token_days: float = Field(7, ge=0)
    dataverse_token_stamp: Literal["last", "start"] = "last"  # noqa: S105 - no secret
    """When the delta token of a full read is stamped: with its last or its first page."""
    dataverse_annotations_lose_delta_link: bool = False
    """An old fault: asking for formatted values on a paged tracked read loses the delta link."""
    dataverse_account_key: Literal["absent", "Active", "Pending"] = "absent"
    """State of the alternate key on account.accountnumber, which some environments have."""
    dataverse_delete_account: Literal["cascade", "remove-link"] = "cascade"
    """What the deletion of an account or contact does to the contacts below it."""
    dataverse_limits: bool = True

    fno_page_size: int = Field(10_000, ge=1, le=10_000)
    fno_default_company: str = "usmf"
    fno_missing_status: Literal[400, 404] = 400
    fno_validation_status: Literal[400, 500] = 400
    fno_change_set_status: Literal[500, 400] = 500
    fno_next_link: Literal["skiptoken", "skip"] = "skiptoken"
    fno_etag_mismatch: Literal["412", "ignore"] = "412"
    fno_retry_after: bool = True
    fno_user_limits: bool = False
    fno_capacity: int = Field(0, ge=0)
    """Requests carried out at a time before the environment is busy and answers 429; 0: any."""
    fno_key_change: Literal["refuse", "ignore"] = "refuse"
    fno_trailing_spaces: Literal["trim", "keep"] = "trim"
    """F&O keeps no blanks at the end of a string."""

    fno_sites: tuple[str, ...] = ("1", "2", "3", "4")
    fno_warehouses: tuple[str, ...] = ("11", "12", "13", "21", "22", "24")
    fno_languages: tuple[str, ...] = (
        "da",
        "de",
        "en-gb",
        "en-us",
        "es",
        "fi",
        "fr",
        "it",
        "ja",
        "nb-no",
        "nl",
        "sv",
    )
    """In lower case."""
    fno_currencies: tuple[str, ...] = (
        "AUD",
        "CAD",
        "CHF",
        "DKK",
        "EUR",
        "GBP",
        "INR",
        "JPY",
        "NOK",
        "SEK",
        "USD",
    )

    limit_requests: int = Field(6_000, ge=1)
    limit_seconds: float = Field(1_200, gt=0)
    limit_concurrency: int = Field(52, ge=1)
    limit_window_seconds: float = Field(300, gt=0)

    random_429_rate: float = Field(0, ge=0, le=1)
    random_502_rate: float = Field(0, ge=0, le=1)
    random_lost_reply_rate: float = Field(0, ge=0, le=1)


class ServiceLatency(BaseModel):
    """Milliseconds that a service takes for each request and, besides, for each operation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    request_ms: float = Field(0, ge=0)
    operation_ms: float = Field(0, ge=0)


class Latency(BaseModel):
    """Latency of both services."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataverse: ServiceLatency = ServiceLatency()
    fno: ServiceLatency = ServiceLatency()


class DemoSize(BaseModel):
    """How much demo data to make; the same seed gives the same data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 7
    accounts: int = Field(320, ge=0)
    contacts: int = Field(1_600, ge=0)
    filled_customers: int = Field(0, ge=0)
    """How many of the accounts F&O already has as customers, as most users start."""


class Start(BaseModel):
    """With what to fill the sandbox: nothing but set-up data, or the demo company."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Literal["demo", "empty"] = "empty"
    demo: DemoSize = DemoSize()
