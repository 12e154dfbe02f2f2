"""``policy.toml``: what the audit lets pass."""

import datetime as dt
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from tools.audit.result import AuditError

POLICY = Path(__file__).parent / "policy.toml"


def _spdx(text: str) -> str:
    try:
        canonical = canonicalize_license_expression(text)
    except InvalidLicenseExpression as error:
        raise ValueError(f"found '{text}', expected an SPDX expression such as 'MIT'") from error
    if canonical != text:
        raise ValueError(f"found '{text}', expected it as SPDX writes it: '{canonical}'")
    return text


Spdx = Annotated[str, AfterValidator(_spdx)]


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=lambda n: n.replace("_", "-")
    )


class OnlyFor(_Part):
    """A licence that one package may have."""

    package: str
    licence: Spdx
    reason: str = Field(min_length=1)


class Stated(_Part):
    """What the licence is of a package that states it otherwise than SPDX, or not at all."""

    package: str
    says: tuple[str, ...]
    licence: Spdx
    reason: str = Field(min_length=1)


class Accepted(_Part):
    """A vulnerability that does not count until a day."""

    id: str
    package: str
    until: dt.date
    reason: str = Field(min_length=1)


class Policy(_Part):
    """The whole file. Packages are named by registry and name, such as ``pypi/requests``."""

    allowed: Mapping[Spdx, str] = Field(min_length=1)
    only_for: tuple[OnlyFor, ...] = ()
    stated: tuple[Stated, ...] = ()
    accepted: tuple[Accepted, ...] = ()


def read_policy(path: Path = POLICY) -> Policy:
    """Read the file.

    Raises:
        AuditError: It is no TOML, or has keys or values that it cannot have.
    """
    try:
        return Policy.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise AuditError(
            f"{path}: {error}\nCorrect the file; its comments say what it holds."
        ) from error
