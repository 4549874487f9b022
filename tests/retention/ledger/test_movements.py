"""Stints, losses and movements: small tables by hand, and a second reading by walking through the days."""

import random
from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from retention.ledger import movements, rates
from retention.ledger.periods import look

DAY, START = timedelta(days=1), datetime(2024, 1, 1)
Row = dict[str, Any]
MANY = settings(
    max_examples=5, deadline=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
COMPANIES = 200
"""A company is a segment of four accounts: five examples read a thousand of them."""

PARTS = ("begin", "new", "reactivation", "expansion", "contraction", "churn", "end")
COLUMNS = ", ".join(f"{part}_cents" for part in PARTS)


def moved(inputs: Any, account: str = "a") -> dict[str, tuple[Any, ...]]:
    found = inputs.rows(f"SELECT month, {COLUMNS} FROM movements WHERE account_id = '{account}' ORDER BY month")
    return {f"{row[0]:%m}": tuple(None if cents is None else cents / 100 for cents in row[1:]) for row in found}


def spans(inputs: Any) -> list[tuple[Any, ...]]:
    return list(inputs.rows("SELECT account_id, nth, began_at, ended_at FROM customer_spans ORDER BY account_id, nth"))


def term(start: str, end: str | None = None, mrr: float | None = None, account: str = "a", **more: Any) -> Row:
    return {"account_id": account, "started_at": start, "ended_at": end, "mrr": mrr} | more


CONTRACT = '[churn]\nkind = "contract"\nobserved_until = 2024-07-01\n'


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        pytest.param([term("2024-02-10", None, 10)], {"02": (0, 10, 0, 0, 0, 0, 10), "03": (10, 0, 0, 0, 0, 0, 10)},
                     id="won in February, held in March"),
        pytest.param([term("2024-01-05", "2024-03-20", 10)], {"03": (10, 0, 0, 0, 0, 10, 0)}, id="lost in March"),
        pytest.param([term("2024-01-05", "2024-02-01", 10), term("2024-02-01", None, 15)],
                     {"01": (0, 10, 0, 0, 0, 0, 10), "02": (10, 0, 0, 5, 0, 0, 15)},
                     id="renewed dearer on the first of February: it expands in February"),
        pytest.param([term("2024-01-05", "2024-02-12", 15), term("2024-02-12", None, 10)],
                     {"02": (15, 0, 0, 0, 5, 0, 10)}, id="renewed cheaper: it contracts"),
        pytest.param([term("2024-01-05", None, 10), term("2024-02-12", "2024-03-15", 5)],
                     {"02": (10, 0, 0, 5, 0, 0, 15), "03": (15, 0, 0, 0, 5, 0, 10)}, id="terms that overlap add up"),
        pytest.param([term("2024-01-05", "2024-02-12", 10), term("2024-04-02", None, 20)],
                     {"02": (10, 0, 0, 0, 0, 10, 0), "04": (0, 0, 20, 0, 0, 0, 20)}, id="lost, and won back"),
        pytest.param([term("2024-01-05", "2024-02-12", 10), term("2024-02-20", None, 20)],
                     {"02": (10, 0, 20, 0, 0, 10, 20)}, id="lost and won back within a month: both"),
        pytest.param([term("2024-01-05", "2024-03-12", 0), term("2024-03-12", None, 20)],
                     {"01": (0, 0, 0, 0, 0, 0, 0), "03": (0, 20, 0, 0, 0, 0, 20)},
                     id="the first money after a free term is new, not expansion"),
        pytest.param([term("2024-01-05", "2024-02-12", 10), term("2024-02-12", "2024-03-12", 0),
                      term("2024-03-12", None, 10)],
                     {"02": (10, 0, 0, 0, 10, 0, 0), "03": (0, 0, 0, 10, 0, 0, 10)},
                     id="a free month of a customer held contracts and expands"),
        pytest.param([term("2024-01-05", "2024-01-20", 10)], {}, id="won and lost within a month moves no balance"),
    ],
)  # fmt: skip
def test_a_term_table_moves_money(measured: Any, terms: list[Row], told: dict[str, tuple[float, ...]]) -> None:
    inputs = measured("2024-07-01", toml=CONTRACT, subscriptions=[*terms, term("2024-01-01", None, 1, "other")])
    found = moved(inputs)
    assert {month: found.get(month) for month in told} == told
    assert told or not found


