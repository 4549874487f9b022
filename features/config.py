"""keepwell.toml: the one file that describes a company. Read once in `main` and passed down."""

import tomllib
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from features.contracts import SOURCES
from features.errors import SourceError


def _midnight(value: Any) -> Any:
    """Accept a TOML date or an ISO string; snapshots are at midnight UTC."""
    moment = datetime.fromisoformat(str(value)) if value is not None else None
    if moment is not None and moment != moment.replace(hour=0, minute=0, second=0, microsecond=0):
        raise ValueError(f"{value} has a time of day; snapshots are at midnight UTC, give a date")
    return moment


def _written(value: Any) -> str:
    """A TOML value as Spark spells it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


Day = Annotated[datetime, BeforeValidator(_midnight)]


class Section(BaseModel):
    """A table of keepwell.toml: immutable, and a key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Company(Section):
    """Who the company is. `timezone` is the zone of raw times that carry none (dates are left alone)."""

    name: str = "company"
    business_model: Literal["b2b", "saas", "b2c"] = "saas"
    timezone: str = "UTC"


class Mapping(Section):
    """Where one canonical source comes from, and how its columns are called or computed there."""

    path: str | None = None
    query: str | None = None
    table: str | None = None
    database: str | None = None
    timezone: str | None = None
    attributes: tuple[str, ...] = ()
    columns: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _split(cls, given: Any) -> Any:
        """Every key that is not a setting of the mapping is a canonical column."""
        settings = {k: v for k, v in given.items() if k in cls.model_fields and k != "columns"}
        return settings | {"columns": {k: str(v) for k, v in given.items() if k not in settings}}

    @model_validator(mode="after")
    def _one_place(self) -> "Mapping":
        if self.database and not self.query:
            raise ValueError("`database` needs a `query` that selects the rows")
        if sum(map(bool, (self.path, self.query, self.table))) != 1:
            raise ValueError(
                "give one of `path` (files), `query` (SQL over files, or over `database`) and, on Spark, `table`"
            )
        return self


class Churn(Section):
    """What counts as churn. The label window of a snapshot at t is (t + lead, t + lead + horizon]."""

    kind: Literal["contract", "inactivity", "told"] = "contract"
    horizon_days: int = Field(30, ge=1)
    lead_days: int = Field(0, ge=0)
    grace_days: int = Field(0, ge=0)
    inactive_days: int | Literal["learn"] | None = None
    observed_until: Day | None = None
    involuntary_reasons: tuple[str, ...] = ("payment", "acquired", "out of business", "bankrupt", "deceased")


class Population(Section):
    """Who is scored at a snapshot, by what was known then."""

    min_events: int = Field(0, ge=0)
    active_within_days: int | None = Field(None, ge=1)


class Snapshots(Section):
    """When accounts are looked at: a grid, given dates, or a number of days before each renewal."""

    every_days: int = Field(28, ge=1)
    dates: tuple[Day, ...] = ()
    before_renewal_days: int | None = Field(None, ge=0)


class Evidence(Section):
    """Which snapshots test the model. Without any, the latest closed windows do."""

    train_until: Day | None = None
    test_from: Day | None = None
    test_dates: tuple[Day, ...] = ()


class Health(Section):
    """Which components make the health score; the others enter the churn probability alone."""

    components: tuple[str, ...] = ("usage", "feedback", "support", "relationship")


class Features(Section):
    """How far the families over the company's own event names reach."""

    max_events: int = Field(10, ge=0, le=60)


class Tracking(Section):
    """Where MLflow is. `MLFLOW_TRACKING_URI` in the environment comes first, then `uri`, then `home`."""

    uri: str | None = None
    model_name: str = "keepwell"


class Store(Section):
    """Where scores and decisions are kept: `KEEPWELL_STORE_URL` in the environment first, then `url`, then `home`.

    `url` is that of SQLAlchemy: `postgresql://user@host/name`, or `sqlite:///path`. `keep_days` is how long `keepwell
    prune` leaves everything as it is. `keep_rows`: whether `keepwell score --store` keeps each account's own rows, from
    which the service scores accounts anew when events of them are posted; with `engine = "duckdb"` alone.
    """

    url: str | None = None
    keep_days: int = Field(180, ge=1, le=36_500)
    keep_rows: bool = True


class Spark(Section):
    """Where features and batch scores are computed with `engine = "spark"`.

    `master` is `local[*]`, the URL of a cluster's master (spark://host:7077, yarn, k8s://…) or of Spark Connect
    (sc://host:15002); `settings` are Spark's own, such as "spark.executor.memory".
    """

    master: str = "local[*]"
    settings: dict[str, Annotated[str, BeforeValidator(_written)]] = Field(default_factory=dict)


