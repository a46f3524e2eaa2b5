"""What a look at a machine finds: something that is as it should be, or a fault and the line that mends it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How bad it is."""

    OK = 0
    WARN = 1
    """It works, but not as well as it could, or not for everything."""
    ERROR = 2
    """It cannot work."""


@dataclass(frozen=True)
class Finding:
    """One fact; `mend` is what to type or do where it is not OK."""

    subject: str
    level: Level
    text: str
    mend: str = ""

    def lines(self) -> list[str]:
        """For people."""
        mend = [f"{'':<14}{'':<7}mend: {self.mend}"] if self.mend else []
        return [f"{self.subject:<14}{self.level.name.lower():<7}{self.text}", *mend]
