"""avtar-predict: the maps of a picture, a video, a recording or a camera, in one command."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from avtar_ros.disk.outputs import check_file
from avtar_ros.errors import AvtarError
from avtar_ros.predict.inputs import Input, Shot, open_input
from avtar_ros.predict.lens import LensOptions, add_lens
from avtar_ros.predict.model import Model, load
from avtar_ros.predict.outputs import FORMATS, Folder, Video
from avtar_ros.predict.points import is_ply
from avtar_ros.predict.predicted_maps import PredictedMaps
from avtar_ros.predict.summary import sentence, summary
from avtar_ros.predict.viewer import Viewer
from avtar_ros.predict.viewing import open_viewer
from avtar_ros.tasks import DEPTH, TASKS
from avtar_ros.terminal.command_line import DONE, FAILED, Command, Program, positive, positive_int, show
from avtar_ros.terminal.names import printable
from avtar_ros.terminal.progress import Progress

OUT = Path("predicted")
DESCRIPTION = """\
Make maps of pictures, videos, recordings or a camera: what is where, how far away, which way surfaces face, and edges.

  avtar-predict office.jpg                     maps, and a picture of them, into the folder "predicted"
  avtar-predict photos/ clip.mp4               every picture of a folder; a video with its maps beside it
  avtar-predict 0 --show                       a webcam, live: in a window, or on a page for the browser
  avtar-predict rtsp://user:secret@cam/stream  a camera in the network, until Ctrl-C
  avtar-predict drive.mcap --topic /front/image_raw --every 10
  curl -s https://.../photo.jpg | avtar-predict -

