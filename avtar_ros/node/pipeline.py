"""From image messages to published maps: frames are prepared, inferred and published beside one another."""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from avtar_ros.engines.engine import Pending
from avtar_ros.geometry.lens import Lens
from avtar_ros.imaging.images import ImageError, RgbImage, is_compressed, to_rgb
from avtar_ros.imaging.native_output import native_output
from avtar_ros.node.frame_maps import FrameMaps
from avtar_ros.node.frame_slots import FrameSlots
from avtar_ros.node.rate_limit import RateLimit
from avtar_ros.node.statistics import FrameTimes, NodeStatistics
from avtar_ros.perception import Frame, Perception
from avtar_ros.tasks import DEPTH, Maps
from avtar_ros.terminal.names import printable

if TYPE_CHECKING:
    from avtar_ros.node.camera import NodeCamera
    from avtar_ros.node.parameters import NodeParameters

THROTTLE_S = 5.0
FRAMES_WITHOUT_INFO = 10
"""After how many frames without CameraInfo that is said."""
RECENT = 8
"""How many inferences tell how long one takes."""
LEAD_NS = 2_000_000
"""How much sooner than it should be needed the next frame is taken, beside the time that it takes to prepare."""


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
class Begun:
    """Frames whose inference has begun, and when they were ready for it."""

    jobs: list[Job]
    pending: Pending
    prepared_ns: int


@dataclass(frozen=True)
class Batch:
    """Frames that have been inferred together: when they were ready, when it was their turn, and when it was done."""

    jobs: list[Job]
    outputs: Maps
    prepared_ns: int
    turn_ns: int
    inferred_ns: int


class Pipeline:
    """Takes the newest frame of every camera, infers them as one batch, and publishes what is subscribed to.

    Three threads, each busy with another batch: one takes and prepares frames and begins their inference, one waits for
    the maps, one publishes them. Frames go on at once where nothing is before them, and never wait for another to come.
    While a batch is inferred the next frames are taken as late as will do, so that they are the newest (`_await_turn`).
    `perception`, `settings` and the outputs of cameras may be replaced between frames, see `between_frames`. Whatever
    goes wrong with a frame is counted and logged, and the next frame is served.
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
        self._thread = threading.Thread(target=self._run, name="preparing")
        self._collector = ThreadPoolExecutor(1, "inference")
        self._publisher = ThreadPoolExecutor(1, "publishing")
        self._before_last = self._last = self._published = self._publisher.submit(lambda: None)
        """Of the batches begun, and of those given to the publisher."""
        self._inferring_ns = deque[int](maxlen=RECENT)
        self._preparing_ns = self._begun_ns = self._free_ns = 0
        """How long preparing the newest batch took, when it was begun, and when the one before it was done."""
        self._told: set[tuple[str, str]] = set()
        self._failures = 0

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
            self._last.result()
            self._published.result()
            yield

    def stop(self) -> None:
        """Finish the frames in work and end; those that still wait are dropped."""
        for camera in self._slots.close():
            self._statistics.count(camera, "dropped")
        self._thread.join()
        self._collector.shutdown()
        self._publisher.shutdown()

    def _run(self) -> None:
        while self._slots.wait():
            self._await_turn()
            with self._serving:
                self._process(self._slots.take(self.perception.engine.largest_batch))

    def _await_turn(self) -> None:
        """Wait while frames that are taken would only grow old: as long as two batches are under way, and then until
        there is just the time to prepare the next one, should this be inferred as fast as any of late."""
        self._before_last.result()
        turn_ns = max(self._begun_ns, self._free_ns)
        due_ns = turn_ns + min(self._inferring_ns, default=0) - 2 * self._preparing_ns - LEAD_NS
        wait([self._last], max(0, due_ns - time.monotonic_ns()) / 1e9)

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
                self._begin(jobs)
                for job in jobs:
                    del outcomes[job.camera.name]
        for camera, outcome in outcomes.items():
            self._statistics.count(camera, outcome)

    def _begin(self, jobs: list[Job]) -> None:
        """Prepare frames and begin their inference."""
        images = self.perception.prepare([job.frame for job in jobs])
        self._begun_ns = time.monotonic_ns()
        self._preparing_ns = self._begun_ns - jobs[0].taken_ns
        begun = Begun(jobs, self.perception.engine.begin(images), self._begun_ns)
        self._before_last, self._last = self._last, self._collector.submit(self._collect, begun)

    def _collect(self, begun: Begun) -> None:
        """Wait for the maps and give them to the publisher, once that is done with what came before."""
        turn_ns = max(begun.prepared_ns, self._free_ns)
        lost = list(begun.jobs)
        with self._contained("inference"):
            outputs = begun.pending()
            batch = Batch(begun.jobs, outputs, begun.prepared_ns, turn_ns, time.monotonic_ns())
            self._published.result()
            self._published = self._publisher.submit(self._publish, batch)
            lost.clear()
        for job in lost:
            self._statistics.count(job.camera.name, "failed")
        self._free_ns = time.monotonic_ns()
        self._inferring_ns.append(self._free_ns - turn_ns)

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
            told = printable(f"{camera.name}: malformed image: {error}")
            self._logger.warning(told, throttle_duration_sec=THROTTLE_S)
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
            self._logger.warning(printable(f"{camera}: {'; '.join(said)}"), throttle_duration_sec=THROTTLE_S)
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
                topic = job.camera.source.camera_info_topic
                self._logger.warning(printable(f"{job.camera.name}: {topic}: {note}"))
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
        wait=job.taken_ns - job.arrival.arrived_ns + batch.turn_ns - batch.prepared_ns,
        preprocess=batch.prepared_ns - job.taken_ns,
        engine=batch.inferred_ns - batch.turn_ns,
        publish=published_ns - batch.inferred_ns,
        node=published_ns - job.arrival.arrived_ns,
        total=job.arrival.age_ns + published_ns - job.arrival.arrived_ns,
    )
