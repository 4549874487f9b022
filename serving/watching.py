"""Decision records held against the reports of a company's store."""

from datetime import datetime

from features.config import Settings
from serving.batch import opened_store
from serving.delivery import read_targets
from serving.recording import Actor, watch
from serving.store.kept_records import Version


def watch_now(settings: Settings, at: datetime) -> list[Version]:
    """Hold every running record against the kept reports: the versions that follow, their events on the way."""
    targets = read_targets(settings.delivery, settings.root)
    with opened_store(settings) as store, store.write() as db:
        return watch(db, targets, Actor(by="watch", at=at))
