"""avtar-train: make a model."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avtar_ros.agreement import PRECISIONS
from avtar_ros.errors import AvtarError
from avtar_ros.files import write_text
from avtar_ros.outputs import check_file, is_figures
from training.errors import TrainingError
from training.overrides import add_set

if TYPE_CHECKING:
    from tqdm import tqdm

    from avtar_ros.model_card import ModelCard
    from training.data.batch import Batch
    from training.data.config import Split
    from training.evaluate import Infer

HELD_OUT_SEED = 1_000_000
HELD_OUT_ROOMS = 500


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; gives the exit code."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (TrainingError, AvtarError, OSError) as error:
        print(f"avtar-train: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("avtar-train: interrupted; what was finished is kept.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="avtar-train", description="Make a model: train, judge and export it.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    fit = commands.add_parser(
        "fit", help="train as a config says",
        description="Train as a config says. Run again after an interruption, it goes on from the last checkpoint.",
    )  # fmt: skip
    fit.add_argument("config", type=Path, help="YAML; ready ones lie in training/configs/")
    fit.add_argument("--out", type=Path, help="folder for checkpoints and logs (default: runs/NAME OF THE CONFIG)")
    fit.add_argument("--from", dest="start_from", type=Path, metavar="CHECKPOINT",
                     help="go on from another run's checkpoint (`start_from` in the config)")  # fmt: skip
    fit.add_argument("--dry-run", action="store_true", help="build everything and run one step on random images")
    fit.add_argument("--tensorboard", action="store_true", help="write files for TensorBoard beside the log as well")
    add_set(fit)
    fit.set_defaults(run=_fit)

    evaluate = commands.add_parser(
        "evaluate", help="measure a model on images that it never saw",
        description="Measure a model on synthetic rooms that no training has seen, or on the validation images of any "
        "config's data; where its classes are not the model's, segmentation is left out. Or on the RGB-D images of a "
        "manifest: figures of every source and the mean of every group, in which each source counts once.",
    )  # fmt: skip
    evaluate.add_argument("model", type=Path, help="an .onnx file, or a checkpoint (.safetensors)")
    on = evaluate.add_mutually_exclusive_group()
    on.add_argument("--data", type=Path, metavar="CONFIG", help="measure on this config's data, not on rooms")
    on.add_argument("--manifest", type=Path, metavar="FILE",
                    help="measure on the RGB-D images that this JSON file lists (docs/data.md)")  # fmt: skip
    _add_rooms(evaluate, _count)
    evaluate.add_argument("--json", type=Path, metavar="FILE", help="write the figures here as well")
    add_set(evaluate)
    evaluate.set_defaults(run=_evaluate)

    export = commands.add_parser(
        "export", help="checkpoint to ONNX",
        description="Export a checkpoint to ONNX with its model card. The file is compared with PyTorch and measured "
        "on held-out rooms, or the validation images of its data, first; where it differs, nothing is written.",
    )  # fmt: skip
    export.add_argument("checkpoint", type=Path, help="last.safetensors of the last phase")
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .onnx file to write")
    export.add_argument("--images", type=Path, metavar="FOLDER", help="pictures to compare on, beside rooms and noise")
    export.add_argument("--precision", choices=PRECISIONS, default="fp32",
                        help="of weights and activations; fp16 is for TensorRT (default: %(default)s)")  # fmt: skip
    _add_rooms(export, int)  # none is a choice: a model whose card has no figures
    export.set_defaults(run=_export)

    backbone = commands.add_parser(
        "backbone", help="a trained backbone by itself",
        description="Write the backbone of a checkpoint of a phase that trains it as a Hugging Face folder, which a "
        "config can name as `model.backbone.pretrained`.",
    )  # fmt: skip
    backbone.add_argument("checkpoint", type=Path, help="last.safetensors of a phase with `trains: backbone`")
    backbone.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write it")
    backbone.set_defaults(run=_backbone)

    experiments = commands.add_parser(
        "experiments", help="do more tasks help?",
        description="Train a config with each task alone, with more and more of its tasks, and with all of them "
        "without TROA, TAA and TSN, with several seeds; print means, spreads and gains. Run again, it goes on.",
    )  # fmt: skip
    experiments.add_argument("config", type=Path, help="YAML; all variants share its budget")
    experiments.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(default: 0 1 2)")
    experiments.add_argument("--out", type=Path, help="folder of all runs (default: runs/NAME OF THE CONFIG)")
    add_set(experiments)
    experiments.set_defaults(run=_experiments)

    affinities = commands.add_parser(
        "affinities", help="look at what the tasks are to each other",
        description="Print the affinity matrix of a checkpoint or an .onnx file, and draw it.",
    )  # fmt: skip
    affinities.add_argument("model", type=Path, help="an .onnx file, or a checkpoint (.safetensors)")
    affinities.add_argument("--out", type=Path, default=Path("affinities.png"), metavar="FILE",
                            help="the picture (default: %(default)s)")  # fmt: skip
    affinities.set_defaults(run=_affinities)

    scenes = commands.add_parser(
        "scenes", help="look at synthetic rooms",
        description="Write previews of synthetic rooms, or a bag of a camera walking through one, with ground truth.",
    )  # fmt: skip
    target = scenes.add_mutually_exclusive_group(required=True)
    target.add_argument("--out", type=Path, metavar="FOLDER", help="write a preview picture a room here")
    target.add_argument("--bag", type=Path, metavar="FILE", help="write an MCAP bag here")
    scenes.add_argument("--seed", type=int, default=HELD_OUT_SEED, help="of the (first) room (default: %(default)s)")
    scenes.add_argument("--rooms", type=_count, default=12, help="previews to write (default: %(default)s)")
    scenes.add_argument("--frames", type=_count, default=90, help="frames of the bag (default: %(default)s)")
    scenes.add_argument("--rate", type=_rate, default=15.0, help="frames per second of the bag (default: %(default)s)")
    scenes.add_argument(
        "--size", type=_size, default=(256, 192), metavar="WxH", help="of the images (default: 256x192)"
    )
    scenes.set_defaults(run=_scenes)

    preview = commands.add_parser(
        "preview", help="look at the data of a config",
        description="Write pictures of samples of a config's data with all their maps, as training would get them.",
    )  # fmt: skip
    preview.add_argument("config", type=Path, help="YAML; ready ones lie in training/configs/")
    preview.add_argument("--out", type=Path, default=Path("previews"), metavar="FOLDER",
                         help="where to write them (default: %(default)s)")  # fmt: skip
    preview.add_argument("--count", type=_count, default=12, help="how many, evenly spread (default: %(default)s)")
    preview.add_argument("--validation", action="store_true", help="of the images that are kept from training")
    preview.add_argument("--augmented", action="store_true", help="changed at random as training changes them")
    add_set(preview)
    preview.set_defaults(run=_preview)
    return parser


def _add_rooms(parser: argparse.ArgumentParser, count: Callable[[str], int]) -> None:
    parser.add_argument("--rooms", type=count, default=HELD_OUT_ROOMS, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=HELD_OUT_SEED, help="of the first room (default: %(default)s)")


def _count(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 1 or more")
    return int(text)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is no rate between 0 and 1000 Hz")
    return rate


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) >= 32 and int(height) >= 32):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write WIDTHxHEIGHT, such as 256x192, at least 32x32")
    return int(width), int(height)


# torch and transformers take seconds to import, so each command imports what it needs.


def _fit(options: argparse.Namespace) -> None:
    from training.config import load_config
    from training.fit import fit

    config = load_config(options.config, options.start_from, options.set)
    if options.dry_run:
        from training.dry_run import dry_run

        dry_run(config)
        return
    checkpoint = fit(config, options.out or Path("runs") / config.name, options.tensorboard)
    print(f"trained. Next: avtar-train export {checkpoint} --out {config.name}.onnx")


def _evaluate(options: argparse.Namespace) -> None:
    from avtar_ros.engines.opening import open_engine
    from training.checkpoint import load_checkpoint
    from training.evaluate import torch_infer
    from training.export import load_model

    if options.model.suffix == ".safetensors":
        model = load_model(load_checkpoint(options.model))
        card, infer = model.card, torch_infer(model)
        engine: AbstractContextManager[object] = nullcontext()
    else:
        engine = opened = open_engine(options.model)
        card, infer = opened.card, opened.infer
    if options.json:
        inputs = [path for path in (options.model, options.data, options.manifest) if path is not None]
        check_file(options.json, inputs, is_figures)
    with engine:
        text, written = (_by_source if options.manifest else _by_data)(options, card, infer)
    print(text)
    if options.json:
        write_atomically(options.json, json.dumps(written, indent=1) + "\n")


def _by_data(options: argparse.Namespace, card: ModelCard, infer: Infer) -> tuple[str, Any]:
    """Figures on rooms or a config's data, as text and for a JSON file."""
    from tqdm import tqdm

    from training.evaluate import evaluate

    figures: dict[str, dict[str, float]] = {}
    for what, batches in _unseen(options, card):
        with tqdm(unit="image", desc=what) as progress:
            figures[what] = evaluate(infer, card, _counted(batches, progress))
    text = "\n".join(f"{what}:\n{_figures_text(found)}" for what, found in figures.items())
    return text, figures if len(figures) > 1 else next(iter(figures.values()))