def test_a_gap_within_the_grace_days_is_paid_at_the_price_before_it(measured: Any) -> None:
    terms = [term("2024-01-05", "2024-02-27", 10), term("2024-03-04", None, 20)]
    bridged = measured("2024-07-01", toml=CONTRACT + "grace_days = 6\n", subscriptions=terms)
    assert moved(bridged)["02"] == (10, 0, 0, 0, 0, 0, 10)
    assert moved(bridged)["03"] == (10, 0, 0, 10, 0, 0, 20)
    assert not bridged.rows("SELECT 1 FROM churn_events")
    broken = measured("2024-07-01", toml=CONTRACT + "grace_days = 5\n", subscriptions=terms)
    assert moved(broken)["02"] == (10, 0, 0, 0, 0, 10, 0)


def test_an_end_is_a_loss_once_its_grace_is_observed(measured: Any) -> None:
    terms = [term("2024-01-05", "2024-03-20", 10), term("2024-01-05", None, 1, "other")]
    toml = "[churn]\ngrace_days = 7\nobserved_until = 2024-03-{}\n"
    early = measured("2024-07-01", toml=toml.format(26), subscriptions=terms)
    assert spans(early)[0][3] is None
    assert not early.rows("SELECT 1 FROM churn_events")
    late = measured("2024-07-01", toml=toml.format(27), subscriptions=terms)
    assert spans(late)[0][3] == datetime(2024, 3, 20)
    assert late.rows("SELECT e.at, e.monthly_cents FROM churn_events e") == [(datetime(2024, 3, 20), 1000)]


def test_a_month_is_told_when_its_losses_are_known(measured: Any) -> None:
    toml = "[churn]\ngrace_days = 3\nobserved_until = 2024-04-{}\n"
    for day, last in (("03", date(2024, 2, 1)), ("04", date(2024, 3, 1))):
        inputs = measured("2024-07-01", toml=toml.format(day), subscriptions=[term("2024-01-05", None, 10)])
        assert inputs.rows("SELECT MAX(month) FROM movements") == [(last,)]


def test_a_renewal_filed_later_is_not_there_before(measured: Any) -> None:
    rows = [
        term("2024-01-05", "2024-02-10", 10, row_id="1", known_at="2024-01-05"),
        term("2024-02-10", None, 10, row_id="2", known_at="2024-05-15"),
        term("2024-01-05", None, 1, "other", row_id="3", known_at="2024-01-05"),
    ]
    assert len(measured("2024-05-01", toml=CONTRACT, subscriptions=rows).rows("SELECT 1 FROM churn_events")) == 1
    assert not measured("2024-06-01", toml=CONTRACT, subscriptions=rows).rows("SELECT 1 FROM churn_events")


def test_without_prices_customers_are_counted_and_money_is_not_known(measured: Any) -> None:
    rows = [{"account_id": "a", "started_at": "2024-01-05", "ended_at": "2024-03-20"}]
    rows.append({"account_id": "other", "started_at": "2024-01-05", "ended_at": None})
    inputs = measured("2024-07-01", toml=CONTRACT, subscriptions=rows)
    assert moved(inputs)["03"] == (None,) * 7
    assert inputs.rows("SELECT e.monthly_cents FROM churn_events e") == [(None,)]


ORDERS = '[churn]\nkind = "inactivity"\nhorizon_days = 28\n'


def order(at: str, value: float, account: str = "a") -> Row:
    return {"account_id": account, "at": at, "value": value}


def test_orders_count_what_was_spent_in_the_month(measured: Any) -> None:
    rows = [order("2024-01-05", 10), order("2024-01-30", 20), order("2024-02-20", 12), order("2024-06-30", 1, "other")]
    inputs = measured("2024-07-01", toml=ORDERS, usage=rows)
    assert moved(inputs) == {
        "01": (0, 30, 0, 0, 0, 0, 30), "02": (30, 0, 0, 0, 18, 0, 12), "03": (12, 0, 0, 0, 0, 12, 0),
    }  # fmt: skip
    assert inputs.rows("SELECT e.at, e.returned_at FROM churn_events e WHERE account_id = 'a'") == [
        (datetime(2024, 3, 19), None)
    ]


