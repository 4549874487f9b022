"""What a serving process opens when it starts, and closes when it ends."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from features.config import load
from retention import house
from retention.reasons.causes import Vocabulary
from serving.api import Context, Facts, ModelHolder, open_context
from serving.api.access import secret_of
from serving.api.balance import balance
from serving.api.context import utc_now
from serving.api.follower import Follower
from serving.api.follower import command as child
from serving.api.together import Together
from serving.delivery import check_secrets, delivering, read_targets
from serving.environ import BUNDLE, limits_of, workers_of
from serving.errors import ServingError
from serving.policy import load as load_policy
from serving.store import open_store
from serving.store.address import store_url


@contextmanager
def opened(config: Path) -> Iterator[Context]:
    """Everything a request may use, from the configuration: store, policy, secret, and the model that is followed.

    With KEEPWELL_BUNDLE, a bundle's folder, that model is served and MLflow is not asked.

    Raises:
        SourceError, RetentionError, ServingError: the configuration, retention.toml, the policy, the store or the
            bundle cannot be used.
    """
    settings = load(config)
    workers = workers_of(os.environ)
    policy = load_policy(settings.policy_file)
    facts = Facts(settings.company.name, settings.company.business_model, settings.tracking.model_name)
    models, causes = ModelHolder(policy.bands), Vocabulary(house.load(settings.retention_file).causes)
    with ExitStack() as stack:
        store = open_store(store_url(settings))
        stack.callback(store.close)
        together = stack.enter_context(closing(Together(settings.home_dir, workers))) if workers > 1 else None
        counts = together.connections() if together else None
        if counts:
            balance(counts)
        folder = os.environ.get(BUNDLE)
        if folder is None:
            stack.enter_context(Follower(models, child(config), utc_now, together=together))
        elif not models.offer(Path(folder), None, at=utc_now()):
            raise ServingError(f"{BUNDLE}: {models.refused}")
        elif together:
            together.tell_ready()
        targets = read_targets(settings.delivery, settings.root)
        check_secrets(targets.values(), os.environ)
        stack.enter_context(delivering(store, targets))
        secret, limits = secret_of(settings.home_dir), limits_of(os.environ)
        opening = open_context(
            store, models, policy, facts, secret=secret, causes=causes, limits=limits, together=together
        )
        yield stack.enter_context(opening)
