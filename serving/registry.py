"""Reading MLflow's registry: which version is champion or challenger, and its bundle on disk. Writes nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from features.config import Settings
from features.sources.remote import without_secret
from serving.bundle import Bundle, load
from serving.errors import ServingError

CHAMPION, CHALLENGER = "champion", "challenger"


def tracking_uri(settings: Settings) -> str:
    """Where MLflow is: MLFLOW_TRACKING_URI, else `[tracking] uri`, else a SQLite file under `home`."""
    named = os.environ.get("MLFLOW_TRACKING_URI") or settings.tracking.uri
    if named and named.startswith(("postgresql://", "postgres://")):
        return f"postgresql+pg8000://{named.partition('://')[2]}"
    if named:
        return named
    settings.home_dir.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{settings.home_dir / 'mlflow.db'}"


def client(settings: Settings) -> Any:
    """An MLflow client of the configured server or database."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # seconds, not minutes, until a dead server is told
    from mlflow import MlflowClient  # takes seconds; only commands that need it pay

    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    uri = tracking_uri(settings)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@contextmanager
def answering(settings: Settings) -> Iterator[None]:
    """Errors of MLflow, of its database and of the way there become a ServingError that says where it is."""
    from mlflow.exceptions import MlflowException  # takes seconds; only commands that need it pay
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        what = without_secret(str(error)).strip().splitlines()[0][:300]
        raise ServingError(
            f"MLflow at {without_secret(tracking_uri(settings))} failed: {what}. Check that it runs; the address comes "
            "from MLFLOW_TRACKING_URI, else [tracking] uri"
        ) from error


def version_of(settings: Settings, alias: str) -> str | None:
    """The registered version that carries an alias; None where there is none (or no such model yet)."""
    from mlflow.exceptions import MlflowException  # takes seconds; only commands that need it pay

    with answering(settings):
        try:
            return str(client(settings).get_model_version_by_alias(settings.tracking.model_name, alias).version)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise


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
