"""A model for use in Python: `avtar_ros.load(...)` gives one.

    import avtar_ros
    model = avtar_ros.load("avtar-demo")
    maps = model.predict("office.jpg", focal_px=585)
    maps.depth, maps.segmentation, maps.normals, maps.edges, maps.points(), maps.picture()
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from avtar_ros.engines.engine import Engine, EngineOptions
from avtar_ros.engines.opening import open_engine
from avtar_ros.errors import AvtarError
from avtar_ros.model_card import ModelCard
from avtar_ros.perception import Frame, MapSize, Perception, check_image
from avtar_ros.predict.lens import Lens, LensOptions, exif_lens
from avtar_ros.predict.picture_files import read_picture
from avtar_ros.predict.predicted_maps import PredictedMaps
from avtar_ros.resources import find_model

Picture = str | Path | NDArray[np.uint8]
"""A picture's file, or its pixels: RGB uint8 (H, W, 3)."""
T = TypeVar("T", bound=Picture)


class Model(AbstractContextManager["Model"]):
    """A loaded model. `card` says what it knows; safe to use from several threads, which take turns."""

    def __init__(self, engine: Engine, tasks: Sequence[str] | None = None, map_size: MapSize = "camera") -> None:
        self._engine = engine
        self._perception = Perception(engine, tasks, map_size)
        self._turn = threading.Lock()

    @property
    def card(self) -> ModelCard:
        """What the model says of itself: tasks, classes, depth range, training data, figures, licence."""
        return self._engine.card

    @property
    def tasks(self) -> tuple[str, ...]:
        """What it computes."""
        return self._perception.tasks

    @property
    def runs_on(self) -> str:
        """What computes it, in words."""
        return self._engine.description

    @overload
    def predict(
        self, source: Picture, *, focal_px: float | None = None, fov_deg: float | None = None
    ) -> PredictedMaps: ...

    @overload
    def predict(
        self, source: list[T] | tuple[T, ...], *, focal_px: float | None = None, fov_deg: float | None = None
    ) -> list[PredictedMaps]: ...

    @overload
    def predict(
        self, source: Iterator[T], *, focal_px: float | None = None, fov_deg: float | None = None
    ) -> Iterator[PredictedMaps]: ...

    def predict(
        self, source: Any, *, focal_px: float | None = None, fov_deg: float | None = None
    ) -> PredictedMaps | list[PredictedMaps] | Iterator[PredictedMaps]:
        """The maps of a picture's file or array; of a list of them, a list; of a generator, one after another.

        Arrays are RGB uint8 (H, W, 3); OpenCV's are BGR, image[..., ::-1] turns them. For depth in metres say
        `focal_px`, the camera's fx at the width of the images, or `fov_deg`, its horizontal field of view; else the
        EXIF data of files are asked, else a camera as the model was trained for is assumed: `maps.lens` tells. Raises
        AvtarError for what is not a picture.
        """
        options = LensOptions(focal_px, fov_deg)
        if isinstance(source, (list, tuple)):
            return [self._predict(one, options, f"image {index}") for index, one in enumerate(source)]
        if isinstance(source, Iterator):
            return (self._predict(one, options, f"image {index}") for index, one in enumerate(source))
        return self._predict(source, options, "image")

    def predict_image(
        self, image: NDArray[np.uint8], options: LensOptions, recorded: Lens | None = None, name: str = "image"
    ) -> PredictedMaps:
        """The maps of one image, RGB uint8 (H, W, 3), taken through the lens `recorded` where the options say none."""
        check_image(image)
        height, width = image.shape[:2]
        lens = options.lens(width, height, recorded, self.card)
        with self._turn:
            (maps,) = self._perception([Frame(image, 0, focal_px=lens.focal_px)])
        return PredictedMaps(image, maps, self.card, lens, name)

    def _predict(self, source: Any, options: LensOptions, name: str) -> PredictedMaps:
        if isinstance(source, (str, Path)):
            image = read_picture(Path(source))
            return self.predict_image(image, options, exif_lens(Path(source), *image.shape[1::-1]), str(source))
        if not isinstance(source, np.ndarray) and hasattr(source, "__array_interface__"):  # Pillow's images, say
            source = np.asarray(source)
        try:
            return self.predict_image(source, options, None, name)
        except AvtarError as error:
            raise AvtarError(f"{name}: {error}") from None

    def close(self) -> None:
        """Free what the model holds; it cannot be used afterwards."""
        self._engine.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<model {self.card.name}: {', '.join(self.tasks)}; {self.runs_on}>"


def load(
    model: str | Path | None = None,
    *,
    tasks: Sequence[str] | None = None,
    map_size: MapSize = "camera",
    threads: int = 0,
) -> Model:
    """Load a model: an .onnx or .engine file, or the name of one that ships; the demo model where none is given.

    `tasks` chooses among its tasks (default: all), `map_size` whether maps come at the images' size ("camera") or the
    "model"'s own, `threads` on how many of the CPU's cores (0: all). Raises AvtarError with what to do next.
    """
    engine = open_engine(find_model(model), EngineOptions(threads=threads))
    try:
        return Model(engine, tasks, map_size)
    except AvtarError:
        engine.close()
        raise
