"""The report, opened in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from avtar_ros.model_card import ModelCard
from avtar_ros.perception import Frame
from avtar_ros.replay.judging.judge import Judge
from avtar_ros.replay.report.results import Run
from avtar_ros.tasks import TASKS
from tests.browser import EXECUTABLE, Browser
from tests.tiny_bags import image, stamps, truth
from tests.tiny_models import CLASSES, DEPTH

AFFINITY = ((0.95, 0.68, 0.12, 0.82), (0.71, 0.91, 0.40, 0.86), (0.66, 0.59, 0.93, 0.93), (0.43, 0.41, 0.26, 0.98))


@pytest.fixture
def card() -> ModelCard:
    return ModelCard(
        "tiny <b>model</b>", tuple(TASKS), 64, 48, CLASSES, DEPTH, affinity=AFFINITY, licence="Apache-2.0",
        metrics={"segmentation.miou": 0.61}, training_data="rooms", provenance={"command": "avtar-train fit"},
    )


def run_of(card: ModelCard, frames: int = 8, with_truth: bool = True, notes: tuple[str, ...] = ()) -> Run:
    judge = Judge(card)
    for i, stamp in enumerate(stamps(frames)):
        judge.add(Frame(image(i), stamp), truth(i), truth(i + 1) if with_truth else {}, (10 + i) * 1_000_000)
    return Run(
        kind="Replay", title="kitchen & hall", judge=judge, counts={"frames": frames}, seconds=2.0,
        latency_title="From here to there.", notes=notes, provenance={"Command": "avtar-replay kitchen.mcap"},
    )


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if EXECUTABLE is None:
        pytest.skip("no Chromium here to open the report in: apt-get install chromium")
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def texts(browser: Browser, selector: str) -> list[str]:
    found = browser.evaluate(f"[...document.querySelectorAll({selector!r})].map(e => e.innerText)")
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_shows_everything_without_a_complaint_or_a_request(
    browser: Browser, tmp_path: Path, card: ModelCard, width: int, dark: bool
) -> None:
    run_of(card, notes=("The bag broke.",)).write(tmp_path)
    browser.open(tmp_path / "report.html", width, dark=dark)

    assert browser.complaints() == []
    assert browser.requests() == [(tmp_path / "report.html").as_uri()]
    assert browser.evaluate("document.title") == "kitchen & hall · Replay"
    assert texts(browser, ".note") == ["The bag broke."]
    assert "8" in texts(browser, "#summary dd")
    assert texts(browser, ".frame:first-of-type figcaption") == ["Image", *(task.title for task in TASKS.values())]
    assert texts(browser, "#legend li") == [c.name for c in CLASSES]
    assert texts(browser, "#affinity tbody tr:first-child td") == ["0.95", "0.68", "0.12", "0.82"]
    assert len(texts(browser, "#metrics tbody tr")) == 19
    assert browser.evaluate("document.querySelectorAll('svg .bar').length") > 3
    assert "avtar-replay kitchen.mcap" in texts(browser, "#provenance td")


@pytest.mark.parametrize("width", [390, 1280])
def test_all_pictures_are_seen_and_nothing_is_wider_than_the_window(
    browser: Browser, tmp_path: Path, card: ModelCard, width: int
) -> None:
    run_of(card).write(tmp_path)
    browser.open(tmp_path / "report.html", width)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    broken = (
        "[...document.images].filter(i => !i.complete || !i.naturalWidth || "
        "(i.clientWidth < 80 && getComputedStyle(i).display != 'none')).length"
    )
    seen = "[...document.querySelectorAll('#frames img')].filter(i => i.clientWidth).length"
    assert browser.evaluate(seen) == 5 * (5 + 4)
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.evaluate(broken) == 0


def test_colours_of_depth_fit_the_recording_until_the_models_range_is_asked_for(
    browser: Browser, tmp_path: Path, card: ModelCard
) -> None:
    """In the recording it is 1 to 4 m far, and the tiny model's range is 0.1 to 20 m."""
    run_of(card).write(tmp_path)
    browser.open(tmp_path / "report.html", 390)

    def ends() -> list[str]:
        shown = "[...document.querySelectorAll('.ramp-ends')].filter(e => e.clientWidth).map(e => e.innerText)"
        (found,) = browser.evaluate(shown)
        return [found.split()[0], found.split()[-2]]

    fitted, of_model = [1.0, 4.0], [DEPTH.min_m, DEPTH.max_m]
    assert [float(end) for end in ends()] == pytest.approx(fitted, abs=0.15)
    visible = "[...document.querySelectorAll('#frames img')].filter(i => i.clientWidth).map(i => i.src)"
    before = browser.evaluate(visible)
    browser.evaluate("document.querySelector('#whole-range').click(), 0")
    assert [float(end) for end in ends()] == of_model
    after = browser.evaluate(visible)
    assert len(after) == len(before) and sum(a != b for a, b in zip(after, before, strict=True)) == 2 * 5


