"""What it is to show maps to a person while they are made."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager

from avtar_ros.predict.predicted_maps import PredictedMaps


class Viewer(AbstractContextManager["Viewer"]):
    """Shows maps to a person, who ends it with Ctrl-C or by closing it."""

    where: str
    """Where to look, in words."""

    @abstractmethod
    def show(self, maps: PredictedMaps) -> bool:
        """Show this image's maps next; False where the person has closed the view."""

    @abstractmethod
    def wait(self) -> None:
        """Until the person closes the view."""

    def close(self) -> None:
        """Take the view away."""

    def __exit__(self, *_: object) -> None:
        self.close()
