"""The raw tables as the company's systems would export them: names, versions and clocks."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.synthetic.activity import EVENTS
from features.synthetic.commerce import PLANS, Deals
from features.synthetic.world import NAT, NO_TEXT, Array, Rows, World


def exported(world: World, deals: Deals, rows: dict[str, Rows], lost: Rows) -> dict[str, pa.Table]:
    """Every source as an Arrow table, from the rows that really happened and the losses."""
    return {
        "accounts": _accounts(world),
        "subscriptions": _subscriptions(world, deals, rows["terms"], lost),
        "usage": _usage(world, rows["usage"]),
        "feedback": _feedback(world, rows["feedback"]),
        "support": _support(world, rows["support"]),
        "touchpoints": _plain(world, rows["touchpoints"], "T", {"answered": pa.bool_()}),
        "invoices": _plain(world, rows["invoices"], "I"),
        "interventions": _plain(world, rows["interventions"], "P"),
        "churns": _churns(world, lost),
    }


def account_ids(world: World, account: Array) -> pa.Array:
    """The accounts' names."""
    return _numbered("A", np.arange(world.accounts), 5).take(pa.array(account))


def _accounts(world: World) -> pa.Table:
    known = np.arange(world.accounts)[world.started_at < world.end]
    columns = {name: getattr(world, name)[known] for name in ("segment", "owner", "country", "industry")}
    started = world.started_at[known]
    times = {"started_at": started, "created_at": np.maximum(started, world.opened)}
    return _table({"account_id": account_ids(world, known)} | times | columns)


def _subscriptions(world: World, deals: Deals, term: Rows, lost: Rows) -> pa.Table:
    """Each term as it was known when it began, and once more when its end became known."""
    key = {(a, at): i for i, (a, at) in enumerate(zip(lost["account"], lost["at"], strict=True))}
    found = [key.get(pair, -1) for pair in zip(term["account"], term["ended_at"], strict=True)]
    which = np.where(term["is_lost"], found, -1)
    is_lost = which >= 0
    notice, reason = np.full(len(which), NAT), np.full(len(which), None, dtype=object)
    notice[is_lost] = np.maximum(lost["cancelled_at"][which[is_lost]], term["at"][is_lost])
    reason[is_lost] = lost["reason"][which[is_lost]]
    begun_at = np.maximum(term["at"], world.opened)
    settled_at = np.maximum(np.where(is_lost, notice, term["ended_at"]), world.opened)
    first = ~(begun_at >= settled_at)
    settled = ~np.isnat(settled_at)
    row = np.concatenate([np.flatnonzero(first), np.flatnonzero(settled)])
    is_final = np.repeat([False, True], [first.sum(), settled.sum()])
    account = term["account"][row]
    return _table(
        {
            "account_id": account_ids(world, account),
            "started_at": term["at"][row],
            "ended_at": np.where(is_final, term["ended_at"][row], NAT),
            "renews_at": term["renews_at"][row],
            "mrr": term["mrr"][row],
            "seats": term["seats"][row],
            "plan": np.array([PLANS[s] for s in world.segment])[account],
            "billing_period": np.where(deals.months[account] == 12, "annual", "monthly"),
            "auto_renew": deals.auto_renew[account],
            "discount": term["discount"][row],
            "cancelled_at": np.where(is_final, notice[row], NAT),
            "cancel_reason": np.where(is_final, reason[row], NO_TEXT),
            "updated_at": np.where(is_final, settled_at[row], begun_at[row]),
        },
        order="updated_at",
    )


def _usage(world: World, rows: Rows) -> pa.Table:
    owner = np.repeat(np.arange(world.accounts), world.users)
    nth = np.arange(len(owner)) - (np.cumsum(world.users) - world.users)[owner]
    users = pc.binary_join_element_wise(account_ids(world, owner), _numbered("U", nth, 1), "-")
    visit, where = np.unique(rows["session"], return_inverse=True)
    return _table(
        {
            "account_id": account_ids(world, rows["account"]),
            "user_id": users.take(pa.array(rows["user"])),
            "session_id": _numbered("S", visit, 7).take(pa.array(where)),
            "at": rows["at"],
            "event": pa.array(list(EVENTS)).take(pa.array(rows["event"])),
            "quantity": rows["quantity"],
            "loaded_at": rows["loaded_at"],
        }
    )


def _feedback(world: World, rows: Rows) -> pa.Table:
    account, text = rows["account"], pa.array(rows["text"], from_pandas=True)
    nth = world.rng("respondents").integers(0, world.users[account])
    user = pc.binary_join_element_wise(account_ids(world, account), _numbered("U", nth, 1), "-")
    columns = {"at": rows["at"], "kind": rows["kind"], "score": rows["score"], "text": text}
    row_id = _numbered("F", np.arange(len(account)), 7)
    return _table({"account_id": account_ids(world, account), "row_id": row_id, "user_id": user} | columns)


def _support(world: World, rows: Rows) -> pa.Table:
    """Each ticket as it was known when opened, when escalated, and when resolved."""
    opened, escalated, resolved = rows["at"], rows["escalated_at"], rows["resolved_at"]
    stages = (np.ones(len(opened), dtype=bool), ~np.isnat(escalated), ~np.isnat(resolved))
    row = np.concatenate([np.flatnonzero(stage) for stage in stages])
    stage = np.repeat([0, 1, 2], [s.sum() for s in stages])
    updated = np.choose(stage, [opened[row], escalated[row], resolved[row]])
    is_escalated, is_done = (stage >= 1) & stages[1][row], stage == 2
    responded = rows["first_response_at"][row]
    return _table(
        {
            "account_id": account_ids(world, rows["account"][row]),
            "ticket_id": _numbered("K", rows["ticket"][row], 6),
            "opened_at": opened[row],
            "first_response_at": np.where(responded <= updated, responded, NAT),
            "resolved_at": np.where(is_done, resolved[row], NAT),
            "priority": np.where(is_escalated, "urgent", rows["priority"][row]),
            "escalations": np.where(is_escalated, rows["escalations"][row], 0),
            "reopened": np.where(is_done, rows["reopened"][row], 0),
            "csat": np.where(is_done, rows["csat"][row], np.nan),
            "topic": rows["topic"][row],
            "updated_at": updated,
        },
        order="updated_at",
    )


def _churns(world: World, lost: Rows) -> pa.Table:
    told = {name: column[lost["is_told"]] for name, column in lost.items()}
    names = ("at", "reason", "intent", "preventable")
    return _plain(world, {"account": told["account"]} | {name: told[name] for name in names}, "C")


def _plain(world: World, rows: Rows, letter: str, types: dict[str, pa.DataType] | None = None) -> pa.Table:
    """A table whose rows never change: the account's name, a number of its own, the columns as they are."""
    names = {"account_id": account_ids(world, rows["account"])}
    names["row_id"] = _numbered(letter, np.arange(len(rows["at"])), 7)
    cast = types or {}
    columns = {
        name: pa.array(column, from_pandas=True).cast(cast[name]) if name in cast else column
        for name, column in rows.items()
        if name != "account"
    }
    return _table(names | columns)


def _numbered(letter: str, numbers: Array, width: int) -> pa.Array:
    digits = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")
    return pc.binary_join_element_wise(letter, digits, "")


def _table(columns: dict[str, Array | pa.Array], order: str | None = None) -> pa.Table:
    """An Arrow table; NaN, NaT and None are null."""
    table = pa.table({name: pa.array(column, from_pandas=True) for name, column in columns.items()})
    return table.sort_by(order) if order else table
