"""Four aligned maps from each camera image: segmentation, depth, surface normals, edges.

    import avtar_ros
    model = avtar_ros.load("avtar-demo")
    maps = model.predict("office.jpg", focal_px=585)
    maps.depth, maps.segmentation, maps.normals, maps.edges, maps.points(), maps.picture()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from avtar_ros.version import VERSION

if TYPE_CHECKING:
    from avtar_ros.errors import AvtarError
    from avtar_ros.predict.lens import Lens
    from avtar_ros.predict.model import Model, load
    from avtar_ros.predict.points import Points
    from avtar_ros.predict.predicted_maps import PredictedMaps

__all__ = ["AvtarError", "Lens", "Model", "Points", "PredictedMaps", "load"]
__version__ = VERSION

_HOMES = {
    "AvtarError": "errors", "Lens": "predict.lens", "Model": "predict.model", "Points": "predict.points",
    "PredictedMaps": "predict.predicted_maps", "load": "predict.model",
}


def __getattr__(name: str) -> Any:
    """What the package offers, loaded when it is first used: importing the package itself takes milliseconds."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"avtar_ros.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
