"""Shipped files are found from a checkout and from each way of installing."""

from pathlib import Path

import pytest

from avtar_ros.errors import AvtarError
from avtar_ros.resources import find_resource


def make(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_a_checkout_uses_its_own_files(repository: Path) -> None:
    assert find_resource("config/avtar.yaml") == repository / "config" / "avtar.yaml"


@pytest.mark.parametrize(
    "code",
    [
        "lib/python3.12/site-packages",  # a virtual environment, or colcon's install folder
        "local/lib/python3.10/dist-packages",  # pip on Debian and Ubuntu
        "",  # pip install --target
    ],
)
def test_an_installation_uses_the_files_of_its_prefix(tmp_path: Path, code: str) -> None:
    module = make(tmp_path / code / "avtar_ros" / "resources.py")
    model = make(tmp_path / "share" / "avtar_ros" / "models" / "avtar-demo.onnx")
    assert find_resource("models/avtar-demo.onnx", beside=module) == model


def test_a_link_to_the_checkout_uses_the_checkout(tmp_path: Path) -> None:
    module = make(tmp_path / "src" / "avtar_ros" / "resources.py")
    make(tmp_path / "src" / "package.xml")
    config = make(tmp_path / "src" / "config" / "avtar.yaml")
    link = tmp_path / "build" / "avtar_ros"
    link.parent.mkdir()
    link.symlink_to(module.parent)
    assert find_resource("config/avtar.yaml", beside=link / "resources.py") == config


def test_a_missing_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    module = make(tmp_path / "avtar_ros" / "resources.py")
    with pytest.raises(AvtarError, match=r"models/none\.onnx.*Install the package again"):
        find_resource("models/none.onnx", beside=module)
