"""Reading MLflow's registry: which version is champion or challenger, and its bundle on disk. Writes nothing.

`python -m serving.registry --config keepwell.toml` follows the champion for a process that must not import MLflow.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

from features.config import Settings
from features.config import load as load_settings
from features.errors import SourceError
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
    return load(fetch_folder(settings, version)[0])


def fetch_folder(settings: Settings, version: str) -> tuple[Path, str]:
    """The folder of a registered version's bundle, copied to `home` once, and the MLflow run that made it.

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
    return folder, str(found.run_id)


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


@dataclass(frozen=True)
class Champion:
    """What the follower tells, a JSON object a line: a version and its folder, that there is none, or an error."""

    version: str | None = None
    folder: str | None = None
    run_id: str | None = None
    error: str | None = None


def follow(settings: Settings, tell: Callable[[Champion], None], *, stop: Event, every_seconds: float = 5.0) -> None:
    """Tell the champion at once, again whenever the alias moves, and errors as they come and go; until `stop`."""
    last: Champion | None = None
    while not stop.is_set():
        found = _champion(settings, last)
        if found != last:
            tell(found)
            last = found
        stop.wait(every_seconds)


def _champion(settings: Settings, last: Champion | None) -> Champion:
    try:
        with answering(settings):
            version = version_of(settings, CHAMPION)
            if version is None or (last and version == last.version):
                return last if version is not None and last else Champion()
            folder, run_id = proven_folder(settings, version)
            return Champion(version, str(folder), run_id)
    except ServingError as error:
        return Champion(error=str(error))


def proven_folder(settings: Settings, version: str) -> tuple[Path, str]:
    """As `fetch_folder`; a copy that is damaged is made again, once.

    Raises:
        ServingError: the bundle is damaged where it is registered too.
    """
    folder, run_id = fetch_folder(settings, version)
    try:
        load(folder)
    except ServingError:
        shutil.rmtree(folder, ignore_errors=True)
        folder, run_id = fetch_folder(settings, version)
        load(folder)
    return folder, run_id


def main(arguments: list[str]) -> int:
    """Follow the champion until standard input ends, which it does when the parent process does."""
    stop = Event()

    def wait() -> None:
        sys.stdin.read()
        stop.set()

    def tell(champion: Champion) -> None:
        sys.stdout.write(json.dumps(asdict(champion)) + "\n")
        sys.stdout.flush()

    try:
        settings = load_settings(Path(arguments[arguments.index("--config") + 1]))
    except (SourceError, ValueError, IndexError) as error:
        tell(Champion(error=f"serving.registry --config FILE: {error}"))
        return 2
    Thread(target=wait, daemon=True).start()
    try:
        follow(settings, tell, stop=stop)
    except BrokenPipeError:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
