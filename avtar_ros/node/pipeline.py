"""From image messages to published maps: one thread infers, another publishes what was inferred before."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from avtar_ros.geometry.lens import Lens
from avtar_ros.images import ImageError, RgbImage, is_compressed, to_rgb
from avtar_ros.native_output import native_output
from avtar_ros.node.frame_maps import FrameMaps
from avtar_ros.node.frame_slots import FrameSlots
from avtar_ros.node.rate_limit import RateLimit
from avtar_ros.node.statistics import FrameTimes, NodeStatistics
from avtar_ros.perception import Frame, Perception
from avtar_ros.tasks import DEPTH, Maps

if TYPE_CHECKING:
    from avtar_ros.node.camera import NodeCamera
    from avtar_ros.node.parameters import NodeParameters

THROTTLE_S = 5.0
FRAMES_WITHOUT_INFO = 10
"""After how many frames without CameraInfo that is said."""


@dataclass(frozen=True)
class Arrival:
    """An image message, how old it was when it came, and when that was on the monotonic clock.

    Its age is 0 where it cannot be known: with use_sim_time before the first /clock.
    """

    message: Any
    age_ns: int
    arrived_ns: int


@dataclass(frozen=True)
class Job:
    """A frame to infer for the subscribers of `wanted` topics."""

    camera: NodeCamera
    arrival: Arrival
    taken_ns: int
    frame: Frame
    lens: Lens
    wanted: set[str]


@dataclass(frozen=True)
class Batch:
    """Frames that have been inferred together, and when they were ready for it and done."""

    jobs: list[Job]
    outputs: Maps
    prepared_ns: int
    inferred_ns: int


class Pipeline:
    """Takes the newest frame of every camera, infers them as one batch, and publishes what is subscribed to.

    Maps are published while the next frames are inferred; those of one batch at most wait for that. Where the next
    frames have come already, they are prepared first: of Python only one thread runs at a time, and the engine is not
    to wait for publishing. `perception`, `settings` and the outputs of cameras may be replaced between frames, see
    `between_frames`. Whatever goes wrong with a frame is counted and logged, and the next frame is served.
    """

    def __init__(
        self,
        perception: Perception,
        cameras: Mapping[str, NodeCamera],
        statistics: NodeStatistics,
        settings: NodeParameters,
        logger: Any,
    ) -> None:
        self.perception = perception
        self._cameras = cameras
        self._statistics = statistics
        self.settings = settings
        self._logger = logger
        self._slots = FrameSlots[Arrival]()
        self._limits = {camera: RateLimit() for camera in cameras}
        self._serving = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="inference")
        self._publisher = ThreadPoolExecutor(1, "publishing")
        self._published = self._publisher.submit(lambda: None)
        self._told: set[tuple[str, str]] = set()
        self._failures = 0
        self._inferred: Batch | None = None
        """Not yet given to the publisher."""

    def start(self) -> None:
        self.announce()
        self._thread.start()

    def announce(self) -> None:
        """Publish what is said once of the model, as to be done again when it is replaced."""
        for camera in self._cameras.values():
            camera.outputs.announce(self.perception.engine.card)

    def put(self, camera: str, arrival: Arrival) -> None:
        """Let an image wait for its turn, in place of an older one of the same camera."""
        self._statistics.receive(camera, arrival.age_ns)
        most = self.settings.for_camera(self.settings.max_rate, camera)
        if not self._limits[camera].allows(arrival.arrived_ns, most):
            self._statistics.count(camera, "over_rate")
        elif self._slots.put(camera, arrival):
            self._statistics.count(camera, "dropped")

    @contextmanager
    def between_frames(self) -> Iterator[None]:
        """A context in which no frame is in work."""
        with self._serving:
            self._publish_inferred()
            self._published.result()
            yield

    def stop(self) -> None:
        """Finish the frames in work and end; those that still wait are dropped."""
        for camera in self._slots.close():
            self._statistics.count(camera, "dropped")
        self._thread.join()
        self._publish_inferred()
        self._publisher.shutdown()

    def _run(self) -> None:
        while self._slots.wait():
            with self._serving:
                self._process(self._slots.take(self.perception.engine.largest_batch))
                if not self._slots.occupied:
                    self._publish_inferred()

    def _process(self, arrivals: Mapping[str, Arrival]) -> None:
        """Serve the frames that have arrived, and count what became of each that is not to be published."""
        outcomes = dict.fromkeys(arrivals, "failed")
        jobs = []
        for name, arrival in arrivals.items():
            with self._contained(f"a frame of {name}"):
                outcome = self._decode(self._cameras[name], arrival)
                if isinstance(outcome, Job):
                    jobs.append(outcome)
                else:
                    outcomes[name] = outcome
        if jobs:
            with self._contained("the frames"):
                self._infer(jobs)
                for job in jobs:
                    del outcomes[job.camera.name]
        for camera, outcome in outcomes.items():
            self._statistics.count(camera, outcome)

    def _infer(self, jobs: list[Job]) -> None:
        """Infer frames while the maps of those before are published."""
        images = self.perception.prepare([job.frame for job in jobs])
        self._publish_inferred()
        prepared_ns = time.monotonic_ns()
        outputs = self.perception.engine.infer(images)
        self._inferred = Batch(jobs, outputs, prepared_ns, time.monotonic_ns())

    def _publish_inferred(self) -> None:
        """Give what has been inferred to the publisher's thread, once that is done with what came before."""
        if self._inferred is not None:
            self._published.result()
            self._published = self._publisher.submit(self._publish, self._inferred)
            self._inferred = None

    @contextmanager
    def _contained(self, what: str) -> Iterator[None]:
        """The edge of the threads: one bad frame must end neither them nor the frames of other cameras."""
        try:
            yield
        except Exception:  # noqa: BLE001, logged here and counted as failed
            self._failures += 1
            self._logger.error(f"{what} failed:\n{traceback.format_exc()}", throttle_duration_sec=THROTTLE_S)

    def _decode(self, camera: NodeCamera, arrival: Arrival) -> Job | str:
        """The frame in a message, or the count it falls under instead."""
        taken_ns = time.monotonic_ns()
        wanted = camera.outputs.wanted()
        if not wanted:
            return "unwanted"
        max_age_ns = self.settings.max_age * 1e9
        if 0 < max_age_ns < arrival.age_ns + taken_ns - arrival.arrived_ns:
            return "too_old"
        try:
            image = self._image(camera.name, arrival.message)
        except ImageError as error:
            self._logger.warning(f"{camera.name}: malformed image: {error}", throttle_duration_sec=THROTTLE_S)
            return "malformed"
        header = arrival.message.header
        height, width = image.shape[:2]
        lens = camera.lens(width, height, self.settings.rectified)
        frame = Frame(image, stamp_ns(header), header.frame_id, lens.focal_px)
        return Job(camera, arrival, taken_ns, frame, lens, wanted)

    def _image(self, camera: str, message: Any) -> RgbImage:
        """The image in a message; what libraries complain of while they decode it is throttled as our own words are."""
        if not is_compressed(message):
            return to_rgb(message)
        with native_output() as said:
            image = to_rgb(message)
        if said:
            self._logger.warning(f"{camera}: {'; '.join(said)}", throttle_duration_sec=THROTTLE_S)
        return image

    def _publish(self, batch: Batch) -> None:
        """Publish the maps of a batch of frames; runs in the publisher's thread."""
        for index, job in enumerate(batch.jobs):
            outcome = "failed"
            with self._contained(f"a frame of {job.camera.name}"):
                self._warn_of_lens(job)
                of_frame = {task: maps[index] for task, maps in batch.outputs.items()}
                maps = FrameMaps(job.frame, of_frame, self.perception, job.lens, self.settings)
                header, failures = job.arrival.message.header, self._failures
                published = job.camera.outputs.publish(job.wanted, maps, header, self._contained)
                if published or self._failures == failures:
                    self._statistics.add_times(_times(job, batch, time.monotonic_ns()))
                    outcome = "published"
            self._statistics.count(job.camera.name, outcome)

    def _warn_of_lens(self, job: Job) -> None:
        """Once a camera: what is odd about its CameraInfo; or that depth is not metric if none comes, though late."""
        for note in job.lens.notes:
            if (job.camera.name, note) not in self._told:
                self._told.add((job.camera.name, note))
                self._logger.warning(f"{job.camera.name}: {job.camera.source.camera_info_topic}: {note}")
        unscaled = job.frame.focal_px is None and DEPTH.name in self.perception.tasks
        if unscaled and self._statistics.counts[job.camera.name].published == FRAMES_WITHOUT_INFO:
            self._logger.warning(
                f"{job.camera.name}: no calibrated CameraInfo on {job.camera.source.camera_info_topic}: "
                "depth is right only for a camera with the focal length that the model was trained for."
            )


def stamp_ns(header: Any) -> int:
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def _times(job: Job, batch: Batch, published_ns: int) -> FrameTimes:
    return FrameTimes(
        transport=job.arrival.age_ns,
        wait=job.taken_ns - job.arrival.arrived_ns,
        preprocess=batch.prepared_ns - job.taken_ns,
        engine=batch.inferred_ns - batch.prepared_ns,
        publish=published_ns - batch.inferred_ns,
        node=published_ns - job.arrival.arrived_ns,
        total=job.arrival.age_ns + published_ns - job.arrival.arrived_ns,
    )