def test_a_month_without_an_order_is_no_loss_while_the_silence_is_shorter(measured: Any) -> None:
    rows = [order("2024-01-31", 30), order("2024-03-20", 30), order("2024-06-30", 1, "other")]
    inputs = measured("2024-07-01", toml=ORDERS.replace("28", "60"), usage=rows)
    assert moved(inputs)["02"] == (30, 0, 0, 0, 30, 0, 0)
    assert moved(inputs)["03"] == (0, 0, 0, 30, 0, 0, 30)


def test_one_who_comes_back_after_a_loss_is_won_back(measured: Any) -> None:
    rows = [order("2024-01-05", 30), order("2024-02-20", 40), order("2024-06-30", 1, "other")]
    inputs = measured("2024-07-01", toml=ORDERS, usage=rows)
    assert moved(inputs)["02"] == (30, 0, 40, 0, 0, 30, 40)
    assert spans(inputs)[:2] == [
        ("a", 1, datetime(2024, 1, 5), datetime(2024, 2, 2)),
        ("a", 2, datetime(2024, 2, 20), datetime(2024, 3, 19)),
    ]


def test_a_silence_of_just_the_horizon_is_none(measured: Any) -> None:
    """The silence is (use, use + horizon]: a use at its closed end is in time."""
    for at, stints in (("2024-02-02 00:00", 1), ("2024-02-02 00:00:00.000001", 2)):
        rows = [order("2024-01-05", 30), order(at, 40), order("2024-06-30", 1, "other")]
        assert sum(row[0] == "a" for row in spans(measured("2024-07-01", toml=ORDERS, usage=rows))) == stints


def test_paid_invoices_less_refunds_are_the_money_where_usage_has_none(measured: Any) -> None:
    used = [{"account_id": a, "at": at} for a, at in (("a", "2024-01-05"), ("a", "2024-01-30"), ("b", "2024-04-30"))]
    billed = [("2024-01-06", 10, "paid"), ("2024-01-07", 99, "failed"), ("2024-01-20", 4, "refunded")]
    bills = [{"account_id": "a", "at": at, "amount": amount, "status": status} for at, amount, status in billed]
    inputs = measured("2024-07-01", toml=ORDERS, usage=used, invoices=bills)
    assert moved(inputs)["01"] == (0, 6, 0, 0, 0, 0, 6)


def test_told_losses_end_a_stint_and_bring_their_words(measured: Any) -> None:
    inputs = measured(
        "2024-07-01",
        toml='[churn]\nkind = "told"\n',
        accounts=[{"account_id": a, "started_at": "2024-01-05"} for a in ("a", "b", "c")],
        usage=[{"account_id": "a", "at": "2024-01-05"}],
        churns=[
            {"account_id": "a", "at": "2024-02-05", "reason": "price", "intent": None, "preventable": True},
            {"account_id": "a", "at": "2024-03-05", "reason": "again", "intent": None, "preventable": None},
            {"account_id": "b", "at": "2024-06-01", "reason": "payment failed", "intent": None, "preventable": None},
        ],
    )
    events = inputs.rows("SELECT account_id, e.at, reason, intent, preventable FROM churn_events e ORDER BY e.at")
    assert events == [
        ("a", datetime(2024, 2, 5), "price", "voluntary", True),
        ("b", datetime(2024, 6, 1), "payment failed", "involuntary", None),
    ]


# ------------------------------------------------------------------------------------------- a thousand companies


