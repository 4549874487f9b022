"""What may be asked: request bodies and queries. A body coerces nothing and knows no other members than these."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    StringConstraints,
    model_validator,
)
from pydantic.config import JsonDict

MOST_ROWS, MOST_JOB_ROWS = 200, 10_000
MOST_FACTORS = 4
"""As many as are told of a score: three that raise the risk and one that lowers it."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=10_000, pattern=r"^[^\x00]*$")]
AccountId = Text
"""The company's own id of an account."""
Value = (
    Annotated[FiniteFloat, Field(strict=True)] | Annotated[str, StringConstraints(strict=True, max_length=1000)] | None
)
"""A feature's value: a number, a category's name, or null for unknown."""
NAMES: JsonDict = {"propertyNames": {"minLength": 1, "maxLength": 10_000, "pattern": r"^[^\x00]*$"}}
"""What `Text` asks of names in an object, as JSON Schema; pydantic tells only what values of such names are."""
Values = Annotated[dict[Text, Value], Field(max_length=5000, json_schema_extra=NAMES)]


def _naive_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise ValueError("in UTC it is before the year 1 or after the year 9999") from None


When = Annotated[AwareDatetime, Field(strict=False), AfterValidator(_naive_utc)]
"""A moment with its offset, read as naive UTC."""


def _whole(number: Any) -> Any:
    """1.0 is 1 in JSON."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


class Ask(BaseModel):
    """A request body."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Query(BaseModel):
    """The part behind the question mark: texts that are read as numbers where numbers are meant."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(Query):
    """No query."""


class Row(Ask):
    """Features of something that need not be an account here; a feature left out is unknown."""

    external_id: AccountId
    features: Values


class WhatIf(Ask):
    """An account with some of its inputs changed; without changes its stored score."""

    external_id: AccountId
    overrides: Values = Field(default_factory=dict)


WAYS = ("rows", "account_ids", "accounts")
ONE_OF_THREE: JsonDict = {"oneOf": [{"required": [way]} for way in WAYS]}
REASON_OF_OVERRIDE: JsonDict = {
    "anyOf": [
        {"properties": {"choice": {"enum": ["accept", "dismiss"]}}},
        {"required": ["reason"], "properties": {"reason": {"type": "string", "pattern": r"\S"}}},
    ]
}
"""What the checks below say, as JSON Schema."""


class Predict(Ask):
    """Predict exactly one of: `rows` of features, `account_ids` by their stored scores, `accounts` with changes."""

    model_config = ConfigDict(json_schema_extra=ONE_OF_THREE)

    rows: Annotated[list[Row], Field(min_length=1, max_length=MOST_ROWS)] = []
    account_ids: Annotated[list[AccountId], Field(min_length=1, max_length=MOST_ROWS)] = []
    accounts: Annotated[list[WhatIf], Field(min_length=1, max_length=MOST_ROWS)] = []
    max_top_factors: Annotated[int, Field(ge=0, le=MOST_FACTORS), BeforeValidator(_whole)] = 3
    explain: bool = Field(True, description="false: numbers, tier and risk level alone, without reasons and actions")

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        _check_one_of_three(self)
        return self


class PredictJob(Ask):
    """The same for more rows, answered by a job."""

    model_config = ConfigDict(json_schema_extra=ONE_OF_THREE)

    rows: Annotated[list[Row], Field(min_length=1, max_length=MOST_JOB_ROWS)] = []
    account_ids: Annotated[list[AccountId], Field(min_length=1, max_length=MOST_JOB_ROWS)] = []
    accounts: Annotated[list[WhatIf], Field(min_length=1, max_length=MOST_JOB_ROWS)] = []
    max_top_factors: Annotated[int, Field(ge=0, le=MOST_FACTORS), BeforeValidator(_whole)] = 3
    explain: bool = True
    format: Literal["jsonl", "parquet"] = Field("jsonl", description="parquet holds the flat fields alone")

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        _check_one_of_three(self)
        return self


class Placed(Ask):
    """What an override puts in place."""

    tier: Text | None = None
    risk_level: Literal["high", "medium", "low"] | None = None


class Decide(Ask):
    """Accept the recommended play, override it with another judgement, or dismiss it. An override says why."""

    model_config = ConfigDict(json_schema_extra=REASON_OF_OVERRIDE)

    choice: Literal["accept", "override", "dismiss"]
    play: Text | None = None
    reason: Text | None = None
    values: Placed = Placed()

    @model_validator(mode="after")
    def _override_says_why(self) -> Self:
        if self.choice == "override" and not re.search(r"\S", self.reason or ""):
            raise ValueError("an override needs a reason; say why")
        return self


class ListAccounts(Query):
    """Which accounts, in which order; all given conditions hold."""

    tier: Text | None = None
    segment: Text | None = None
    owner: Text | None = None
    driver: Text | None = None
    risk_level: Literal["high", "medium", "low"] | None = None
    renewal_within_days: Annotated[float, Field(ge=0, le=3650)] | None = Field(
        None, description="counted from the moment that the scores are of"
    )
    disagrees: bool | None = Field(None, description="health and churn probability contradict each other")
    q: Text | None = Field(None, description="found in id, name or owner, whatever the case")
    sort: Literal["value_at_risk", "health"] = "value_at_risk"
    cursor: Annotated[str, StringConstraints(max_length=500)] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class Back(Query):
    """How far to look back, from the moment of the latest scores."""

    days: Annotated[int, Field(ge=1, le=3650)] = 365


class AskRetention(Query):
    """Which chapter of the retention report; all by default."""

    chapter: Text | None = None


def _check_one_of_three(ask: Predict | PredictJob) -> None:
    if len(ask.model_fields_set.intersection(WAYS)) != 1:
        raise ValueError("give exactly one of rows, account_ids and accounts")
