"""Conditions under which a comparison fails, for continuous integration: "depth.rmse_m > 1.05x"."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from avtar_ros.errors import AvtarError

_FORM = re.compile(r"\s*([\w.]+)\s*(<=|>=|<|>)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*(x?)\s*")
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}


@dataclass(frozen=True)
class Condition:
    """A figure's key, how it is compared, and with what: a number, or so many times the baseline's figure."""

    text: str
    key: str
    comparison: str
    limit: float
    relative: bool

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Raises AvtarError if `text` is not a condition."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise AvtarError(
                f"{text!r} is not a condition. Write a figure's key, <, <=, > or >=, and a number, which with an x "
                "after it counts in the baseline's figure: 'depth.rmse_m > 1.05x'."
            )
        key, comparison, limit, relative = found.groups()
        try:
            return cls(text, key, comparison, float(limit), bool(relative))
        except ValueError as error:
            raise AvtarError(f"{text!r}: {limit} is not a number.") from error

    def holds(self, baseline: Mapping[str, float], candidate: Mapping[str, float]) -> bool:
        """Whether it holds for the candidate's figures; raises AvtarError if there is no such figure."""
        for figures in (candidate, baseline) if self.relative else (candidate,):
            if self.key not in figures:
                raise AvtarError(f"{self.text!r}: there is no figure {self.key}. There are: {', '.join(figures)}.")
        limit = self.limit * baseline[self.key] if self.relative else self.limit
        return _OPERATORS[self.comparison](candidate[self.key], limit)
