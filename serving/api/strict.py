"""JSON as RFC 8259 has it and no more: no NaN, no Infinity, no name twice in an object, no bottomless nesting."""

import json
from typing import Any, NoReturn

from serving.api.problems import Problem


def parse(body: bytes) -> Any:
    """The JSON value of a body.

    Raises:
        Problem: 400, with what is wrong and where.
    """
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_named_once)
    except RecursionError:
        raise Problem("bad-json", "it is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise Problem("bad-json", f"byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise Problem("bad-json", f"{error.msg} at character {error.pos}") from None
    except ValueError as error:  # a number of thousands of digits
        raise Problem("bad-json", str(error).partition(";")[0]) from None


def _refuse(word: str) -> NoReturn:
    raise Problem("bad-json", f"{word} is no number in JSON; leave out or send null what is not known")


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Problem("bad-json", "an object names a member twice")
    return found
