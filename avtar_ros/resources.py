"""Files that ship beside the code: launch files, configuration, the RViz layout, the demo model."""

from pathlib import Path

from avtar_ros.errors import AvtarError

DEMO_MODEL = "models/avtar-demo.onnx"
DEMO_BAG = "models/demo.mcap"


def find_resource(name: str, beside: Path = Path(__file__)) -> Path:
    """The shipped file or folder `name`, such as "models/avtar-demo.onnx".

    It is looked for with the code that runs, the module `beside`, so that two installations never mix: in
    the checkout, or else in `share/avtar_ros` of the prefix, whether pip made it, colcon or a distribution.
    Raises AvtarError where it is not.
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
