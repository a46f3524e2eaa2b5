"""Where a public model lies: a local folder, an .onnx file, or the Hugging Face hub; and under which licence it is."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from avtar_ros.documents import NO_YAML
from avtar_ros.terminal.command_line import show
from training.errors import TrainingError

SECONDS = 2.0
"""How long the hub may take to say that it is there."""
NAME = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
FILES = ["*.json", "*.safetensors", "*.txt", "README.md"]
"""What is fetched: weights that need no unpickling, and what describes them."""
UNKNOWN_LICENCE = "licence unknown"
NOT_COMMERCIAL = re.compile(r"\bnc\b|non.?commercial|research|academic", re.IGNORECASE)
UNCLEAR = ("", "other", "unknown", UNKNOWN_LICENCE)


def find_model(model: str) -> Path:
    """The local folder or .onnx file of a model; a name on the hub is fetched, once.

    What looks like a path is never looked for on the hub. Raises TrainingError, in less than three seconds where there
    is no network.
    """
    path = Path(model).expanduser()
    if model.endswith((".onnx", ".engine")):
        if not path.is_file():
            raise TrainingError(f"{model}: no such file of a model.")
        return path
    if path.is_dir():
        return path
    if model.startswith((".", "/", "~")) or not NAME.fullmatch(model) or path.parent.is_dir():
        raise TrainingError(
            f"{model}: no such folder. Give a folder with a model's config.json and safetensors, or a name on the "
            "Hugging Face hub, OWNER/NAME."
        )
    return _fetched(model)


def licence_of(model: str, found: Path | None = None) -> str:
    """The licence that a model's README names; "licence unknown" where it has none.

    Never asks the network: a model that is not here yet has no licence that is known.
    """
    folder = found or _here(model)
    if folder is None or not (folder / "README.md").is_file():
        return UNKNOWN_LICENCE
    parts = (folder / "README.md").read_text(encoding="utf-8", errors="replace").split("---", 2)
    try:
        header = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0].strip() else None
    except NO_YAML:
        header = None
    if not isinstance(header, dict):
        return UNKNOWN_LICENCE
    return str(header.get("license_name") or header.get("license") or UNKNOWN_LICENCE)


def warning_of(name: str, licence: str) -> str:
    """What must be said aloud of a licence; nothing of one that asks for nothing special."""
    if NOT_COMMERCIAL.search(licence):
        return f"WARNING: {name} is licensed {licence}: not for commercial use. Neither is what it teaches."
    if licence.lower() in UNCLEAR or licence.startswith(UNKNOWN_LICENCE):
        return f"WARNING: {name}: {licence or UNKNOWN_LICENCE}. Read its page before you use what it teaches."
    return ""


def _here(model: str) -> Path | None:
    """Where a model lies on this machine, also if it was fetched before."""
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    return _cached(model) if NAME.fullmatch(model) and not model.endswith(".onnx") else None


def _cached(name: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, allow_patterns=FILES, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    return folder if any(folder.glob("*.safetensors")) else None


def _fetched(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    if (here := _cached(name)) is not None:
        return here
    _check_reachable(name)
    try:
        show(f"fetching {name}")
        return Path(snapshot_download(name, allow_patterns=FILES))
    except RepositoryNotFoundError as error:
        raise TrainingError(f"{name}: there is no such model on the Hugging Face hub, or it needs a login.") from error
    except (HfHubHTTPError, OSError) as error:
        raise TrainingError(f"{name}: cannot be fetched from the hub ({error}). {_advice(name)}") from error


def _check_reachable(name: str) -> None:
    """Raises TrainingError if the hub does not answer soon. A name server that is silent takes long: not ours."""
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    if constants.HF_HUB_OFFLINE:
        raise TrainingError(f"{name}: is not on this machine, and HF_HUB_OFFLINE forbids to fetch it. {_advice(name)}")

    def ask() -> None:
        try:
            get_hf_file_metadata(hf_hub_url(name, "config.json"), timeout=SECONDS)
        except HfHubHTTPError as error:
            if error.response is None:
                raise

    failure = _within(ask, SECONDS)
    if failure is not None:
        raise TrainingError(
            f"{name}: is neither a folder here nor can it be fetched: the Hugging Face hub does not answer "
            f"({failure}). {_advice(name)}"
        )


def _within(ask: Callable[[], Any], seconds: float) -> str | None:
    """Why `ask` failed, in words, or that it took too long; None where it did what it should."""
    failures: list[str] = []

    def guarded() -> None:
        try:
            ask()
        except Exception as error:  # noqa: BLE001 - the edge of a thread: handed to the caller in words
            failures.append(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")

    thread = threading.Thread(target=guarded, name="hub", daemon=True)
    thread.start()
    thread.join(seconds + 0.5)
    if thread.is_alive():
        return f"no answer within {seconds:g} s"
    return failures[0] if failures else None


def _advice(name: str) -> str:
    return (
        f"Download it where there is a network (`hf download {name} --local-dir FOLDER`), copy the folder here, and "
        "give that as `model`."
    )
