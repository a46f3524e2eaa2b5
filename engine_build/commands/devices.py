"""avtar-engine devices: list the known devices."""

from __future__ import annotations

import argparse
import dataclasses

from avtar_ros.terminal.command_line import DONE, Command, show
from engine_build.commands.options import add_json, print_json

DESCRIPTION = (
    "List the devices that engines are built for, and mark the one this is."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)


def run(options: argparse.Namespace, command: str) -> int:
    from engine_build.devices import known_devices, user_table
    from engine_build.machine import this_machine

    machine, devices = this_machine(), known_devices().values()
    if options.json:
        listed = [dataclasses.asdict(device) | {"this": device.is_like(machine)} for device in devices]
        print_json({"machine": dataclasses.asdict(machine), "devices": listed})
        return DONE
    show(f"  {'device':15} {'GPU':>5} {'SMs':>4} {'GB':>4} {'GB/s':>6} {'TFLOPS':>7}  FP16, dense")
    for device in devices:
        mark = "*" if device.is_like(machine) else " "
        figures = (device.sm_count, device.memory_gb, device.bandwidth_gb_s, device.fp16_tflops)
        sms, memory, bandwidth, tflops = (f"{figure:g}" if figure else "" for figure in figures)
        show(
            f"{mark} {device.name:15} {device.compute_capability:>5} {sms:>4} {memory:>4} {bandwidth:>6} {tflops:>7}  "
            f"{device.title}"
        )
    show(f"\nThis machine: {machine.name}; GPU: {machine.gpu or 'none'}; TensorRT: {machine.tensorrt or 'none'}.")
    for reason in machine.missing.values():
        show(f"  {reason}")
    show(f"More devices can be described in {user_table()}.")
    return DONE


DEVICES = Command("list the known devices", DESCRIPTION, add_arguments, run)
