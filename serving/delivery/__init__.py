"""Delivery: events leave the outbox for those who are to be told.

In the order in which an event meets them: `targets` (who is told), `events` (what is told, into the outbox), `turns`
(whose turn it is), `tries` (what each kind of target is sent: `signing`, `slack`, `csv_file`, `adapters`), `guard` and
`sending` (the call), `retry` (what the answer means), `deliver` (one round), `loop` (the service's thread), `desk`
(what a person asks).
"""

from serving.delivery.deliver import Counts, deliver_due
from serving.delivery.desk import Line, forget, listing, ping, replay, target_states
from serving.delivery.events import enqueue, scored_event
from serving.delivery.loop import delivering, run_deliverer
from serving.delivery.signing import sign, verify
from serving.delivery.targets import Target, check_secrets, read_targets
from serving.delivery.tries import Outside

__all__ = [
    "Counts",
    "Line",
    "Outside",
    "Target",
    "check_secrets",
    "deliver_due",
    "delivering",
    "enqueue",
    "forget",
    "listing",
    "ping",
    "read_targets",
    "replay",
    "run_deliverer",
    "scored_event",
    "sign",
    "target_states",
    "verify",
]
