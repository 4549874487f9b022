"""Writing to MLflow: runs, the registered model, its aliases. The only module that does."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from features.config import Settings
from serving.bundle import Bundle, save
from serving.errors import ServingError
from serving.registry import CHALLENGER, CHAMPION, answering, client, tracking_uri, version_of

EXPERIMENT = "keepwell"
REPORT = "training.html"
BEFORE = "champion_before"
"""Tag of a promoted version: the version that was champion before it."""


def reach(settings: Settings) -> None:
    """See that MLflow answers before hours of work, and make its tables where it is a database.

    Raises:
        ServingError: it does not answer.
    """
    uri = tracking_uri(settings)
    with answering(settings):
        if uri.startswith("postgresql"):
            from sqlalchemy import create_engine  # only where there is a database to reach

            create_engine(uri).connect().close()  # MLflow itself tries for two minutes
        _mlflow(settings)
        version_of(settings, CHAMPION)


def register(settings: Settings, bundle: Bundle, told: dict[str, Any], page: Path | None = None) -> str:
    """Log a training run with its evidence and bundle, register it, and make it @challenger.

    `told` is what `train --json` prints, `page` its report as HTML. Returns the version.
    """
    mlflow = _mlflow(settings)
    with answering(settings), _run(settings, mlflow) as run, TemporaryDirectory() as folder:
        bundle_folder = Path(folder) / "bundle"
        save(bundle, bundle_folder)
        mlflow.log_params(_params(settings, told))
        mlflow.log_metrics(_metrics(told))
        mlflow.log_dict(told, "evidence.json")
        mlflow.log_text(
            (settings.root / "keepwell.toml").read_text("utf-8") if (settings.root / "keepwell.toml").exists() else "",
            "keepwell.toml",
        )
        mlflow.log_artifacts(str(bundle_folder), "bundle")
        if page is not None:
            mlflow.log_text(page.read_text(encoding="utf-8"), REPORT)
        logged = mlflow.pyfunc.log_model(
            name="model",
            loader_module="serving.pyfunc",
            data_path=str(bundle_folder),
            pip_requirements=["keepwell"],
        )
        with redirect_stderr(StringIO()):  # it says there that it is done, in words of its own
            found = mlflow.register_model(logged.model_uri, settings.tracking.model_name)
        api = client(settings)
        api.set_model_version_tag(settings.tracking.model_name, found.version, "run_id", run.info.run_id)
        api.set_registered_model_alias(settings.tracking.model_name, CHALLENGER, found.version)
    return str(found.version)


def promote(settings: Settings, version: str, *, reasons: list[str], forced_because: str | None) -> None:
    """Make a version @champion, remembering its predecessor, the gate's reasons and why it was forced, if it was."""
    api, name = client(settings), settings.tracking.model_name
    before = version_of(settings, CHAMPION)
    tags = {BEFORE: before or "", "gate": json.dumps(reasons), "forced_because": forced_because or ""}
    with answering(settings):
        for tag, value in tags.items():
            api.set_model_version_tag(name, version, tag, value)
        api.set_registered_model_alias(name, CHAMPION, version)
        if version_of(settings, CHALLENGER) == version:
            api.delete_registered_model_alias(name, CHALLENGER)


def rollback(settings: Settings) -> tuple[str, str]:
    """Make the champion's predecessor champion again: (version that was, version that is).

    Raises:
        ServingError: there is no champion, or none before it.
    """
    api, name = client(settings), settings.tracking.model_name
    now = version_of(settings, CHAMPION)
    if now is None:
        raise ServingError(f"{name} has no champion to roll back from; `keepwell promote` makes one")
    with answering(settings):
        before = api.get_model_version(name, now).tags.get(BEFORE)
        if not before:
            raise ServingError(f"version {now} is the first champion of {name}; there is nothing to roll back to")
        api.set_registered_model_alias(name, CHAMPION, before)
        api.set_model_version_tag(name, now, "rolled_back_to", before)
    return now, str(before)


def fetch_report(settings: Settings, version: str, target: Path) -> None:
    """Copy the page that was written when a version was trained.

    Raises:
        ServingError: there is no such version, or its run kept no page.
    """
    mlflow = _mlflow(settings)
    name = settings.tracking.model_name
    try:
        run_id = client(settings).get_model_version(name, version).run_id
        page = mlflow.artifacts.load_text(f"runs:/{run_id}/{REPORT}")
    except mlflow.exceptions.MlflowException as error:
        raise ServingError(f"version {version} of {name} has no report that can be read: {error}") from error
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page, encoding="utf-8")


def _mlflow(settings: Settings) -> Any:
    """MLflow, pointed at the configured place, quiet and without pickles."""
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # standard output is ours
    import mlflow  # takes seconds; only commands that need it pay
    import mlflow.pyfunc  # takes seconds; only commands that need it pay

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    uri, given = tracking_uri(settings), os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    if given is None:
        os.environ.pop("MLFLOW_TRACKING_URI", None)  # MLflow sets it, which would bind every later configuration
    return mlflow


@contextmanager
def _run(settings: Settings, mlflow: Any) -> Iterator[Any]:
    """The run that `mlflow run` opened, else a new one in our experiment."""
    experiment = None
    if "MLFLOW_RUN_ID" not in os.environ:
        found = mlflow.get_experiment_by_name(EXPERIMENT)
        served = tracking_uri(settings).startswith(("http://", "https://", "databricks"))
        where = None if served else (settings.home_dir / "artifacts").as_uri()
        experiment = found.experiment_id if found else mlflow.create_experiment(EXPERIMENT, artifact_location=where)
    with mlflow.start_run(experiment_id=experiment) as run:
        yield run


def _params(settings: Settings, told: dict[str, Any]) -> dict[str, Any]:
    churn = {f"churn.{k}": v for k, v in settings.churn.model_dump().items()}
    return {**churn, **{f"model.{k}": v for k, v in told["model"].items()}, **told["about"], **told["data"]}


def _metrics(told: dict[str, Any]) -> dict[str, float]:
    """Every figure of the evidence under a dotted name, with its interval beside it."""
    found: dict[str, float] = {}

    def walk(name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                walk(f"{name}.{key}" if name else key, item)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[name.removesuffix(".value")] = float(value)

    for part in ("test", "benchmarks", "calibration"):
        walk(part, told[part])
    walk("health", {k: v for k, v in told["health"].items() if k not in ("checks", "components")})
    return found