class Oracle:
    """One account's terms, walked through day by day. Moments are whole days since 1 January 2024."""

    def __init__(self, terms: list[tuple[int, int | None, int]], grace: int, until: int) -> None:
        self.terms, self.grace, self.until = terms, grace, until

    def price(self, day: int) -> int | None:
        """Cents a month on a day; None where it is no customer."""
        running = [cents for start, end, cents in self.terms if start <= day and (end is None or day < end)]
        if running:
            return sum(running)
        before = [d for d in range(day - self.grace, day) if self._covered(d)]
        after = any(self._covered(d) for d in range(day, day + self.grace + 1))
        if not before or not after:
            return None
        edge = max(before)
        gap = next(d for d in range(day, day + self.grace + 1) if self._covered(d)) - edge - 1
        return self.price(edge) if gap <= self.grace else None

    def _covered(self, day: int) -> bool:
        return any(start <= day and (end is None or day < end) for start, end, _ in self.terms)

    def losses(self) -> list[int]:
        """Days from which on nothing covers it, through the grace days."""
        ends = {end for _, end, _ in self.terms if end is not None and end + self.grace <= self.until}
        return sorted(
            end for end in ends if self._covered(end - 1)
            and not any(self._covered(day) for day in range(end, end + self.grace + 1))
        )  # fmt: skip


def draw_terms(rng: random.Random) -> list[tuple[int, int | None, int]]:
    """Chains with overlaps, gaps, upgrades in the middle, free terms and ends far ahead."""
    found, at = [], rng.randrange(-60, 200)
    for _ in range(rng.randint(1, 5)):
        length = rng.choice([30, 31, 45, 90, 365, rng.randint(1, 120)])
        end = at + length
        cents = rng.choice([0, 0, 999, 1000, 2500, rng.randrange(1, 100000)])
        found.append((at, None if rng.random() < 0.1 else end, cents))
        at = max(-60, end + rng.choice([0, 0, 0, -10, -40, 2, 5, 9, 60, 150]))
        if rng.random() < 0.2:
            at = (START + at * DAY).replace(day=1).toordinal() - START.toordinal()
    return list({start: (start, end, cents) for start, end, cents in found}.values())


def draw_rows(rng: random.Random, account: str, known: int) -> tuple[list[Row], list[tuple[int, int | None, int]]]:
    """Rows with their versions, and the terms that are known by a day."""
    rows, told = [], []
    for nth, (start, end, cents) in enumerate(draw_terms(rng)):
        filed = start + rng.choice([0, 0, 0, 3, 40, 200])
        row = {"account_id": account, "row_id": f"{account} {nth}", "started_at": START + start * DAY,
               "ended_at": None, "mrr": cents / 100, "known_at": START + filed * DAY}  # fmt: skip
        settled = max(filed + 1, (end or 0) - 5)
        rows.append(row)
        if end is not None:
            rows.append(row | {"ended_at": START + end * DAY, "known_at": START + settled * DAY})
        if filed <= known:
            told.append((start, end if end is not None and settled <= known else None, cents))
    return rows, told


@pytest.mark.system("M3", "R1", "R3", "R4", "R5")
@MANY
@given(seed=st.integers(0, 2**32))
def test_a_thousand_companies_reconcile_to_the_cent(measured: Any, seed: int) -> None:
    rng, known = random.Random(seed), 400
    grace, until = rng.choice([0, 2, 5, 10]), rng.randint(330, 400)
    rows: list[Row] = []
    oracles: dict[str, Oracle] = {}
    for company in range(COMPANIES):
        for n in range(4):
            account = f"{company}-{n}"
            more, terms = draw_rows(rng, account, known)
            rows += more
            oracles[account] = Oracle([term for term in terms if term[0] < known], grace, until)
    segments = [{"account_id": a, "segment": a.partition("-")[0], "started_at": START - 90 * DAY} for a in oracles]
    toml = f"[churn]\ngrace_days = {grace}\nobserved_until = {START + until * DAY:%Y-%m-%d}\n"
    inputs = measured(f"{START + known * DAY:%Y-%m-%d}", toml=toml, subscriptions=rows, accounts=segments)

    _losses_are_those_of_the_walk(inputs, oracles)
    _balances_are_those_of_the_walk(inputs, oracles)
    _every_row_adds_up(inputs, inputs.rows(f"SELECT account_id, month, {COLUMNS} FROM movements"))
    _a_period_is_its_months(inputs)
    _retention_keeps_its_bounds(inputs)


