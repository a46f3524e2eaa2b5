"""Ways to damage bytes and documents, at random from a seed."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

ODD: list[Any] = [
    None, True, False, 0, -1, 1, 10**30, 10**400, -1e300, 1e300, 5e-324, float("nan"), float("inf"), "", "x" * 10_000,
    "\ud800", "a\x00b", "\x1b[31m", "\u202e", "~no-such-user/x", "../../x", [], {}, [[]], {"": ""}, [None] * 1000,
]


def damaged(rng: random.Random, raw: bytes) -> bytes:
    """The bytes with bits flipped, a part overwritten, left out or doubled, or cut off."""
    data = bytearray(raw)
    if not data:
        return bytes(data)
    for _ in range(rng.choice([1, 1, 2, 10])):
        at, size = rng.randrange(len(data)), rng.choice([1, 4, 50])
        kind = rng.randrange(5)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at : at + size] = bytes(rng.randrange(256) for _ in range(size))
        elif kind == 2:
            del data[at : at + size]
        elif kind == 3:
            data[at:at] = data[at : at + size]
        elif rng.random() < 0.3:
            del data[at:]
        if not data:
            break
    return bytes(data)


def odd_document(rng: random.Random, document: Any) -> Any:
    """A JSON or YAML document with values of other types, keys left out or added, or nested very deeply."""
    changed = copy.deepcopy(document)
    for _ in range(rng.choice([1, 1, 2])):
        container, key = rng.choice(_places(changed))
        kind = rng.randrange(4)
        if kind == 0 and isinstance(container, dict):
            del container[key]
        elif kind == 1 and isinstance(container, dict):
            container[rng.choice(["", "x", "format", "name", "a\nb"])] = _odd(rng)
        else:
            container[key] = _odd(rng)
        if not _places(changed):
            break
    return changed


def _odd(rng: random.Random) -> Any:
    """One of its own: a list or map may itself be changed next."""
    return copy.deepcopy(rng.choice(ODD))


def odd_text(rng: random.Random, document: Any) -> str:
    """The same as text; sometimes one that is no document, or too deep a one."""
    kind = rng.randrange(10)
    if kind == 0:
        return "[" * 100_000 + "]" * 100_000
    if kind == 1:
        return damaged(rng, json.dumps(document).encode()).decode("utf-8", "surrogateescape")
    return json.dumps(odd_document(rng, document))


def _places(document: Any) -> list[tuple[Any, Any]]:
    keys = list(document) if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else []
    return [(document, key) for key in keys] + [place for key in keys for place in _places(document[key])]