def _by_source(options: argparse.Namespace, card: ModelCard, infer: Infer) -> tuple[str, Any]:
    """Figures on the images of a manifest, as text and for a JSON file."""
    from tqdm import tqdm

    from training.by_source import SourceFigures, group_means, table
    from training.data.manifest import read_manifest
    from training.evaluate import evaluate

    sources = read_manifest(options.manifest, card)
    total = sum(len(source.images) for source in sources)
    with tqdm(unit="image", total=total, desc=str(options.manifest)) as progress:
        found = {
            source.name: SourceFigures(source.group, evaluate(infer, card, _counted(source.batches(), progress)))
            for source in sources
        }
    by_name = {name: {"group": source.group, **source.figures} for name, source in found.items()}
    return table(found), {"groups": group_means(found), "sources": by_name}


def _unseen(options: argparse.Namespace, card: ModelCard) -> Iterator[tuple[str, Iterator[Batch]]]:
    """What to measure on, each with a description of its own: rooms, or every part of a config's data."""
    from training.config import load_config
    from training.evaluate import held_out_images, held_out_rooms

    if not options.data:
        rooms = f"{options.rooms} rooms from seed {options.seed}"
        yield rooms, held_out_rooms(options.rooms, options.seed, card)
        return
    met: Counter[str] = Counter()
    for data in load_config(options.data, settings=options.set).data.single:
        met[data.description] += 1
        number = met[data.description]
        yield data.description + (f" ({number})" if number > 1 else ""), held_out_images(data, card)


