"""Start the service as a process of its own."""

import os
import sys
from pathlib import Path
from subprocess import STDOUT, Popen

from features.config import load
from serving.environ import CONFIG, WORKERS, limits_of, usual_workers

HOST, PORT = "127.0.0.1", 3000
QUIET = {"BENTOML_DO_NOT_TRACK": "True", "OTEL_SDK_DISABLED": "true"}


def command(config: Path, host: str = HOST, port: int = PORT) -> tuple[list[str], dict[str, str]]:
    """What starts the service, and in which environment.

    `usual_workers` processes serve, unless KEEPWELL_WORKERS says how many.

    Args:
        config: the company.
        host: the address to listen on.
        port: the port to listen on.

    Raises:
        SourceError, RetentionError, ServingError: the configuration, policy, retention.toml or secret cannot be used.
    """
    from retention import house
    from serving.api.access import secret_of
    from serving.policy import load as load_policy

    settings = load(config)
    load_policy(settings.policy_file)
    house.load(settings.retention_file)
    secret_of(settings.home_dir)
    limits_of(os.environ)
    words = ["serve", "serving.service:Keepwell", "--host", host, "--port", str(port)]
    environ = {WORKERS: str(usual_workers()), **os.environ, **QUIET, CONFIG: str(config.resolve())}
    return [sys.executable, "-m", "bentoml", *words], environ


def serve(config: Path, host: str = HOST, port: int = PORT, log: Path | None = None) -> "Popen[bytes]":
    """Start the service; stop it with `terminate()`, and it ends what it started.

    Args:
        config: the company.
        host: the address to listen on.
        port: the port to listen on.
        log: a file to append its log to; by default it goes where ours goes.

    Raises:
        SourceError, RetentionError, ServingError: as `command`.
    """
    words, environ = command(config, host, port)
    if log is None:
        return Popen(words, env=environ)
    with log.open("ab") as file:
        return Popen(words, env=environ, stdout=file, stderr=STDOUT)
