"""Every current customer with what is known of its way: made once, and read by all blocks of the chapter."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from retention.conditions import Condition
from retention.inputs import Inputs
from retention.journey import advocates, reached
from retention.journey.advocates import Advocate
from retention.journey.numbers import Numbers, of_customers, running_terms
from retention.journey.ways import Business, Milestone, Path, Stage


@dataclass(frozen=True, kw_only=True)
class Customer:
    """A current customer. None is "not known"; numbers are those that conditions may test.

    `touch_since` and `review_since` are when the days since the last contact and review begin: with it, or where there
    was none with the customer's begin or the first contact on record. `reached` holds the milestones of this stint by
    name, with the moment; `window_reached` those since the renewal window of the running term opened.
    """

    account_id: str
    began_at: datetime
    segment: str | None = None
    owner: str | None = None
    renews_at: datetime | None = None
    auto_renew: bool | None = None
    tier: str | None = None
    risk_level: str | None = None
    scored_at: datetime | None = None
    inactive: bool | None = None
    touched_at: datetime | None = None
    touch_since: datetime | None = None
    reviewed_at: datetime | None = None
    review_since: datetime | None = None
    advocate: Advocate | None = None
    stage: str = ""
    numbers: Numbers = field(default_factory=dict)
    reached: Mapping[str, datetime] = field(default_factory=dict)
    window_reached: Mapping[str, datetime] = field(default_factory=dict)

    def number(self, name: str) -> float | None:
        """A number by name; None where it is not known."""
        return self.numbers.get(name)

    @property
    def age_days(self) -> int:
        """Whole days as a customer: 0 on the first day."""
        return int(self.numbers["age_days"] or 0)

    def holds(self, condition: Condition) -> bool:
        """Whether a condition holds of this customer."""
        return condition.holds(self.numbers)


@dataclass(frozen=True, kw_only=True)
class Book:
    """The current customers in the order of their ids.

    `milestones` are those that the data can measure, `lacking` says of the others what is missing. `core` are the core
    features. `watched_from` is the first moment from which the data show customers from their beginning.
    """

    inputs: Inputs
    customers: tuple[Customer, ...]
    path: Path
    milestones: Mapping[str, Milestone]
    lacking: Mapping[str, str]
    core: tuple[str, ...]
    watched_from: datetime | None

    @property
    def as_of(self) -> datetime:
        """The moment of the book."""
        return self.inputs.as_of

    @property
    def business_model(self) -> Business:
        """b2b, saas or b2c."""
        return self.inputs.settings.company.business_model

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps of the path that the data can measure, in order."""
        return tuple(step for step in self.path.steps if step in self.milestones)

    def customer(self, account_id: str) -> Customer | None:
        """One customer; None where the account is none now."""
        return next((one for one in self.customers if one.account_id == account_id), None)


NONE_REACHED = """SELECT CAST(NULL AS VARCHAR) AS milestone, CAST(NULL AS VARCHAR) AS account_id,
    CAST(NULL AS BIGINT) AS nth, CAST(NULL AS TIMESTAMP) AS reached_at WHERE FALSE"""


def look(inputs: Inputs, also: frozenset[str] = frozenset()) -> Book:
    """Look at every current customer; `also` are further features to read.

    Makes the tables journey_reached, journey_window_reached, journey_terms, journey_windows and journey_spine.
    """
    house = inputs.house
    path = house.paths[inputs.settings.company.business_model]
    used = {name: house.milestones[name] for name in house.milestones if name in _used(inputs, path)}
    lacking = {name: why for name, m in used.items() if (why := reached.lacking(inputs, m))}
    milestones = {name: m for name, m in used.items() if name not in lacking}
    core = reached.core_events(inputs)
    _make_reached(inputs, milestones, core)
    book = Book(
        inputs=inputs,
        customers=(),
        path=path,
        milestones=milestones,
        lacking=lacking,
        core=tuple(core),
        watched_from=_watched_from(inputs),
    )
    return replace(book, customers=_customers(book, also))


def stage_of(rules: tuple[Stage, ...], numbers: Numbers) -> str:
    """The stage of the first rule that holds; the last rule always does."""
    return next(rule.name for rule in rules if rule.when is None or rule.when.holds(numbers))


def window_days(inputs: Inputs) -> int | None:
    """Days before the renewal at which the checklist of the renewal opens; None where retention.toml has none."""
    days = [p.before_renewal_days for p in inputs.house.phases.values() if p.before_renewal_days is not None]
    return max(days, default=None)


