"""An account's page: why its score is what it is, what to do about it, and what people decided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from serving.api.accounts import score_now
from serving.api.answers import Fault
from serving.api.origin import age_of
from serving.api.planning import Stored, with_news
from serving.api.postmortems import PostMortemAnswer
from serving.api.problems import Problem
from serving.pages import explained, facts, lost, whatif
from serving.pages.book import ranges
from serving.pages.door import Visit
from serving.pages.events import by_day, decision_in_words, happened, label
from serving.pages.flashes import flash
from serving.pages.words import adding_up, told
from serving.policy import Policy
from serving.store import accounts, decisions, runs, signs
from serving.store import facts as fact_log
from serving.store.decisions import Decision, Intervention
from serving.store.facts import Fact
from serving.store.runs import ModelVersion, Run
from serving.store.scores import Scored

LOOK_BACK = timedelta(days=730)


@dataclass(frozen=True)
class Found:
    """What the store knows of an account; `stored` with the events that were posted since."""

    scored: Scored
    stored: Stored
    run: Run
    model: ModelVersion | None
    past: Sequence[accounts.Past]
    warned: Sequence[signs.Raised]
    decided: Sequence[Decision]
    done: Sequence[Intervention]
    told: Mapping[str, Fact]
    lost: PostMortemAnswer | None
    seen: Mapping[str, tuple[float, float]]


def show(visit: Visit) -> Response:
    """GET /accounts/{id}."""
    return page_of(visit, visit.request.path_params["account_id"])


def page_of(visit: Visit, account_id: str, *, status: int = 200, faults: Sequence[Fault] = ()) -> Response:
    """The page of an account that the latest run scored, or that the newest report says was lost.

    Raises:
        Problem: 404, neither knows it.
    """
    found = _look(visit, account_id)
    if isinstance(found, PostMortemAnswer):
        return lost.shown(visit, found, status=status, faults=faults)
    return shown(visit, _known(found), status=status, faults=faults)


def find(visit: Visit, account_id: str) -> Found:
    """All that is stored of an account.

    Raises:
        Problem: 404, the latest run did not score it.
    """
    found = _look(visit, account_id)
    return _known(found if isinstance(found, Found) else None)


def _known(found: Found | None) -> Found:
    if found is None:
        raise Problem("not-found", "the latest run did not score such an account")
    return found


def _look(visit: Visit, account_id: str) -> Found | PostMortemAnswer | None:
    with visit.context.store.read() as db:
        run, left = runs.latest(db), lost.look(visit, db, account_id)
        scored = accounts.account(db, account_id) if run else None
        if run is None or scored is None:
            return left
        model = runs.model(db, run.model_version)
        since = run.as_of - LOOK_BACK
        names = tuple(spec.name for spec in explained.specs_of(model))
        return Found(
            scored=scored,
            stored=with_news(visit.context, db, Stored(run, model, {account_id: scored})),
            run=run,
            model=model,
            past=accounts.history(db, account_id, since=since),
            warned=signs.of_account(db, account_id, since=since),
            decided=decisions.history(db, account_id),
            done=decisions.list_interventions(db, account_id=account_id)[::-1],
            told=fact_log.in_force(db, account_id, at=visit.context.clock()),
            lost=left,
            seen=ranges(db, run.id, names) if scored.features and names else {},
        )


def shown(visit: Visit, found: Found, *, status: int = 200, faults: Sequence[Fault] = ()) -> Response:
    """The page; with `faults`, what a form was not taken for."""
    policy, scored = visit.context.policy, found.scored
    specs = explained.specs_of(found.model)
    events = happened(policy, found.past, found.warned, found.decided)
    waterfall = explained.waterfall(scored, specs)
    tried = whatif.sliders(scored, specs, found.seen)
    return visit.page(
        "account.html",
        status,
        s=scored.score,
        now=score_now(visit.context, found.stored, scored.account_id),
        detail=told(scored.detail),
        change=_change(scored),
        run=found.run,
        model=found.model,
        policy=policy,
        label=lambda tier: label(policy, tier),
        dict_labels={name: rule.label for name, rule in policy.tiers.items()},
        parts=explained.parts(scored),
        waterfall=waterfall,
        reasons=explained.told_reasons(scored, specs, waterfall),
        past=found.past,
        events=events,
        events_by_day=by_day(found.past, events),
        open_signs={sign.rule: sign for sign in found.warned if sign.closed_at is None},
        decided=found.decided,
        done=found.done,
        age=age_of(visit.context, found.run),
        known=facts.known(policy, found.told, scored, found.run),
        in_words=lambda decision: decision_in_words(policy, decision),
        sliders=tried[: whatif.MOST_SLIDERS],
        more_sliders=tried[whatif.MOST_SLIDERS : 4 * whatif.MOST_SLIDERS],
        faults=faults,
        form=visit.form,
        lost=found.lost,
        flash=flash(visit, faults),
        bands=_bands(policy),
        is_live=visit.context.models.current is not None,
    )


def _bands(policy: Policy) -> list[dict[str, Any]]:
    """The tiers' bands from the bottom, for the chart's background."""
    rules = sorted(policy.tiers.values(), key=lambda rule: rule.floor)
    tops = [*(rule.floor for rule in rules[1:]), 100.0]
    return [
        {"low": rule.floor, "high": top, "label": rule.label, "colour": rule.colour}
        for rule, top in zip(rules, tops, strict=True)
    ]


def _change(scored: Scored) -> dict[str, Any] | None:
    """The stored change with its parts rounded so that they add up."""
    told = scored.change
    if not told or told.get("points") is None:
        return None
    names = ("inputs", "weights", "model", "staleness")
    said = adding_up([told.get(name) or 0.0 for name in names], told["points"])
    return {**told, "said": dict(zip(names, said, strict=True))}