class Settings(Section):
    """A whole keepwell.toml, with `root` the folder it stands in."""

    root: Path
    data: str = "."
    home: Path = Path(".keepwell")
    company: Company = Company()
    engine: Literal["duckdb", "spark"] = "duckdb"
    spark: Spark = Spark()
    sources: dict[str, Mapping]
    churn: Churn = Churn()
    population: Population = Population()
    snapshots: Snapshots = Snapshots()
    evidence: Evidence = Evidence()
    health: Health = Health()
    features: Features = Features()
    tracking: Tracking = Tracking()
    store: Store = Store()
    policy: Path = Path("policy.toml")
    retention: Path = Path("retention.toml")
    delivery: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _sources_are_known(self) -> "Settings":
        for name in self.sources:
            if name not in SOURCES:
                raise ValueError(f"[sources.{name}] is not a source; the sources are {', '.join(SOURCES)}")
        if not {"usage", "subscriptions"} & set(self.sources):
            raise ValueError("map at least one of [sources.usage] and [sources.subscriptions]")
        return self

    @model_validator(mode="after")
    def _engine_reads_its_sources(self) -> "Settings":
        for name, mapping in self.sources.items():
            if self.engine == "duckdb" and mapping.table:
                raise ValueError(f'[sources.{name}] table is one of Spark\'s catalogue: it needs engine = "spark"')
            if self.engine == "spark" and mapping.database:
                raise ValueError(
                    f"[sources.{name}] database is read on DuckDB alone; give Spark the database as a catalogue "
                    "(JDBCTableCatalog) in [spark.settings], and its table as `table`"
                )
        return self

    @model_validator(mode="after")
    def _churn_has_its_source(self) -> "Settings":
        needed = {"contract": "subscriptions", "inactivity": "usage", "told": "churns"}[self.churn.kind]
        if needed not in self.sources:
            raise ValueError(f'[churn] kind = "{self.churn.kind}" needs [sources.{needed}]')
        return self

    @property
    def home_dir(self) -> Path:
        """The only folder Keepwell writes to; relative to the configuration file."""
        return (self.root / self.home).resolve()

    @property
    def policy_file(self) -> Path | None:
        """The company's own policy, relative to the configuration file; without one the shipped policy holds.

        Raises:
            SourceError: a file that the configuration names is not there.
        """
        return self._rules("policy", self.policy)

    @property
    def retention_file(self) -> Path | None:
        """The company's own targets, causes, phases and capacity; without one the shipped ones hold.

        Raises:
            SourceError: a file that the configuration names is not there.
        """
        return self._rules("retention", self.retention)

    def _rules(self, name: str, given: Path) -> Path | None:
        path = (self.root / given).resolve()
        if name in self.model_fields_set and not path.exists():
            raise SourceError(f'{name} = "{given}": {path} does not exist; correct the name or leave it out')
        return path if path.exists() else None

    @property
    def data_dir(self) -> Path:
        """The folder that relative paths of sources start from; `package:NAME/folder` is an installed one."""
        if not self.data.startswith("package:"):
            return (self.root / self.data).resolve()
        name, _, inside = self.data.removeprefix("package:").partition("/")
        spec = find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise SourceError(f'data = "{self.data}": the package {name} is not installed; install it first')
        return Path(spec.submodule_search_locations[0]) / inside

    @property
    def window_days(self) -> int:
        """Days after a snapshot until its label window ends: lead + horizon."""
        return self.churn.lead_days + self.churn.horizon_days

    @property
    def gap_days(self) -> int:
        """Days after a snapshot until its outcome is known: the label window, and the grace days of a contract."""
        return self.window_days + (self.churn.grace_days if self.churn.kind == "contract" else 0)


def load(path: Path) -> Settings:
    """Read a configuration file.

    Raises:
        SourceError: the file is missing, is not TOML, or a value in it is not allowed.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
        return Settings(root=path.resolve().parent, **given)
    except FileNotFoundError:
        raise SourceError(f"{path} does not exist; `keepwell init` writes one from your files") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is not valid TOML: {error}") from error
    except ValidationError as error:
        wrong = "\n".join(f"  {_where(e['loc'])}: {e['msg']}" for e in error.errors())
        raise SourceError(f"{path} is not a valid configuration:\n{wrong}") from error


def _where(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "the file"