For depth in metres the camera's focal length must be known: pictures of phones tell it (EXIF), bags too (CameraInfo);
else give --fov or --focal-px."""
EPILOG = """\
written: OUT/NAME.png (all maps side by side), OUT/NAME/TASK.png and .npy; of a video OUT/NAME.mp4, maps if asked for
  .npy  segmentation: class ids; depth: metres; normals: unit vectors, x right, y down, z forward; edges: probability
  .png  the same as integers: class ids; millimetres; 127.5 (n + 1); 255 e"""


@dataclass
class Tally:
    """What has been done so far."""

    images: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.images / self.seconds if self.seconds else 0.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sources", nargs="+", metavar="SOURCE",
        help="a picture, a folder of pictures, a video, a bag, a webcam's number or /dev/video path, an rtsp:// or "
        "http:// address, or - for a picture on standard input",
    )
    parser.add_argument("--model", help="an .onnx or .engine file, or a shipped model's name (default: the demo model)")
    parser.add_argument("--out", type=Path, help=f"folder for the results (default: {OUT}; none with --show)")
    parser.add_argument("--show", action="store_true", help="look at it live: a window, or else a page for the browser")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each image")
    parser.add_argument("--tasks", type=_tasks, metavar="A,B", help=f"of {', '.join(TASKS)} (default: all it has)")
    parser.add_argument(
        "--maps", type=_formats, metavar="png,npy",
        help="kinds of files of maps, or none (default: both of pictures, none of videos)",
    )
    parser.add_argument("--points", type=Path, metavar="FILE.ply", help="write the pixels as points in space, too")
    parser.add_argument("--every", type=positive_int, default=1, metavar="N", help="take every N-th image only")
    parser.add_argument("--duration", type=positive, metavar="S", help="stop after S seconds of it")
    parser.add_argument("--topic", help="a bag's camera topic (default: the colour camera found)")
    add_lens(parser, "the camera")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="CPU threads (default: one a core)")


def _tasks(text: str) -> tuple[str, ...]:
    return _some_of(text, tuple(TASKS), "task")


def _formats(text: str) -> tuple[str, ...]:
    return () if text == "none" else _some_of(text, FORMATS, "kind of file")


def _some_of(text: str, known: Sequence[str], what: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is no {what}; there are {', '.join(known)}")
    return names


def run(options: argparse.Namespace, command: str) -> int:
    """Work through all sources; returns the exit code. Raises AvtarError, OSError."""
    lens = LensOptions(options.focal_px, options.fov)
    tally = Tally()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        sources = [stack.enter_context(open_input(source, options.topic)) for source in options.sources]
        model = stack.enter_context(load(options.model, tasks=options.tasks, threads=options.threads))
        if options.points and DEPTH.name not in model.tasks:
            raise AvtarError(f"--points needs depth; computed are {', '.join(model.tasks)}.")
        viewer = stack.enter_context(open_viewer(any(s.moving for s in sources))) if options.show else None
        if viewer is not None:
            _say(f"Look at {viewer.where}", options)
        paths = [path for source in sources for path in source.paths]
        folder = Folder(options.out or OUT, paths) if options.out or not options.show else None
        if folder is not None:
            stack.enter_context(folder)
        work = Work(model, lens, folder, viewer, options, tally)
        try:
            for source in sources:
                work.on(source)
            if viewer is not None and not work.closed:
                viewer.wait()
        except KeyboardInterrupt:
            if not work.may_be_stopped:
                raise
    for fault in tally.faults:
        show(f"avtar-predict: {fault}", file=sys.stderr)
    return FAILED if tally.faults or not tally.images else DONE


def _say(text: str, options: argparse.Namespace) -> None:
    """To people: beside JSON on standard error."""
    Progress.remark(text, file=sys.stderr if options.json else sys.stdout)


@dataclass
class Work:
    """What is done with every image of every source."""

    model: Model
    lens: LensOptions
    folder: Folder | None
    viewer: Viewer | None
    options: argparse.Namespace
    tally: Tally
    closed: bool = False
    """Whether the person has closed the view."""
    may_be_stopped: bool = False
    """Whether Ctrl-C is the way to end what is going on now."""

    def on(self, source: Input) -> None:
        """Work through a source. Raises AvtarError."""
        self.may_be_stopped = source.live
        name = self.folder.free_name(source.name, source.origin) if self.folder and source.moving else source.name
        begin, images = time.perf_counter(), self.tally.images
        total = None if source.count is None else -(-source.count // self.options.every)
        depth = DepthScale()
        try:
            with ExitStack() as stack:
                video = None
                if self.folder and source.moving:
                    rate = source.rate_hz / self.options.every if source.rate_hz else None
                    video = stack.enter_context(Video(self.folder, name, rate))
                bar = stack.enter_context(Progress(total=total, unit="image", desc=name, disable=None, leave=False))
                for shot in self._shots(source):
                    maps = self.model.predict_image(shot.image, self.lens, shot.lens, self._title(source, shot))
                    self.tally.images += 1
                    if self.tally.images == images + 1:
                        self._say_lens(source, maps)
                    self._write(source, name, shot, maps, video, depth)
                    bar.update()
                    if self.viewer is not None and not self.viewer.show(maps):
                        self.closed = True
                        break
        finally:
            seconds = time.perf_counter() - begin
            self.tally.seconds += seconds
            self.tally.faults += source.faults
        self._say_end(source, name, self.tally.images - images, seconds)
        self.may_be_stopped = self.viewer is not None

    def _shots(self, source: Input) -> Iterator[Shot]:
        limit_s = self.options.duration
        begin = time.monotonic()
        for shot in source.shots(self.options.every):
            if limit_s is not None and source.moving and shot.seconds > limit_s:
                return
            yield shot
            if self.closed or (limit_s is not None and source.live and time.monotonic() - begin > limit_s):
                return

    def _title(self, source: Input, shot: Shot) -> str:
        return f"{source.name}, {shot.seconds:.2f} s" if source.moving else shot.name

    def _write(
        self, source: Input, name: str, shot: Shot, maps: PredictedMaps, video: Video | None, depth: DepthScale
    ) -> None:
        """Everything that was asked for of one image."""
        figures = summary(maps) if self.options.json or not source.moving else {}
        stem = name if source.moving or not self.folder else self.folder.free_name(shot.name, shot.origin)
        written = ""
        if self.folder is not None:
            formats = self.options.maps if self.options.maps is not None else (() if source.moving else FORMATS)
            if formats:
                self.folder.write_maps(f"{stem}/{shot.name}" if source.moving else stem, maps, formats)
            if video is not None:
                video.write(maps.picture(None, *depth.range_of(maps)), shot.seconds)
            else:
                written = f" → {self.folder.write_sheet(stem, maps)}"
        if self.options.points:
            path = self._points_path(source, stem, shot)
            check_file(path, source.paths, is_ply)
            maps.points().write_ply(path)
        if self.options.json:
            time_s = {"time_s": round(shot.seconds, 3)} if source.moving else {}
            show(json.dumps({"image": maps.name, **time_s, **figures}), flush=True)
        elif not source.moving:
            _say(f"{printable(maps.name)}: {sentence(figures)}{written}", self.options)

    def _points_path(self, source: Input, stem: str, shot: Shot) -> Path:
        """The file for points: that asked for, or with the image's name where there are several."""
        path: Path = self.options.points
        if len(self.options.sources) == 1 and source.count == 1:
            return path
        return path.with_name(f"{path.stem}-{stem}{f'-{shot.name}' if source.moving else ''}{path.suffix}")

    def _say_lens(self, source: Input, maps: PredictedMaps) -> None:
        """Once a source, where depth rests on an assumption."""
        if DEPTH.name in maps and not maps.lens.known:
            show(
                f"avtar-predict: {printable(maps.name)}: the camera's focal length is not known; {maps.lens.origin}. "
                "Say --fov or --focal-px for depth in metres.",
                file=sys.stderr,
            )

    def _say_end(self, source: Input, name: str, images: int, seconds: float) -> None:
        missed = f", {source.missed} left out to keep up" if source.missed else ""
        rate = f", {images / seconds:.1f} a second" if images > 1 else ""
        written = f" → {self.folder.path / name}.mp4" if self.folder and source.moving else ""
        if source.moving or images > 1:
            _say(f"{printable(source.name)}: {images} images{rate}{missed}{written}", self.options)


class DepthScale:
    """The range that a video's depth colours are spread over: it grows with what is seen, and never jumps back."""

    def __init__(self) -> None:
        self._near, self._far = float("inf"), 0.0

    def range_of(self, maps: PredictedMaps) -> tuple[float | None, float | None]:
        if DEPTH.name not in maps:
            return None, None
        near, far = maps.depth_range()
        self._near, self._far = min(self._near, near), max(self._far, far)
        return self._near, self._far


PROGRAM = Program(
    name="avtar-predict",
    description=DESCRIPTION,
    commands={},
    usual=Command("make maps of pictures", DESCRIPTION, add_arguments, run, EPILOG),
    epilog=EPILOG,
    kept="what was finished is kept",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return PROGRAM.main(argv)


if __name__ == "__main__":
    sys.exit(main())
