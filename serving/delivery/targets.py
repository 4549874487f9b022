"""Who is told: the targets of keepwell.toml, `[delivery.targets.NAME]`. Secrets stand in the environment."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from serving.delivery.guard import is_allowed_scheme
from serving.delivery.signing import keys
from serving.delivery.turns import LARGEST_CALL
from serving.errors import ServingError

TYPES = {
    "tier_down": "account.tier_changed",
    "tier_up": "account.tier_changed",
    "score_drop": "account.score_dropped",
    "warning": "account.warning",
    "renewal_window": "account.renewal_window",
    "stale": "book.stale",
    "record_reopened": "record.reopened",
    "record_expired": "record.expired",
    "scored": "account.scored",
    "ping": "ping",
}
"""Kinds of events in the outbox, and what they are called outside."""

NEWS = tuple(dict.fromkeys(t for t in TYPES.values() if t not in ("account.scored", "ping")))
"""What people are told; `account.scored` (every account of every run) is for systems that mirror the scores."""


class Target(BaseModel):
    """Somebody who is told. `events` are the types that it takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    events: tuple[str, ...] = NEWS

    @field_validator("events")
    @classmethod
    def _are_known(cls, events: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(events) - set(TYPES.values())):
            raise ValueError(f"{', '.join(unknown)} is no event; the events are {', '.join((*NEWS, 'account.scored'))}")
        return events

    def takes(self, kind: str) -> bool:
        """Whether an event of that kind goes here."""
        return TYPES.get(kind, kind) in self.events


class HttpTarget(Target):
    """A target behind an address.

    Attributes:
        url: the address; or `url_env`, the environment variable that holds it (where the address is the secret).
        secret_env: the environment variable that holds the secret, key or token.
        timeout_seconds: for each step of a call: to connect, to send, to the next bytes of the answer.
        allow_http: send without encryption to other machines too.
        allow_private: send into private networks too (10.0.0.0/8, 192.168.0.0/16, link-local ...).
    """

    url: str | None = None
    url_env: str | None = None
    secret_env: str | None = None
    timeout_seconds: float = Field(10.0, gt=0, le=60)
    allow_http: bool = False
    allow_private: bool = False

    @model_validator(mode="after")
    def _has_one_address(self) -> "HttpTarget":
        if bool(self.url) == bool(self.url_env):
            raise ValueError("give either `url`, or `url_env` with the name of the variable that holds the address")
        if self.url and not is_allowed_scheme(self.url, allow_http=self.allow_http):
            raise ValueError("url must be https://host/...; allow_http = true lets http through")
        return self

    def address(self, environ: Mapping[str, str]) -> str:
        """Where to send.

        Raises:
            ServingError: the variable that holds the address is not set.
        """
        return self.url or self._held(self.url_env or "", environ)

    def secret(self, environ: Mapping[str, str]) -> str:
        """The secret; empty for a target without one.

        Raises:
            ServingError: the variable that holds it is not set.
        """
        return self._held(self.secret_env, environ) if self.secret_env else ""

    def _held(self, variable: str, environ: Mapping[str, str]) -> str:
        if not (value := environ.get(variable, "").strip()):
            raise ServingError(f"[delivery.targets.{self.name}]: {variable} is not set in the environment; set it")
        return value


class Webhook(HttpTarget):
    """A receiver of signed JSON (`serving.delivery.signing`)."""

    kind: Literal["webhook"]
    secret_env: str


class Slack(HttpTarget):
    """A Slack channel's incoming webhook, or anything that takes its body. Its address is its secret."""

    kind: Literal["slack"]


class Csv(Target):
    """A folder that gets one CSV file a run."""

    kind: Literal["csv"]
    folder: Path


class Crm(HttpTarget):
    """A customer-success system whose accounts mirror the scores.

    Attributes:
        key: the field there that holds our account ids: Salesforce's external-id field, HubSpot's `idProperty`
            (a property with unique values), Gainsight's `keys`.
        object: the object there; None for the platform's own (Account, companies, Company).
        version: of the platform's interface; None for the one written against.
        fields: our names to theirs; what is left out is not sent. Empty: all of `adapters.fields`.
        limit: records a call; None for what the platform was documented to take.
    """

    kind: Literal["salesforce", "hubspot", "gainsight"]
    secret_env: str
    events: tuple[str, ...] = ("account.scored",)
    key: str
    object: str | None = None
    version: str | None = None
    fields: dict[str, str] = Field(default_factory=dict)
    limit: int | None = Field(None, ge=1, le=LARGEST_CALL)

    @field_validator("events")
    @classmethod
    def _are_scores(cls, events: tuple[str, ...]) -> tuple[str, ...]:
        if events != ("account.scored",):
            raise ValueError('a customer-success system mirrors scores; leave events out or give ["account.scored"]')
        return events


AnyTarget = Annotated[Webhook | Slack | Csv | Crm, Field(discriminator="kind")]
ONE: TypeAdapter[Webhook | Slack | Csv | Crm] = TypeAdapter(AnyTarget)


def read_targets(given: Mapping[str, Any], root: Path = Path()) -> dict[str, Target]:
    """The targets of a `[delivery]` table, by name.

    Args:
        given: the table.
        root: where relative folders start: the folder of the configuration file.

    Raises:
        ServingError: a key or value is not allowed. A value is never repeated in the message.
    """
    if unknown := sorted(set(given) - {"targets"}):
        raise ServingError(f"[delivery] {', '.join(unknown)}: not known; only [delivery.targets.NAME] is")
    return {name: _read(name, table, root) for name, table in given.get("targets", {}).items()}


def wanting(targets: Mapping[str, Target], kind: str) -> list[str]:
    """Names of the targets that an event of that kind goes to."""
    return [target.name for target in targets.values() if target.takes(kind)]


def check_secrets(targets: Iterable[Target], environ: Mapping[str, str]) -> None:
    """Whether every address and secret is there, and signing secrets are long enough; asked once at the start.

    Raises:
        ServingError: a variable is not set or holds a weak secret.
    """
    for target in targets:
        if isinstance(target, HttpTarget):
            target.address(environ)
            secret = target.secret(environ)
            if isinstance(target, Webhook):
                keys(secret)


def _read(name: str, table: Any, root: Path) -> Target:
    if not isinstance(table, dict):
        raise ServingError(f"[delivery.targets] {name}: not a table; write [delivery.targets.{name}]")
    try:
        target = ONE.validate_python({**table, "name": name})
    except ValidationError as error:
        wrong = "\n".join(f"  {'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors())
        raise ServingError(f"[delivery.targets.{name}] is not a valid target:\n{wrong}") from None
    return target.model_copy(update={"folder": root / target.folder}) if isinstance(target, Csv) else target