def _counted(batches: Iterator[Batch], progress: tqdm[Any]) -> Iterator[Batch]:
    for batch in batches:
        yield batch
        progress.update(len(batch))


def _export(options: argparse.Namespace) -> None:
    from training.checkpoint import load_checkpoint
    from training.export import ExportOptions, export

    command = shlex.join(["avtar-train", *sys.argv[1:]])
    card = export(
        load_checkpoint(options.checkpoint),
        options.out,
        ExportOptions(options.rooms, options.seed, options.images, options.precision, command),
    )
    print(_figures_text(card.metrics))
    for key, agreement in card.provenance.items():
        if key.startswith("fp16."):
            print(f"{key}: {agreement}")
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB, {', '.join(card.tasks)}")


def _backbone(options: argparse.Namespace) -> None:
    from training.build import write_backbone
    from training.checkpoint import load_checkpoint

    write_backbone(load_checkpoint(options.checkpoint), options.out)
    print(f"model: {{backbone: {{pretrained: {options.out}}}}}")


def _experiments(options: argparse.Namespace) -> None:
    from training.config import load_config
    from training.experiments import run_experiments, table

    config = load_config(options.config, settings=options.set)
    folder = options.out or Path("runs") / config.name
    text = table(run_experiments(config, options.seeds, folder), config.tasks)
    write_atomically(folder / "table.md", text + "\n")
    print(text)


def _affinities(options: argparse.Namespace) -> None:
    from avtar_ros.model_card import read_onnx_card
    from training.affinity_pictures import affinity_text, write_affinity_picture
    from training.checkpoint import load_checkpoint

    model: Path = options.model
    card = load_checkpoint(model).card if model.suffix == ".safetensors" else read_onnx_card(model)
    try:
        print(affinity_text(card))
        write_affinity_picture(card, options.out)
    except TrainingError as error:
        raise TrainingError(f"{model}: {error}") from None
    print(f"row: the task that helps, column: the task that is helped; drawn in {options.out}")


def _scenes(options: argparse.Namespace) -> None:
    from training.scenes import write_bag, write_previews

    width, height = options.size
    if options.bag:
        write_bag(options.bag, options.seed, options.frames, options.rate, width, height)
    else:
        write_previews(options.out, range(options.seed, options.seed + options.rooms), width, height)


def _preview(options: argparse.Namespace) -> None:
    from training.config import load_config
    from training.previews import write_data_previews

    split: Split = "validation" if options.validation else "train"
    config = load_config(options.config, settings=options.set)
    write_data_previews(config, options.out, options.count, split, options.augmented)
    print(f"pictures are in {options.out}")


def _figures_text(figures: Mapping[str, float]) -> str:
    from avtar_ros.metrics import known_figures

    known = known_figures()
    return "\n".join(
        f"{key:24} {value:8.4f} {known[key].unit:2}  {known[key].title}" for key, value in figures.items()
    )


def write_atomically(path: Path, text: str) -> None:
    """Write the whole file or nothing, in a new folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)


if __name__ == "__main__":
    sys.exit(main())
