"""Reading MLflow's registry: which version is champion or challenger, and its bundle on disk. Writes nothing."""

import os
from pathlib import Path
from typing import Any

from features.config import Settings
from serving.bundle import Bundle, load
from serving.errors import ServingError

CHAMPION, CHALLENGER = "champion", "challenger"


def tracking_uri(settings: Settings) -> str:
    """Where MLflow is: MLFLOW_TRACKING_URI, else `[tracking] uri`, else a SQLite file under `home`."""
    named = os.environ.get("MLFLOW_TRACKING_URI") or settings.tracking.uri
    if named:
        return named
    settings.home_dir.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{settings.home_dir / 'mlflow.db'}"


def client(settings: Settings) -> Any:
    """An MLflow client of the configured server or file."""
    from mlflow import MlflowClient  # takes seconds; only commands that need it pay

    uri = tracking_uri(settings)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def version_of(settings: Settings, alias: str) -> str | None:
    """The registered version that carries an alias; None where there is none (or no such model yet)."""
    from mlflow.exceptions import MlflowException  # takes seconds; only commands that need it pay

    try:
        return str(client(settings).get_model_version_by_alias(settings.tracking.model_name, alias).version)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise ServingError(f"MLflow at {tracking_uri(settings)} does not answer: {error.message}") from error


def fetch(settings: Settings, version: str) -> Bundle:
    """The bundle of a registered version, copied to `home` once and proven by its probe.

    Raises:
        ServingError: there is no such version, or its artifacts cannot be read.
    """
    from mlflow.exceptions import MlflowException  # takes seconds; only commands that need it pay

    name = settings.tracking.model_name
    try:
        found = client(settings).get_model_version(name, version)
        folder = settings.home_dir / "bundles" / f"{name}-{found.run_id}"
        if not (folder / "bundle.json").exists():
            _download(settings, found.run_id, folder)
    except MlflowException as error:
        raise ServingError(f"model {name} version {version} cannot be fetched: {error}") from error
    return load(folder)


def resolve(settings: Settings, wanted: str | None) -> str | None:
    """A version number from an alias or number; without one, the champion, else the challenger, else None."""
    if wanted is None:
        return version_of(settings, CHAMPION) or version_of(settings, CHALLENGER)
    if wanted.isdigit():
        return wanted
    found = version_of(settings, wanted.removeprefix("@"))
    if found is None:
        raise ServingError(
            f"no version of {settings.tracking.model_name} is @{wanted.removeprefix('@')}; train or promote one"
        )
    return found


def _download(settings: Settings, run_id: str, folder: Path) -> None:
    from mlflow.artifacts import download_artifacts  # takes seconds; only commands that need it pay

    folder.parent.mkdir(parents=True, exist_ok=True)
    fetched = Path(download_artifacts(f"runs:/{run_id}/bundle", tracking_uri=tracking_uri(settings)))
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    partial.mkdir()
    for file in ("model.txt", "bundle.json"):
        (partial / file).write_bytes((fetched / file).read_bytes())
    partial.rename(folder)
