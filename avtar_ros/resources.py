"""Files that ship beside the code: launch files, configuration, the RViz layout, the demo model."""

from pathlib import Path

from avtar_ros.disk.files import expanded
from avtar_ros.errors import AvtarError

MODELS = "models"
DEMO_MODEL = "models/avtar-demo.onnx"
DEMO_BAG = "models/demo.mcap"


def find_resource(name: str, beside: Path = Path(__file__)) -> Path:
    """The shipped file or folder `name`, such as "models/avtar-demo.onnx".

    It is looked for with the code that runs, the module `beside`, so that two installations never mix: in
    the checkout, or else in `share/avtar_ros` of the prefix, whether pip made it, colcon or a distribution.
    Raises AvtarError if it is not.
    """
    package = beside.resolve().parent
    if (package.parent / "package.xml").is_file():
        roots = [package.parent]
    else:
        roots = [folder / "share" / "avtar_ros" for folder in package.parents]
    for root in roots:
        if (root / name).exists():
            return root / name
    raise AvtarError(
        f"{name}, which ships with avtar_ros, is missing beside the code in {package}. "
        "Install the package again, or build it again with colcon."
    )


def find_model(model: str | Path | None = None) -> Path:
    """A model's file: `model` itself, or the shipped one of that name; the demo model where none is given.

    Raises AvtarError if there is neither, naming those that ship.
    """
    if model is None:
        return find_resource(DEMO_MODEL)
    path = expanded(model)
    if path.exists():
        return path
    shipped = {file.stem: file for file in sorted(find_resource(MODELS).glob("*.onnx"))}
    if str(path.parent) in (".", MODELS) and path.suffix in ("", ".onnx") and path.stem in shipped:
        return shipped[path.stem]
    raise AvtarError(
        f"{path}: no such model. Give an .onnx file made by `avtar-train export`, an .engine file made by "
        f"`avtar-engine build`, or one that ships: {', '.join(shipped)}."
    )
