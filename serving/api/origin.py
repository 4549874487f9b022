"""Where numbers come from: which model, which run, as of when."""

from serving.api.age import Age
from serving.api.answers import ModelOut
from serving.api.context import Context
from serving.api.models import Live
from serving.api.results import Setting
from serving.store.runs import ModelVersion, Run


def stored_model(context: Context, run: Run, model: ModelVersion | None) -> ModelOut:
    """The model of a run."""
    return ModelOut(
        name=context.facts.model_name,
        version=run.model_version,
        run_id=model.run_id if model else None,
        trained_at=model.trained_at if model else None,
        horizon_days=model.horizon_days if model else None,
    )


def live_model(context: Context, live: Live | None) -> ModelOut | None:
    """The live model."""
    if live is None:
        return None
    about = live.bundle.about
    return ModelOut(
        name=context.facts.model_name,
        version=live.version,
        run_id=live.run_id,
        trained_at=about.get("trained_at"),
        horizon_days=about.get("horizon_days"),
    )


def setting_of(
    context: Context, run: Run, model: ModelVersion | None, *, factors: int = 4, explain: bool = True
) -> Setting:
    """What the stored results of a run have in common."""
    return Setting(
        policy=context.policy,
        scored_at=run.scored_at,
        as_of=run.as_of,
        model_version=run.model_version,
        base_rate=model.about.get("base_rate") if model else None,
        factors=factors,
        explain=explain,
        age=age_of(context, run),
    )


def age_of(context: Context, run: Run) -> Age:
    """How old the scores of a run are now."""
    return Age(context.policy, context.facts.business_model, run.scored_at, context.clock())