def _losses_are_those_of_the_walk(inputs: Any, oracles: dict[str, Oracle]) -> None:
    ended = inputs.rows("SELECT account_id, ended_at FROM customer_spans WHERE ended_at IS NOT NULL")
    events = inputs.rows("SELECT account_id, e.at FROM churn_events e")
    assert sorted(ended) == sorted(events)
    walked = [(account, START + day * DAY) for account, oracle in oracles.items() for day in oracle.losses()]
    assert sorted(events) == sorted(walked)


def _balances_are_those_of_the_walk(inputs: Any, oracles: dict[str, Oracle]) -> None:
    found = {(row[0], row[1]): row[2] for row in inputs.rows("SELECT account_id, month, end_cents FROM movements")}
    for (month,) in inputs.rows("SELECT CAST(month AS DATE) FROM months"):
        last_day = ((month + 31 * DAY).replace(day=1) - date(2024, 1, 1)).days - 1
        for account, oracle in oracles.items():
            walked = oracle.price(last_day)
            assert found.get((account, month), 0) == (walked or 0), (account, month, oracle.terms)


def _every_row_adds_up(inputs: Any, rows: list[tuple[Any, ...]]) -> None:
    """Each row, the chain of each account, and all segments together."""
    _rows_add_up(rows)
    end_of = {(account, month): end for account, month, *_, end in rows}
    first = min(row[1] for row in rows)
    for account, month, begin, *_ in rows:
        assert month == first or begin == end_of.get((account, (month - DAY).replace(day=1)), 0)
    whole, parts = defaultdict(int), defaultdict(int)
    for row in rows:
        whole[row[1]] += row[8]
    segments = """SELECT a.segment, month, SUM(end_cents) FROM movements m
                  JOIN known_accounts a ON a.account_id = m.account_id GROUP BY ALL"""
    for _, month, cents in inputs.rows(segments):
        parts[month] += cents
    assert whole == parts


def _a_period_is_its_months(inputs: Any) -> None:
    """What moved over a longer time nets to what its months net to; retention by its rows keeps its bounds."""
    months = [row[0] for row in inputs.rows("SELECT month FROM months ORDER BY month")]
    first, last = months[2], months[-1]
    period = f"SELECT TIMESTAMP '{last}' AS month, TIMESTAMP '{first}' AS begin_month, TIMESTAMP '{last}' AS end_month"
    rows = inputs.rows(f"SELECT account_id, month, {COLUMNS} FROM ({movements.between(period)})")
    _rows_add_up(rows)
    chained = inputs.rows(f"SELECT SUM(end_cents - begin_cents) FROM movements WHERE month > DATE '{first:%Y-%m-%d}'")
    assert sum(row[8] - row[2] for row in rows) == chained[0][0]


def _retention_keeps_its_bounds(inputs: Any) -> None:
    """GRR never above 1 or NRR, equal to it where nothing expands; the segments' money is the book's."""
    ledger = look(inputs)
    assert ledger
    for found in (ledger.accounts, *ledger.accounts.by_segment().values()):
        kept = rates.revenue(found)
        if kept["grr"].value is None:
            continue
        assert -1e-12 <= kept["grr"].value <= min(1.0, kept["nrr"].value) + 1e-12
        assert kept["grr"].value + kept["revenue_churn"].value == pytest.approx(1)
        held = found.customer | (found.begin > 0)
        assert (kept["grr"].value == pytest.approx(kept["nrr"].value)) == (found.expansion[held].sum() == 0)
    for name in ("begin", "new", "reactivation", "expansion", "contraction", "churn", "end"):
        parts = [getattr(found, name).sum() for found in ledger.accounts.by_segment().values()]
        assert sum(parts) == pytest.approx(getattr(ledger.accounts, name).sum(), abs=1e-6)


def _rows_add_up(rows: list[tuple[Any, ...]]) -> None:
    for _, _, *parts in rows:
        begin, new, back, more, less, churn, end = parts
        assert begin + new + back + more - less - churn == end
        assert min(parts) >= 0
        assert less + churn <= begin