def test_what_is_printed_is_dark_on_white_whatever_the_screen_is(
    browser: Browser, tmp_path: Path, card: ModelCard
) -> None:
    run_of(card).write(tmp_path)
    browser.open(tmp_path / "report.html", dark=True)
    brightness = (
        "[getComputedStyle(document.querySelector('h1')).color, "
        "getComputedStyle(document.querySelector('.surface')).backgroundColor]"
        ".map(c => Math.max(...c.match(/[0-9]+/g).map(Number)))"
    )
    text, surface = browser.evaluate(brightness)
    assert text > 200 and surface < 60
    scheme = {"name": "prefers-color-scheme", "value": "dark"}
    browser.call("Emulation.setEmulatedMedia", media="print", features=[scheme])
    text, surface = browser.evaluate(brightness)
    browser.call("Emulation.setEmulatedMedia", media="")
    assert text < 60 and surface > 200


def test_tables_need_no_scrolling_on_a_laptop(browser: Browser, tmp_path: Path, card: ModelCard) -> None:
    run_of(card).write(tmp_path)
    browser.open(tmp_path / "report.html", 1280)
    tables = "[...document.querySelectorAll('.scroll')]"
    assert browser.evaluate(f"{tables}.filter(e => e.scrollWidth > e.clientWidth).length") == 0


def test_the_slider_uncovers_one_picture_and_covers_the_other(
    browser: Browser, tmp_path: Path, card: ModelCard
) -> None:
    run_of(card).write(tmp_path)
    browser.open(tmp_path / "report.html")
    clip = "getComputedStyle(document.querySelector('.slide img + img')).clipPath"
    assert "50%" in browser.evaluate(clip)
    # Where the pointer presses, the slider goes.
    browser.evaluate("document.querySelector('.slide input').scrollIntoView({block: 'center'}), 0")
    box = browser.evaluate(
        "(r => [r.x, r.y, r.width, r.height])(document.querySelector('.slide input').getBoundingClientRect())"
    )
    x, y = box[0] + 0.9 * box[2], box[1] + box[3] / 2
    for kind in ("mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
    at = int(browser.evaluate("document.querySelector('.slide input').value"))
    assert 85 <= at <= 95
    assert f"{at}%" in browser.evaluate(clip)
    assert browser.complaints() == []


def test_breakdowns_timelines_and_the_worst_frames_are_there(browser: Browser, tmp_path: Path, card: ModelCard) -> None:
    run_of(card).write(tmp_path)
    browser.open(tmp_path / "report.html")
    assert texts(browser, "#breakdown thead th:first-child") == ["True distance", "Class"]
    assert texts(browser, "#breakdown tbody th") == ["0–2 m", "2–5 m", "grey", "light"]
    assert len(texts(browser, "#without-truth tbody tr")) == 9
    # Each task's first figure has a line and its two worst frames marked.
    assert browser.evaluate("document.querySelectorAll('#timelines svg').length") == 4
    assert browser.evaluate("document.querySelectorAll('#timelines .worst').length") == 8


def test_light_and_dark_follow_the_reader(browser: Browser, tmp_path: Path, card: ModelCard) -> None:
    run_of(card).write(tmp_path)
    page = tmp_path / "report.html"
    colors = []
    for dark in (False, True):
        browser.open(page, dark=dark)
        colors.append(browser.evaluate(
            "['backgroundColor', 'color'].map(p => getComputedStyle(document.body)[p].match(/\\d+/g).map(Number))"
        ))
    (light_page, light_text), (dark_page, dark_text) = colors
    assert np.mean(light_page) - np.mean(light_text) > 150
    assert np.mean(dark_text) - np.mean(dark_page) > 150


def test_without_truth_it_says_so(browser: Browser, tmp_path: Path, card: ModelCard) -> None:
    run_of(card, with_truth=False).write(tmp_path)
    browser.open(tmp_path / "report.html")
    assert "no ground truth" in texts(browser, "#metrics")[0]
    assert browser.evaluate("document.querySelectorAll('.truth').length") == 0


def test_a_run_of_no_frames_and_a_card_with_one_task_can_be_shown(browser: Browser, tmp_path: Path) -> None:
    run_of(ModelCard("edges only", ("edges",), 64, 48), frames=0).write(tmp_path)
    browser.open(tmp_path / "report.html")
    assert browser.complaints() == []
    assert "No frame" in texts(browser, "#frames")[0]


def test_texts_from_outside_are_escaped(browser: Browser, tmp_path: Path, card: ModelCard) -> None:
    run_of(card, notes=("<script>console.log('in')</script>",)).write(tmp_path)
    browser.open(tmp_path / "report.html")
    assert browser.complaints() == []
    assert "tiny <b>model</b>" in texts(browser, "#model td")
