"""The live page in a real browser: what it shows, what its sliders do, and whom it answers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest

import avtar_ros
from avtar_ros.predict.page import Page
from tests import tiny_bags
from tests.browser import EXECUTABLE, Browser
from tests.tiny_models import write_tiny_model

TASKS = ["image", "segmentation", "depth", "normals", "edges"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[avtar_ros.Model]:
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    write_tiny_model(path)
    with avtar_ros.load(path) as model:
        yield model


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if EXECUTABLE is None:
        pytest.skip("no Chromium here: install chromium")
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def page() -> Iterator[Page]:
    with Page(moving=True) as page:
        yield page


def until(browser: Browser, expression: str) -> Any:
    """The value of a JavaScript expression, once it is true."""
    deadline = time.monotonic() + 30
    while not (value := browser.evaluate(expression)):
        assert time.monotonic() < deadline, expression
        time.sleep(0.05)
    return value


def loaded(number: int) -> str:
    """A JavaScript expression: whether all pictures of image `number` are there."""
    return (
        "(() => { const all = [...document.querySelectorAll('#maps img')];"
        " return all.length === 5 && all.every(i => i.complete && i.naturalWidth)"
        f" && all.every(i => i.src.includes('/{number}/')); }})()"
    )


def slide(browser: Browser, name: str, value: float) -> None:
    browser.evaluate(
        f"(() => {{ const s = document.getElementById('{name}'); s.value = {value};"
        " s.dispatchEvent(new Event('input')); })()"
    )


def get(page: Page, path: str, host: str | None = None) -> tuple[int, str, bytes]:
    """Status, type and content of what the page's server answers."""
    address = urlsplit(page.url)
    connection = HTTPConnection(str(address.hostname), address.port, timeout=30)
    connection.request("GET", path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    return answer.status, answer.headers["Content-Type"], answer.read()


def test_maps_appear_and_follow_without_reloading(browser: Browser, page: Page, model: avtar_ros.Model) -> None:
    browser.open(page.url)
    assert browser.evaluate("document.getElementById('name').textContent").startswith("Waiting")
    page.show(model.predict(tiny_bags.image(0)))
    until(browser, loaded(1))
    titles = "[...document.querySelectorAll('figcaption b')].map(b => b.textContent)"
    assert browser.evaluate(titles) == ["Image", "Segmentation", "Depth", "Surface normals", "Edges"]
    legend = "[...document.querySelectorAll('#legend li')].map(l => l.textContent)"
    assert browser.evaluate(legend) == ["dark", "grey", "light"]
    page.show(model.predict(tiny_bags.image(5)))
    until(browser, loaded(2))
    assert [c for c in browser.complaints() if "ERR_ABORTED" not in c] == []
    assert {urlsplit(url).hostname for url in browser.requests()} == {"127.0.0.1"}


def test_a_pause_keeps_the_image_and_goes_on_afterwards(browser: Browser, page: Page, model: avtar_ros.Model) -> None:
    page.show(model.predict(tiny_bags.image(0)))
    browser.open(page.url)
    until(browser, loaded(1))
    browser.evaluate("document.getElementById('pause').click()")
    page.show(model.predict(tiny_bags.image(1)))
    until(browser, "state.newest === 2")
    assert browser.evaluate(loaded(1))
    browser.evaluate("document.getElementById('pause').click()")
    until(browser, loaded(2))


def test_sliders_change_the_pictures(browser: Browser, page: Page, model: avtar_ros.Model) -> None:
    page.show(model.predict(tiny_bags.image(0)))
    browser.open(page.url)
    until(browser, loaded(1))
    source = "document.querySelector('img[data-task={}]').src"
    for slider, value, task, setting in (
        ("opacity", 1, "segmentation", "opacity=1"), ("threshold", 0.5, "edges", "threshold=0.5"),
        ("far", 500, "depth", "far="), ("near", 300, "depth", "near="),
    ):
        slide(browser, slider, value)
        until(browser, f"{source.format(task)}.includes('{setting}')")
    shown = browser.evaluate("document.getElementById('far').nextElementSibling.value")
    assert shown == f"{0.5 * (10 / 0.5) ** 0.5:.2f} m"
    browser.evaluate("document.getElementById('fit').click()")
    until(browser, f"!{source.format('depth')}.includes('far=')")


def test_values_under_the_pointer_are_those_of_the_maps(browser: Browser, page: Page, model: avtar_ros.Model) -> None:
    maps = model.predict(np.full((48, 64, 3), 100, np.uint8))
    page.show(maps)
    browser.open(page.url)
    until(browser, loaded(1))
    place = browser.evaluate(
        "(() => { const b = document.querySelector('img[data-task=depth]').getBoundingClientRect();"
        " return [b.left + b.width / 2, b.top + b.height / 2]; })()"
    )
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=place[0], y=place[1])
    values = until(
        browser,
        "(() => { const all = [...document.querySelectorAll('figcaption span')].map(s => s.textContent);"
        " return all[2] && all; })()",
    )
    assert values[1] == maps.classes[maps.segmentation[24, 32]]
    assert values[2] == f"{maps.depth[24, 32]:.2f} m"


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1280, True)])
def test_it_fits_a_phone_and_a_laptop(
    browser: Browser, page: Page, model: avtar_ros.Model, width: int, dark: bool
) -> None:
    page.show(model.predict(tiny_bags.image(0, 640, 480)))
    browser.open(page.url, width=width, dark=dark)
    until(browser, loaded(1))
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_still_pictures_can_be_chosen_again(browser: Browser, model: avtar_ros.Model, tmp_path: Path) -> None:
    with Page(moving=False) as page:
        for name, seed in (("office", 1), ("kitchen", 2)):
            cv2.imwrite(str(tmp_path / f"{name}.png"), tiny_bags.image(seed))
            page.show(model.predict(tmp_path / f"{name}.png"))
        browser.open(page.url)
        until(browser, loaded(1))
        browser.evaluate(
            "(() => { const s = document.getElementById('images'); s.value = 2;"
            " s.dispatchEvent(new Event('change')); })()"
        )
        until(browser, loaded(2))
        assert browser.evaluate("document.getElementById('name').textContent").endswith("kitchen.png")