def _customers(book: Book, also: frozenset[str]) -> tuple[Customer, ...]:
    inputs = book.inputs
    rules = inputs.house.stages[inputs.settings.company.business_model]
    facts = of_customers(inputs, _asked(inputs) | also)
    got, in_window = _reached(inputs, "journey_reached"), _reached(inputs, "journey_window_reached")
    engaged = _engaged(book)
    loved = advocates.find(inputs, facts.numbers)
    found = []
    for row in facts.about:
        account = str(row["account_id"])
        numbers = facts.numbers[account]
        numbers |= {f"has_{name}": float(name in got.get(account, {})) for name in book.milestones}
        if engaged is not None:
            numbers["is_engaged"] = float(account in engaged)
        numbers["is_advocate"] = float(account in loved)
        known = {name: value for name, value in row.items() if name in Customer.__dataclass_fields__}
        found.append(
            Customer(
                **known,  # type: ignore[arg-type]
                numbers=numbers,
                reached=got.get(account, {}),
                window_reached=in_window.get(account, {}),
                advocate=loved.get(account),
                stage=stage_of(rules, numbers),
            )
        )
    return tuple(found)


def _asked(inputs: Inputs) -> set[str]:
    """Every name that a condition of retention.toml asks for."""
    house = inputs.house
    asked = [rule.when for rules in house.stages.values() for rule in rules]
    asked += [item.when for phase in house.phases.values() for item in phase.items.values()]
    asked += [house.expansion.gate, *(risk.when for risk in house.hidden_risks.values())]
    return {name for condition in asked if condition for name in condition.names}


def _used(inputs: Inputs, path: Path) -> set[str]:
    """Milestones that this business model's path, phases or conditions name."""
    model = inputs.settings.company.business_model
    phases = [phase for phase in inputs.house.phases.values() if model in phase.business_models]
    items = {item.milestone for phase in phases for item in phase.items.values() if item.milestone}
    rules = {name for rule in inputs.house.stages[model] if rule.when for name in rule.when.names}
    return {*path.named, *items, *(name.removeprefix("has_") for name in rules)}


def _make_reached(inputs: Inputs, milestones: Mapping[str, Milestone], core: list[str]) -> None:
    """When each milestone was reached in each stint, and since the renewal window of the running term opened."""
    days = window_days(inputs)
    opened = f"t.renews_at - INTERVAL {days} DAY" if days else "NULL"
    inputs.engine.create("journey_terms", running_terms(inputs.moment))
    inputs.engine.create(
        "journey_windows",
        f"""SELECT account_id, CAST(1 AS BIGINT) AS nth, {opened} AS began_at, CAST(NULL AS TIMESTAMP) AS ended_at
            FROM journey_terms t WHERE {opened} < {inputs.moment} AND t.renews_at >= {inputs.moment}
                 AND DATEDIFF('day', t.started_at, t.renews_at) > {days or 0}""",
    )
    for table, spans in (("journey_reached", "customer_spans"), ("journey_window_reached", "journey_windows")):
        queries = {name: reached.reached(inputs, one, spans, core) for name, one in milestones.items()}
        parts = [f"SELECT '{name}' AS milestone, account_id, nth, reached_at FROM ({q})" for name, q in queries.items()]
        inputs.engine.create(table, " UNION ALL ".join([NONE_REACHED, *parts]))


def _reached(inputs: Inputs, table: str) -> dict[str, dict[str, datetime]]:
    newest = "SELECT account_id, MAX(nth) AS nth FROM customer_spans WHERE ended_at IS NULL GROUP BY account_id"
    on = "USING (account_id, nth)" if table == "journey_reached" else "USING (account_id)"
    found: dict[str, dict[str, datetime]] = {}
    for account, milestone, at in inputs.rows(
        f"SELECT r.account_id, r.milestone, r.reached_at FROM {table} r JOIN ({newest}) {on}"
    ):
        if isinstance(at, datetime):
            found.setdefault(str(account), {})[str(milestone)] = at
    return found


def _engaged(book: Book) -> set[str] | None:
    """Accounts that hold the path's engagement milestone now; None where it cannot be measured or is not by week."""
    milestone = book.milestones.get(book.path.engaged)
    if milestone is None or milestone.counted != "weeks":
        return None
    current = "(SELECT account_id, nth, began_at, ended_at FROM customer_spans WHERE ended_at IS NULL)"
    rows = book.inputs.rows(reached.holding(book.inputs, milestone, current, list(book.core)))
    return {str(account) for account, _ in rows}


def _watched_from(inputs: Inputs) -> datetime | None:
    """Customers that began before the first known use (and before a silence could tell them from older ones)."""
    first = inputs.rows("SELECT MIN(r.at) FROM known_usage r")[0][0]
    if not isinstance(first, datetime):
        return None
    waits = inputs.settings.churn.horizon_days if inputs.settings.churn.kind == "inactivity" else 0
    return first + timedelta(days=waits)
