"""Run a command and print, as JSON, its exit status, CPU seconds and peak resident memory in bytes.

python benchmarks/process_cost.py COMMAND [ARGUMENT ...]

The kernel counts the memory that a process had before it became another program. So whoever has much memory must not
start what is to be measured; this small process does it instead. What the command prints is
thrown away, but for its errors.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys


def main(command: list[str]) -> None:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    cost = {"cpu_s": usage.ru_utime + usage.ru_stime, "peak_rss": 1024 * usage.ru_maxrss}
    print(json.dumps({"status": process.returncode, **cost}))


if __name__ == "__main__":
    main(sys.argv[1:])
