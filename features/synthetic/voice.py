"""What an account says and what is said to it: surveys, complaints, tickets and contacts."""

import numpy as np

from features.synthetic.world import NO_TEXT, Array, Rows, World, in_order, scatter, sigmoid

WORDS = {
    "promoter": ("Works great for us, thank you", "Saves the team hours", "Support is quick, and it shows"),
    "passive": ("Fine so far", "Good, but exports are slow", "Does what we need"),
    "detractor": (
        "Too many bugs, lately",
        "Hard to see the value",
        'We asked for "SSO" a year ago, still nothing',
    ),
    "complaint": ("The outage cost us a day", "Nobody answers our ticket", "The invoice was wrong, again"),
}
TOPICS = ("bug", "how-to", "billing", "performance", "integration")


def feedback(world: World) -> Rows:
    """An NPS survey about every 56 days, the answers to some of them, and unasked scores and complaints."""
    rng, mood = world.rng("feedback"), world.moods["sentiment"]
    phase = rng.integers(0, 8, (world.accounts, 1))
    asked, week, sent_at = scatter(world, ((np.arange(mood.shape[1]) + phase) % 8 == 0).astype(int), rng)
    felt = mood[asked, week]
    answers = rng.random(len(asked)) < sigmoid(0.6 + 0.7 * felt)
    nps = np.clip(np.round(7.3 + 1.8 * felt + rng.standard_normal(len(asked))), 0, 10)
    answered_at = sent_at + rng.integers(600, 6 * 86_400, len(asked)) * np.timedelta64(1, "s")
    csat_of, csat_week, csat_at = scatter(world, np.full(mood.shape, 0.03), rng)
    csat = np.clip(np.round(3.8 + 0.7 * mood[csat_of, csat_week] + 0.7 * rng.standard_normal(len(csat_of))), 1, 5)
    upset, _, upset_at = scatter(world, np.minimum(0.012 * np.exp(-mood), 0.5), rng)
    parts = [
        ("survey_sent", asked, sent_at, np.full(len(asked), np.nan)),
        ("nps", asked[answers], answered_at[answers], nps[answers]),
        ("csat", csat_of, csat_at, csat),
        ("complaint", upset, upset_at, np.full(len(upset), np.nan)),
    ]
    rows = in_order(
        {
            "account": np.concatenate([account for _, account, _, _ in parts]),
            "at": np.concatenate([at for _, _, at, _ in parts]),
            "kind": np.repeat([kind for kind, *_ in parts], [len(account) for _, account, _, _ in parts]),
            "score": np.concatenate([score for *_, score in parts]),
        }
    )
    return rows | {"text": _text(rows["kind"], rows["score"], rng)}


def support(world: World) -> Rows:
    """Tickets, with the moments of response, escalation and resolution; NaT where there was none."""
    rng, mood = world.rng("support"), world.moods["trouble"]
    size = np.sqrt(world.users / 3)[:, None]
    account, week, opened_at = scatter(world, rng.poisson(0.2 * size * np.exp(0.7 * mood)), rng)
    felt, n = mood[account, week], len(account)
    days = rng.lognormal(1.0 + 0.35 * felt, 0.8)
    is_escalated = rng.random(n) < sigmoid(-2.2 + 0.8 * felt)
    escalated_at = opened_at + (np.minimum(days * 0.6, 6) * 86_400).astype("timedelta64[s]")
    csat = np.clip(np.round(3.8 - 0.6 * felt + 0.8 * rng.standard_normal(n)), 1, 5)
    return {
        "account": account,
        "at": opened_at,
        "ticket": np.arange(n),
        "first_response_at": opened_at + (np.minimum(days * 0.3, 2) * 86_400).astype("timedelta64[s]"),
        "escalated_at": np.where(is_escalated, escalated_at, np.datetime64("NaT", "s")),
        "resolved_at": opened_at + (days * 86_400).astype("timedelta64[s]") + np.timedelta64(1, "s"),
        "escalations": np.where(is_escalated, 1 + (rng.random(n) < 0.25), 0),
        "priority": np.where(is_escalated, "urgent", rng.choice(["low", "normal", "high"], n, p=[0.3, 0.5, 0.2])),
        "reopened": (rng.random(n) < 0.08).astype(int),
        "csat": np.where(rng.random(n) < 0.4, csat, np.nan),
        "topic": rng.choice(TOPICS, n),
    }


def touchpoints(world: World) -> Rows:
    """Contacts in time order. `answered` is 1 where the customer took part, 0 where not, else NaN."""
    rng, mood = world.rng("touchpoints"), world.moods["rapport"]
    weeks = np.arange(mood.shape[1]) + rng.integers(0, 13, (world.accounts, 1))
    has_qbr = (weeks % 13 == 0) & (world.segment != "smb")[:, None]
    kinds = {
        "email": np.full(mood.shape, 0.3),
        "inbound_email": 0.05 * np.exp(0.4 * mood),
        "meeting": 0.06 * np.exp(0.5 * mood),
        "training": np.full(mood.shape, 0.01),
        "qbr": has_qbr * sigmoid(mood),
        "executive": 0.012 * np.exp(0.5 * mood),
        "champion_left": np.full(mood.shape, 0.006),
        "contract_inquiry": np.full(mood.shape, 0.003),
    }
    found = [(kind, *scatter(world, np.clip(p, 0, 0.9), rng)) for kind, p in kinds.items()]
    rows = in_order(
        {
            "account": np.concatenate([account for _, account, _, _ in found]),
            "at": np.concatenate([at for *_, at in found]),
            "kind": np.repeat([kind for kind, *_ in found], [len(at) for *_, at in found]),
            "felt": np.concatenate([mood[account, week] for _, account, week, _ in found]),
        }
    )
    return rows | _manner(rows["kind"], rows.pop("felt"), rng)


def _manner(kind: Array, felt: Array, rng: np.random.Generator) -> Rows:
    """How a contact went: who began it, whether it was two-way, and what the CSM made of a meeting (1-5)."""
    replied = rng.random(len(kind)) < sigmoid(-0.2 + 1.2 * felt)
    is_email, is_news = kind == "email", kind == "champion_left"
    is_inbound = np.isin(kind, ["inbound_email", "contract_inquiry"])
    sentiment = np.clip(np.round(3.4 + 0.8 * felt + 0.6 * rng.standard_normal(len(kind))), 1, 5)
    return {
        "kind": np.where(kind == "inbound_email", "email", kind),
        "direction": np.where(is_news, NO_TEXT, np.where(is_inbound, "inbound", "outbound")),
        "answered": np.where(is_news, np.nan, np.where(is_email, replied, 1.0)),
        "sentiment": np.where(np.isin(kind, ["meeting", "qbr", "executive"]), sentiment, np.nan),
    }


def _text(kind: Array, score: Array, rng: np.random.Generator) -> Array:
    """A comment on half of the answers and on every complaint."""
    mood = np.select([score >= 9, score >= 7], ["promoter", "passive"], "detractor")
    group = np.where(kind == "complaint", "complaint", mood)
    words = np.empty(len(kind), dtype=object)
    for name, sentences in WORDS.items():
        chosen = group == name
        words[chosen] = np.array(sentences, dtype=object)[rng.integers(0, len(sentences), chosen.sum())]
    has_text = (kind == "complaint") | ((kind == "nps") & (rng.random(len(kind)) < 0.5))
    return np.where(has_text, words, NO_TEXT)
