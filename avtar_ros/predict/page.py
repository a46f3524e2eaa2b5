"""A page with live maps and sliders, for this machine's browser: served on the loopback interface alone.

The address has a secret in it, so that other users of the machine and pages of the web cannot look.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import cv2
import numpy as np
from numpy.typing import NDArray

from avtar_ros import rendering
from avtar_ros.errors import AvtarError
from avtar_ros.predict.outputs import png
from avtar_ros.predict.predicted_maps import PredictedMaps
from avtar_ros.predict.summary import sentence, summary
from avtar_ros.predict.viewer import Viewer
from avtar_ros.tasks import DEPTH, EDGES, SEGMENTATION, TASKS

LOOPBACK = "127.0.0.1"
SIZE = (800, 600)
"""The most that pictures on the page are wide and high."""
KEPT = 24
"""How many still pictures can be looked at again."""
LONGEST_WAIT_S = 10.0
"""How long a question for news is left open."""
IMAGE = "image"


class Page(Viewer):
    """A web server of one page; see `Viewer`. `url` is its address."""

    def __init__(self, moving: bool) -> None:
        self._kept = 1 if moving else KEPT
        self._moving = moving
        self._shown: OrderedDict[int, PredictedMaps] = OrderedDict()
        self._times: list[float] = []
        self._changed = threading.Condition()
        self._ended = False
        secret = secrets.token_urlsafe(16)
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _handler(self._answer, secret))
        self._server.daemon_threads = True
        self.url = f"http://{LOOPBACK}:{self._server.server_port}/{secret}/"
        self.where = f"{self.url}  (Ctrl-C ends it)"
        self._thread = threading.Thread(target=self._server.serve_forever, name="page", daemon=True)
        self._thread.start()

    def show(self, maps: PredictedMaps) -> bool:
        small = maps.fitted(*SIZE)
        with self._changed:
            self._shown[next(reversed(self._shown), 0) + 1] = small
            while len(self._shown) > self._kept:
                self._shown.popitem(last=False)
            self._times = [*self._times[-20:], time.monotonic()]
            self._changed.notify_all()
        return True

    def wait(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        threading.Event().wait()  # the person ends it with Ctrl-C

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, path: str, query: Mapping[str, str]) -> tuple[str, bytes]:
        """Type and content of what is at `path` below the secret; raises KeyError if nothing is."""
        if path == "":
            return "text/html; charset=utf-8", files("avtar_ros.predict").joinpath("page.html").read_bytes()
        if path == "state":
            return "application/json", json.dumps(self._state(int(query.get("after", 0)))).encode()
        kind, _, rest = path.partition("/")
        number, _, what = rest.partition("/")
        maps = self._shown[int(number)]
        if kind == "map":
            return "image/jpeg", _jpeg(_colored(maps, what, query))
        if kind == "value":
            return "application/json", json.dumps(_values(maps, float(query["x"]), float(query["y"]))).encode()
        if kind == "sheet":
            near, far = (_number(query, name) for name in ("near", "far"))
            return "image/png", png(maps.picture(near_m=near, far_m=far))
        raise KeyError(path)

    def _state(self, after: int) -> dict[str, Any]:
        """What there is to see, once there is something newer than image `after`, or after a while."""
        with self._changed:
            self._changed.wait_for(lambda: next(reversed(self._shown), 0) > after, LONGEST_WAIT_S)
            shown, times = list(self._shown.items()), self._times
        if not shown:
            return {"newest": 0, "images": []}
        newest = shown[-1][1]
        near, far = newest.depth_range() if DEPTH.name in newest else (0.0, 0.0)
        limits = newest.card.depth
        span = times[-1] - times[0]
        return {
            "newest": shown[-1][0],
            "moving": self._moving,
            "ended": self._ended,
            "rate": (len(times) - 1) / span if span > 0 else None,
            "images": [{"number": number, "name": maps.name} for number, maps in shown],
            "tasks": [{"name": task, "title": TASKS[task].title, "unit": TASKS[task].unit} for task in newest],
            "classes": [{"name": c.name, "color": c.color} for c in newest.card.classes],
            "depth": {"near": near, "far": far, "least": limits.min_m, "most": limits.max_m} if limits else None,
            "lens": newest.lens.origin,
            "lens_known": newest.lens.known,
            "says": sentence(summary(newest)),
        }


def _colored(maps: PredictedMaps, what: str, query: Mapping[str, str]) -> NDArray[np.uint8]:
    """A map in colours as the sliders say, or the image itself; raises KeyError if there is none of that name."""
    if what == IMAGE:
        return maps.image
    if what == SEGMENTATION.name:
        colors = SEGMENTATION.colorize(maps[what], maps.card)
        return rendering.overlay(maps.image, colors, _number(query, "opacity", 0.6))
    if what == EDGES.name:
        shown = np.where(maps[what] >= _number(query, "threshold", 0.0), maps[what], np.float32(0))
        return EDGES.colorize(shown, maps.card)
    if what == DEPTH.name:
        return maps.colors(what, _number(query, "near"), _number(query, "far"))
    return TASKS[what].colorize(maps[what], maps.card)


def _values(maps: PredictedMaps, x: float, y: float) -> dict[str, str]:
    """What the maps say at a place, given as shares of width and height."""
    height, width = maps.image.shape[:2]
    at = min(max(int(y * height), 0), height - 1), min(max(int(x * width), 0), width - 1)
    return {task: TASKS[task].words.at(task_map[at], maps.card) for task, task_map in maps.items()}


def _number(query: Mapping[str, str], name: str, otherwise: Any = None) -> Any:
    return float(query[name]) if name in query else otherwise


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


Answer = Callable[[str, Mapping[str, str]], tuple[str, bytes]]


def _handler(answer: Answer, secret: str) -> type[BaseHTTPRequestHandler]:
    """A handler of requests that have the secret in their address and were sent to this machine by name."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            _, given, path = (*address.path.split("/", 2), "", "")[:3]
            host = self.headers.get("Host", "").partition(":")[0]
            if host not in (LOOPBACK, "localhost") or not secrets.compare_digest(given.encode(), secret.encode()):
                self._send(HTTPStatus.NOT_FOUND, "text/plain", b"nothing here\n")
                return
            try:
                kind, content = answer(path, dict(parse_qsl(address.query)))
            except (KeyError, ValueError, AvtarError) as error:
                self._send(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", f"{error}\n".encode())
                return
            self._send(HTTPStatus.OK, kind, content)

        def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
            try:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Cache-Control", "no-store")
                self.send_header("Content-Security-Policy", "default-src 'self' 'unsafe-inline'; img-src 'self' data:")
                self.send_header("Referrer-Policy", "no-referrer")
                self.end_headers()
                self.wfile.write(content)
            except ConnectionError:
                self.close_connection = True  # the page was closed meanwhile

        def log_message(self, *_: object) -> None:
            """Nothing: requests are no news."""

    return Handler