def test_the_server_answers_nobody_without_the_secret(page: Page, model: avtar_ros.Model) -> None:
    page.show(model.predict(tiny_bags.image(0)))
    secret = urlsplit(page.url).path
    assert get(page, secret)[:2] == (200, "text/html; charset=utf-8")
    assert get(page, secret + "map/1/depth")[:2] == (200, "image/jpeg")
    assert get(page, "/")[0] == get(page, "/guess/")[0] == get(page, "/guess/state")[0] == 404
    assert get(page, secret, host="evil.example")[0] == 404  # a name of the web's that leads to this machine


@pytest.mark.parametrize(
    "path",
    [
        "map/9/depth", "map/1/smell", "map/x/depth", "value/1/", "nonesuch", "map/1/depth?near=5&far=1",
        "map/1/depth?far=x",
    ],
)
def test_what_is_not_there_is_404(page: Page, model: avtar_ros.Model, path: str) -> None:
    page.show(model.predict(tiny_bags.image(0)))
    assert get(page, urlsplit(page.url).path + path)[0] == 404


def test_the_sheet_can_be_saved(page: Page, model: avtar_ros.Model) -> None:
    page.show(model.predict(tiny_bags.image(0)))
    status, kind, content = get(page, urlsplit(page.url).path + "sheet/1")
    assert (status, kind) == (200, "image/png")
    assert cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) is not None


def test_it_listens_on_the_loopback_interface_alone(page: Page) -> None:
    assert page._server.server_address[0] == "127.0.0.1"
    assert json.loads(get(page, urlsplit(page.url).path + "state?after=-1")[2]) == {"newest": 0, "images": []}
