"""From a configuration to the post-mortem of a loss, and what a person found out about it."""

from datetime import datetime

from features.config import Settings
from retention import house
from retention.inputs import Inputs
from retention.reasons import losses, patterns, traces
from retention.reasons.causes import Vocabulary
from retention.reasons.postmortem import PostMortem, of_account
from retention.report import Tell
from serving.batch import opened_store
from serving.delivery.loop import utc_now
from serving.finding import find
from serving.measuring import inputs_of
from serving.telling import Teller


def postmortem(settings: Settings, account: str, as_of: datetime | None, tell: Tell) -> PostMortem:
    """The post-mortem of an account's last loss.

    Raises:
        RetentionError: the account was not lost.
    """
    with inputs_of(settings, as_of, tell) as inputs:
        return _of(inputs, account)


def name_cause(
    settings: Settings, account: str, cause: str, as_of: datetime | None, tell: Tell, *, note: str | None
) -> PostMortem:
    """Keep the cause that a person found; the post-mortem with it.

    Raises:
        RetentionError: the account was not lost, or there is no such cause.
    """
    words = Vocabulary(house.load(settings.retention_file).causes)
    words.named(cause)  # before anything is read
    before = postmortem(settings, account, as_of, tell)
    with opened_store(settings) as store, store.write() as db:
        find(db, words, account, cause, Teller(now=utc_now(), at=before.as_of), note=note)
    return postmortem(settings, account, as_of, tell)


def _of(inputs: Inputs, account: str) -> PostMortem:
    words = Vocabulary(inputs.house.causes)
    traces.make(inputs)
    every = losses.read(inputs, words)
    found = patterns.patterns(inputs, losses.lately(inputs, every), words)
    return of_account(inputs, account, every, words, found)
