"""What every executable of this package does around its nodes: start, spin, and stop in the right order.

A first SIGINT or SIGTERM lets the node finish what it does and close: threads first, then the engine, then
ROS. Another that comes at once is the same wish, told by a launch file and by the terminal; a later one ends the
process at once.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from avtar_ros.errors import AvtarError
from avtar_ros.memory import keep_freed_memory
from avtar_ros.ros.child_process import ENDS_WITH_INPUT
from avtar_ros.ros.edges import Edge
from avtar_ros.terminal.command_line import show
from avtar_ros.terminal.names import printable_lines

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE_S = 10.0
"""How long a node may take to end when nobody is there any more to wait for it."""
SAME_WISH_S = 2.0
"""For so long after the first signal, others mean the same."""
MOST_AT_ONCE = 4096
"""Signals."""


class RunnableNode(Protocol):
    """A ROS node that `run` can run."""

    def start(self, end: Callable[[int], None]) -> None:
        """Begin; `end` ends the process with an exit code, from any thread. Raises AvtarError."""

    def close(self) -> None:
        """Stop threads and release what the node holds."""

    def destroy_node(self) -> None: ...

    def get_logger(self) -> Any: ...

    @property
    def edge(self) -> Edge:
        """Where errors of its callbacks end."""


def run(*create: Callable[[], RunnableNode]) -> int:
    """Run the nodes that `create` makes until a signal or the end of one; returns the exit code.

    A node may give to those behind it, so it is started after them and closed before them.
    """
    keep_freed_memory()
    try:
        # rclpy's own handlers would pull ROS from under a node that still publishes.
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:
        return _fail(f"bad ROS arguments: {error}")
    nodes: list[RunnableNode] = []
    ending = Ending()
    ending.obey()  # before there are nodes: who sees one may end it
    try:
        try:
            nodes.extend(make() for make in create)  # those before one that fails are kept, closed and destroyed
        except AvtarError as error:
            return _fail(str(error))
        return _spin(nodes, ending)
    except AvtarError as error:
        nodes[-1].get_logger().fatal(printable_lines(str(error)))
        return 1
    finally:
        ending.end(0)  # what is told from now on must not wake an executor that has been shut down
        # The nodes' threads end while what they give to the executor is still taken. Then nothing is waited for: a
        # callback that awaits something, as a service during which a model is loaded, would never go on.
        for node in nodes:
            node.close()
        ending.executor.shutdown(timeout_sec=0)
        for node in nodes:
            node.destroy_node()
        rclpy.shutdown()
        _ignore_signals()


class Ending:
    """An executor and the exit code with which it is to end, told from any thread: only the first one counts."""

    def __init__(self) -> None:
        self.executor = SingleThreadedExecutor()
        self.exit_code: int | None = None
        self._telling = threading.Lock()

    def end(self, exit_code: int) -> None:
        with self._telling:
            if self.exit_code is None:
                self.exit_code = exit_code
                self.executor.create_task(lambda: None)

    def obey(self) -> None:
        """End by a signal, or with standard input where whoever started this process asks for that."""
        _on_signals(self.end)
        if os.environ.pop(ENDS_WITH_INPUT, ""):
            threading.Thread(target=_end_with_input, args=(self.end,), name="input", daemon=True).start()


def _spin(nodes: Sequence[Any], ending: Ending) -> int:
    """Start the nodes and serve their callbacks until the end; returns the exit code."""
    for node in reversed(nodes):
        node.start(ending.end)
        ending.executor.add_node(node)
    while ending.exit_code is None:
        with nodes[-1].edge.contained("a callback"):
            ending.executor.spin_once()
    return ending.exit_code


def _on_signals(end: Callable[[int], None]) -> None:
    """Call `end` on the first signal and leave on the next that is no repetition of it.

    A handler does not run while the main thread waits inside the executor, but the wake-up descriptor is
    written to at once, whichever thread of whichever library the signal hits.
    """
    receiver, sender = socket.socketpair()
    sender.setblocking(False)

    def wait() -> None:
        with receiver, sender:
            receiver.recv(MOST_AT_ONCE)
            end(0)
            first_s = time.monotonic()
            while time.monotonic() - first_s < SAME_WISH_S:
                number = receiver.recv(MOST_AT_ONCE)[-1]  # all that came: one by one, it would lag behind
            os._exit(128 + number)

    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(sender.fileno())
    threading.Thread(target=wait, name="signals", daemon=True).start()


def _ignore_signals() -> None:
    """For the very end: Python gives its handlers up before the process is gone, and the same wish would kill it."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _end_with_input(end: Callable[[int], None]) -> None:
    """Call `end` when standard input ends, and leave where that takes too long."""
    while os.read(0, 1024):
        pass
    end(0)
    time.sleep(GRACE_S)
    os._exit(1)


def _fail(reason: str) -> int:
    show(reason, file=sys.stderr)
    return 1
