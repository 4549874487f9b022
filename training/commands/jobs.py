"""What several verbs do, with its progress shown."""

from contextlib import nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Any

from features.config import Settings
from training.commands.shared import err, progress

if TYPE_CHECKING:
    from retention.blocks import Report
    from serving.policy import Scope
    from serving.run import Kept
    from serving.stages import Stage

OLD_DAYS = 7
"""A book whose newest data is older than this is pointed out."""


def train_and_register(settings: Settings, *, distributed: bool = False, workers: int | None = None) -> dict[str, Any]:
    """Train and register; the object that `train --json` prints.

    The final model is fitted in this process, or distributed over so many workers on Spark (None: one a task slot).
    """
    from features.engines import engine_for
    from training import tracking
    from training.cluster import on_cluster
    from training.model import fit_here
    from training.report.page import write
    from training.run import as_json as tell_all
    from training.run import give_evidence
    from training.run import train as run

    tracking.reach(settings)
    where = on_cluster(settings, workers) if distributed else nullcontext()
    with where as cluster, engine_for(settings) as engine, progress() as tell:
        training = run(settings, engine, tell, fit_all=cluster.fit if cluster else fit_here)
        training.learned.bundle.about["workers"] = cluster.workers if cluster else 1
        tell("report", 0, 1)
        page = settings.home_dir / "reports" / "training.html"
        write(training, page)
        tell("registering", 0, 1)
        told = tell_all(training, None)
        give_evidence(training.learned.bundle, told)
        told["model_version"] = tracking.register(settings, training.learned.bundle, told, page)
    return told


def compare_models(settings: Settings) -> dict[str, Any]:
    """Champion against challenger; the object that `compare --json` prints."""
    from features.engines import engine_for
    from training.compare import compare as run

    with engine_for(settings) as engine, progress() as tell:
        return run(settings, engine, tell)


def book_of(settings: Settings, as_of: datetime | None, model: str | None, tell: "Stage") -> Any:
    """The scored book of a day (see `serving.book.score_book`); None for the newest day in the data."""
    from serving.batch import book

    found = book(settings, as_of, model, tell).book
    if found["model_version"].null_count:
        err.print("No model is registered yet: health comes from the typical weights, without churn probabilities.")
    return found


def warn_if_old(book: Any) -> None:
    """Scores as of a day long after the newest data say little; say so."""
    moments = [m for name in book.column_names if name.endswith("_data_as_of") for m in book[name][:1].to_pylist() if m]
    days = (book["as_of"][0].as_py() - max(moments)).days if moments else 0
    if days > OLD_DAYS:
        err.print(f"[yellow]The newest data is {days} days older than that day; its scores tell of a silence.[/yellow]")


def kept_report(settings: Settings, day: datetime) -> "Report":
    """The retention report of a day, kept in the store."""
    from serving.measuring import keep_report, retention_report

    with progress() as tell:
        found = retention_report(settings, day, tell)
    keep_report(settings, found)
    return found


def kept_runs(
    settings: Settings,
    days: list[datetime],
    model: str | None,
    tell: "Stage",
    *,
    shadow: bool = False,
    scope: "Scope" = "book",
) -> "list[Kept]":
    """Books of some days, scored and kept in the store."""
    from serving.batch import keep

    return keep(settings, days, model, tell, shadow=shadow, scope=scope)
