"""Trying deliveries: what is sent to each kind of target, and what its answer means for each delivery."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import TypeVar

from serving.delivery.adapters import ADAPTERS, Record, Refusal
from serving.delivery.csv_file import append, file_of
from serving.delivery.events import envelope, moment, outside
from serving.delivery.retry import GONE, Answer, Verdict, asked_wait, verdict
from serving.delivery.sending import JSON, Request, Send, limits
from serving.delivery.signing import sign
from serving.delivery.slack import slack_body
from serving.delivery.targets import Crm, Csv, HttpTarget, Target, Webhook
from serving.errors import ServingError
from serving.store.outbox import Claim

Built = TypeVar("Built")

STORED = 500
"""Characters of an answer that the delivery log keeps."""

TOO_MUCH = (400, 413, 422)
"""Answers to a batch that one of its records may have caused: its halves are sent instead."""

IN_A_FILE = 500
AT_ONCE = 20


@dataclass(frozen=True)
class Outside:
    """The world as a deliverer sees it: the time (naive UTC), a way to send, and the variables that hold secrets."""

    clock: Callable[[], datetime]
    send: Send
    environ: Mapping[str, str]


@dataclass(frozen=True)
class Result:
    """How one delivery went. `asked`: how long the target wants to be left alone. `is_away`: it did not answer."""

    claim: Claim
    verdict: Verdict
    response: str
    asked: timedelta | None = None
    is_away: bool = False


def batch_size(target: Target) -> int:
    """How many deliveries to claim at once for a target."""
    if isinstance(target, Crm):
        return target.limit or ADAPTERS[target.kind].limit
    return IN_A_FILE if isinstance(target, Csv) else AT_ONCE


def tries(target: Target, claims: Sequence[Claim], world: Outside) -> Iterator[list[Result]]:
    """Send deliveries of one target; after each call what became of those that were in it. Never raises."""
    if isinstance(target, Csv):
        yield from _into_files(target, claims)
    elif isinstance(target, Crm):
        built, spoilt = _built(claims, _record)
        yield from [[result] for result in spoilt]
        if built:
            yield from _in_a_batch(target, built, world)
    elif isinstance(target, HttpTarget):
        for claim in claims:
            yield [_one(target, claim, world)]


def _one(target: HttpTarget, claim: Claim, world: Outside) -> Result:
    messages, spoilt = _built([claim], lambda each: _message(target, each, world))
    return spoilt[0] if spoilt else _answered(claim, target, world.send(messages[0][1]), world)


def _built(claims: Sequence[Claim], build: Callable[[Claim], Built]) -> tuple[list[tuple[Claim, Built]], list[Result]]:
    """What is to be sent of each delivery; those of which nothing can be made are tried again, and told."""
    built, spoilt = [], []
    for claim in claims:
        try:
            built.append((claim, build(claim)))
        except ServingError as error:
            spoilt.append(Result(claim, "retry", f"not sent: {error}"[:STORED], is_away=True))
        except Exception as error:
            spoilt.append(Result(claim, "retry", f"not sent: nothing can be made of it ({type(error).__name__})"))
    return built, spoilt


def _message(target: HttpTarget, claim: Claim, world: Outside) -> Request:
    event = envelope(claim)
    is_signed = isinstance(target, Webhook)
    body = json.dumps(event if is_signed else slack_body(event), allow_nan=False).encode()
    secret, at = target.secret(world.environ), world.clock()
    headers = JSON | (sign(secret, claim.event_id, at, body) if is_signed else {})
    return Request(url=target.address(world.environ), headers=headers, body=body, **limits(target))


def _into_files(target: Csv, claims: Sequence[Claim]) -> Iterator[list[Result]]:
    """One write for each run's file."""
    built, spoilt = _built(claims, envelope)
    yield from [[result] for result in spoilt]
    built.sort(key=lambda pair: pair[0].created_at)
    for at, group in groupby(built, key=lambda pair: pair[0].created_at):
        held = list(group)
        path = file_of(target.folder, target.name, at)
        try:
            append(path, [event for _, event in held])
            yield [Result(claim, "ok", f"in {path.name}") for claim, _ in held]
        except (OSError, ValueError, KeyError) as error:
            told = f"{path.name} not written: {getattr(error, 'strerror', None) or 'it is not the file we wrote'}"
            yield [Result(claim, "retry", told, is_away=True) for claim, _ in held]


def _in_a_batch(target: Crm, held: Sequence[tuple[Claim, Record]], world: Outside) -> Iterator[list[Result]]:
    """One call for all; where the platform refuses it whole, one for each half, down to the record it stumbles on."""
    adapter = ADAPTERS[target.kind]
    try:
        address, token = target.address(world.environ), target.secret(world.environ)
    except ServingError as error:
        yield [Result(claim, "retry", f"not sent: {error}", is_away=True) for claim, _ in held]
        return
    answer = world.send(adapter.request(target, address, token, [record for _, record in held]))
    if answer.status in TOO_MUCH and len(held) > 1:
        yield from _in_a_batch(target, held[: len(held) // 2], world)
        yield from _in_a_batch(target, held[len(held) // 2 :], world)
    elif verdict(answer) == "ok":
        yield _by_record(target, held, answer, token)
    else:
        yield [_answered(claim, target, answer, world) for claim, _ in held]


def _by_record(target: Crm, held: Sequence[tuple[Claim, Record]], answer: Answer, token: str) -> list[Result]:
    """A good answer, account by account; one that cannot be read is no good answer."""
    try:
        refusals = ADAPTERS[target.kind].read(target, answer.body, [record for _, record in held])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        told = f"cannot tell what was taken ({type(error).__name__}): {_told(answer, token)}"[:STORED]
        return [Result(claim, "retry", told, is_away=True) for claim, _ in held]
    return [_of_record(claim, refusal, answer) for (claim, _), refusal in zip(held, refusals, strict=True)]


def _of_record(claim: Claim, refusal: Refusal | None, answer: Answer) -> Result:
    if refusal is None:
        return Result(claim, "ok", str(answer.status))
    return Result(claim, "dead" if refusal.is_final else "retry", f"{answer.status} {refusal.reason}"[:STORED])


def _record(claim: Claim) -> Record:
    """A flat account; one without an id is none."""
    about = outside(claim.body["object"])
    return {"as_of": moment(claim.created_at)} | about | {"external_id": about["external_id"]}


def _answered(claim: Claim, target: HttpTarget, answer: Answer, world: Outside) -> Result:
    found = verdict(answer)
    told = _told(answer, target.secret(world.environ), "" if target.url else target.address(world.environ))
    return Result(
        claim, found, told, asked_wait(answer, world.clock()), is_away=found == "retry" or answer.status == GONE
    )


def _told(answer: Answer, *secrets: str) -> str:
    """What the log keeps of an answer; a receiver that echoes our secrets does not get them in there."""
    body = answer.body
    for secret in filter(None, secrets):
        body = body.replace(secret, "***")
    return f"{'' if answer.status is None else answer.status} {body}".strip()[:STORED]
