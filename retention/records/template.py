"""The commented file in which a decision is written down, with what the newest report knows filled in."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from retention.house import House
from retention.metrics import METRICS
from retention.records.deciding import baseline
from retention.records.signals import Measurement

LOCKED = ("logo_churn", "reactivation_rate", "ltv")
"""The success metrics of an intervention; of a rescue they are logo_churn, nps, expansion_revenue (systems X5)."""
GAIN = "recovery_plan"
"""The play of the example options, where the report knows it."""


def template(report: Mapping[str, Any], measured: Measurement, house: House) -> str:
    """The file's text. Fields that only people can fill are empty, and refused until they are filled.

    Args:
        report: a kept report's JSON.
        measured: the same report's figures.
        house: horizon, rhythm and likelihoods to begin with.
    """
    parts = (_baseline(measured), _frame(measured, house), _compare(report, house), _commit(measured, house))
    return "\n".join(line for part in parts for line in part) + "\n"


def _baseline(measured: Measurement) -> Iterator[str]:
    yield "# A decision record. `keepwell record create FILE` takes it; what is still empty is refused by name."
    yield f"# Baseline: the metrics as of {measured.as_of:%Y-%m-%d}, with 95 % interval, cases, confidence and digest"
    yield "# of their definition. Creating the record fixes both: later numbers are compared by the same definition."
    for name in METRICS:
        told = baseline(measured, name)
        if told["value"] is None:
            yield f"#   {name:<20} not measured"
            continue
        n, low, high = (told[part] for part in ("n", "low", "high"))
        between = "" if low is None else f"  ({low:.6g} to {high:.6g})"
        cases = "" if n is None else f"  n {n}"
        digest = measured.definitions.get(name)
        yield f"#   {name:<20} {told['value']:.6g}{between}{cases}  {told['confidence']}  {digest}"
    yield ""
    yield 'id = ""                        # small letters, digits and dashes: 2025-q3-save-offers'
    yield 'title = ""'


def _frame(measured: Measurement, house: House) -> Iterator[str]:
    metrics = [name for name in LOCKED if measured.value(name) is not None] or list(measured.figures)[:3]
    yield ""
    yield "[frame]"
    yield 'question = ""                  # what is to be decided, in one sentence with a question mark'
    yield 'background = ""'
    yield 'objective = ""'
    yield 'scope = ""                     # which customers, which not'
    yield 'owner = ""                     # one person; without one there is no record'
    yield f"horizon_days = {house.records.horizon_days}              # a quarter, unless you know better"
    yield f"metrics = {_list(metrics)}"
    yield "metric_owners = { " + ", ".join(f'{name} = ""' for name in metrics) + " }"


def _compare(report: Mapping[str, Any], house: House) -> Iterator[str]:
    stakes, plays = (_block(report, "plan", name) for name in ("stakes", "plays"))
    high = next((row for row in stakes if row["level"] == "high" and row["accounts"]), None)
    play = next((row for row in plays if row["play"] == GAIN), None)
    accounts = high["accounts"] if high else 0
    yield ""
    yield "[compare]"
    yield 'trade_offs = ""'
    yield 'constraints = [""]'
    yield 'dependencies = [""]'
    yield f"gross_margin = {house.money.gross_margin}"
    yield "# Churn of an account in scope within the programme's outcome days if nothing is done, and its money a year."
    yield "# basis: measured | assumed; every number has its range."
    yield f"churn = {_number(high and high['churn'], 'measured', 'mean of the newest scores, high risk')}"
    yield f"value = {_number(high and high['value'], 'measured', 'mean yearly money, high risk')}"
    yield from _inputs(report)
    yield from _claims()
    effect = _number(play and play["effect"], play["basis"] if play else "assumed", f"play {GAIN}")
    each = (play["cost"] if play else 0) or 0
    zero = '{ low = 0, base = 0, high = 0, basis = "assumed", source = "nothing is done" }'
    yield from _option("A", "Hold", 0, zero, 0, ())
    yield from _option("B", "Phased, with checkpoints", accounts // 2, effect, each, CHECKPOINT)
    yield from _option("C", "Full change", accounts, effect, each, ())


CHECKPOINT = (
    "[[compare.options.B.checkpoints]]",
    "after_days = 28",
    'expects = ""                   # what must be seen by then',
    'stop_if = ""',
)


def _inputs(report: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "# Data that this rests on, with coverage, unit, moment and owner. Say who verified it and what is missing."
    found = _block(report, "health", "decision_inputs")
    for row in found or [{"input": "", "source": ""}]:
        yield "[[compare.inputs]]"
        yield f"name = {_text(row['input'])}"
        yield f"source = {_text(row['source'])}"
        yield 'unit = "count in 84 days"'
        if row.get("newest"):
            yield f"as_of = {datetime.fromisoformat(row['newest']).date()}"
        if row.get("filled") is not None:
            yield f"coverage = {row['filled']:.4g}"
        yield f"owner = {_text(row.get('owner'))}"
        yield "refresh_days = 7"
        yield 'verified_by = ""'
        yield 'gaps = ""'


def _claims() -> Iterator[str]:
    yield ""
    yield "# What is known, what is taken for granted, what is not known: apart from each other."
    yield from ("[[compare.facts]]", 'text = ""', 'source = ""', 'confidence = "medium"')
    yield from ("[[compare.assumptions]]", 'text = ""', 'owner = ""', 'confidence = "low"', 'if_wrong = ""')
    yield from ("[[compare.questions]]", 'text = ""', 'owner = ""', "by = 2099-12-31")


def _option(name: str, title: str, accounts: int, effect: str, each: float, more: Sequence[str]) -> Iterator[str]:
    yield ""
    yield f"[compare.options.{name}]"
    yield f"title = {_text(title)}"
    yield 'what = ""'
    yield f"accounts = {accounts}                   # that are treated"
    yield f"effect = {effect}     # share of churn that is prevented"
    yield "lasting = 1.0                  # of the accounts saved, still there a year on"
    yield "discount = 0.0                 # of the yearly money, let off to everyone treated"
    yield "cost = 0"
    yield f"cost_per_account = {each:g}"
    yield from (f"[[compare.options.{name}.risks]]", 'text = ""', 'mitigation = ""', 'monitoring = ""')
    yield from more


def _commit(measured: Measurement, house: House) -> Iterator[str]:
    rules = house.records
    likely = ", ".join(f"{name} = {share}" for name, share in rules.likelihood.items())
    known = ((name, held["value"]) for name, held in measured.figures.items() if held.get("value") is not None)
    name, value = next(known, ("grr", 0.9))
    example = f"{name} {'<' if METRICS[name].good == 'up' else '>'} {value:.4g} for 2 reports"
    yield ""
    yield "[commit]"
    yield f"criterion = {_text(rules.criterion)}   # or regret: the smallest greatest regret over the scenarios"
    yield f"likelihood = {{ {likely} }}"
    yield 'selected = "B"                 # if it is not what the criterion takes, say why in `because`'
    yield 'because = ""'
    yield f"# METRIC < NUMBER [%] [for N reports]; it must not hold today. Such as {_text(example)}."
    yield "reversal_signals = []"
    yield 'signal_owner = ""              # who acts when one fires'
    yield 'stop_rules = [""]'
    yield 'monitoring = ""                # who looks at what, how often'
    yield 'escalation = [""]              # first, then, then'
    yield 'approvals = [""]'
    yield f"freshness_days = {rules.freshness_days}            # a report older than this hides shifts"
    yield 'expires_when = [""]            # what would make this decision obsolete: market, customers, operations'
    yield "# Fixed with the record: confirm the inputs; recheck in this rhythm; continue, adapt or stop."
    yield "[commit.reviews]"
    yield f"initial_days = {rules.initial_days}"
    yield f"operating_every_days = {rules.operating_every_days}"
    yield f"post_days = {rules.horizon_days}"


def _number(figure: Mapping[str, Any] | None, basis: str, source: str) -> str:
    """A figure as a number of three scenarios; without an interval all three are its value."""
    held = figure or {}
    value = held.get("value") or 0.0
    ends = [value if held.get(end) is None else held[end] for end in ("low", "high")]
    n = "" if held.get("n") is None else f"n = {held['n']}, "
    told = f"low = {ends[0]:.6g}, base = {value:.6g}, high = {ends[1]:.6g}, {n}"
    return f'{{ {told}basis = "{basis if figure else "assumed"}", source = {_text(source)} }}'


def _block(report: Mapping[str, Any], chapter: str, block: str) -> list[dict[str, Any]]:
    """The rows of a block of a kept report; none where it has no such block."""
    for one in report.get("chapters", ()):
        if one["id"] == chapter:
            return next((held["rows"] for held in one["blocks"] if held["id"] == block), [])
    return []


def _list(names: Sequence[str]) -> str:
    return "[" + ", ".join(_text(name) for name in names) + "]"


def _text(text: str | None) -> str:
    """A TOML basic string; JSON's escapes are TOML's."""
    return json.dumps(text or "", ensure_ascii=False)
