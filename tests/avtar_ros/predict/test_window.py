"""A window of OpenCV's: when one can be opened, and how it is closed. A recording of calls stands in for the screen."""

import sys
from collections.abc import Callable

import cv2
import pytest

import avtar_ros
from avtar_ros.predict import viewing, window
from tests import tiny_bags

Build = Callable[[str], None]


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Build:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return lambda gui: monkeypatch.setattr(cv2, "getBuildInformation", lambda: f"\n  GUI:                 {gui}\n")


def test_windows_need_a_screen_and_an_opencv_with_windows(built: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    built("QT5")
    assert not window.can_open_windows()
    monkeypatch.setenv("DISPLAY", ":0")
    assert window.can_open_windows()
    built("NONE")
    assert not window.can_open_windows()


def test_without_windows_there_is_a_page(built: Build) -> None:
    built("NONE")
    with viewing.open_viewer(moving=True) as viewer:
        assert "http://127.0.0.1:" in viewer.where


@pytest.mark.parametrize("closing", [ord("q"), 27, None])
def test_a_key_or_the_button_closes_it(
    monkeypatch: pytest.MonkeyPatch, tiny_model: object, closing: int | None
) -> None:
    shown: list[tuple[int, ...]] = []
    keys = iter([-1, -1, closing if closing else -1])
    visible = iter([1.0, 1.0, 1.0 if closing else 0.0])
    for name, stand_in in {
        "namedWindow": lambda *_: None,
        "destroyAllWindows": lambda: shown.append(()),
        "imshow": lambda _, picture: shown.append(picture.shape),
        "waitKey": lambda _: next(keys),
        "getWindowProperty": lambda *_: next(visible),
    }.items():
        monkeypatch.setattr(cv2, name, stand_in)
    with avtar_ros.load(str(tiny_model)) as model, window.Window() as view:
        maps = model.predict(tiny_bags.image(0))
        assert view.show(maps)
        view.wait()
        assert not view.show(maps)
    assert shown == [maps.picture().shape, ()]
