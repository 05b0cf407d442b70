"""`instseg compare-unet`: Mask R-CNN as label maps beside a U-Net, on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from instseg.commands.terminal import console, download_bar, error, progress_bar
from instseg.core.errors import InputError
from instseg.core.instances import Instances
from instseg.core.semantic import Rule
from instseg.system.atomic import make_folder

if TYPE_CHECKING:
    from torch import nn

    from instseg.commands.compare_measure import Contest
    from instseg.data.coco import CocoData
    from instseg.models.mask_rcnn import Model
    from instseg.predict.predictor import Predictor
    from instseg.predict.segmenter import Segmenter

Json = dict[str, Any]

LOWEST_SCORE = 0.01  # of instances that are looked for: AP needs low ones too
FIRST_SEED = 1_000_000  # of scenes, far from those that networks are trained and chosen on
RESAMPLES = (100, 100_000)  # with fewer the intervals are noise, with more memory runs out
NAMED_CLASSES = 6  # of those that are not compared


@dataclass(frozen=True, kw_only=True)
class CompareUnetConfig:
    """Tells whether Mask R-CNN, collapsed into label maps, is better than a U-Net, and where.

    Both see the same images and are held against the same label maps at full resolution. Compared
    are the classes that the dataset and both models know, by name: pixels of the dataset's other
    classes are ignored, as crowds are, and what a model finds of other classes counts as
    background. Writes comparison.json, comparison.md and pictures.

    Args:
        coco_json: The ground truth, a COCO dataset; where objects overlap, the smallest is on top.
        images: Folder of its photos.
        scenes: Compare on this many drawn scenes instead, written into the --out folder; they are
            none that train-unet and finetune draw with seeds below 999,999.
        weights: Mask R-CNN, coco-v2, coco-v1, demo or the path of a model file or .pth.
        architecture: What a .pth file holds, resnet50_fpn or resnet50_fpn_v2.
        unet: unet-demo, or the model file of a U-Net or other semantic network, as train-unet
            writes it.
        rule: Which of Mask R-CNN's instances is on top where several overlap, score,
            smallest-on-top or class-priority. The effect of all three is measured.
        priority: For class-priority, class names from highest to lowest with commas between; if
            not given, the order that Mask R-CNN has them in.
        score_threshold: Instances that score lower are left out of the label maps, 0 to 1. The
            effect of others is measured.
        out: Folder for everything that is written.
        pictures: Images in each picture of the best, median and worst; 0 draws none.
        speed: Measure time and memory of both, each in a process of its own.
        device: auto, cpu, cuda, cuda:1 or mps.
        precision: Arithmetic; auto takes bf16 where the processor has it natively.
        resamples: Of images, for the 95% intervals.
        seed: Of the resamples and the scenes.
    """

    coco_json: Path | None = None
    images: Path | None = None
    scenes: int = 0
    weights: str = "demo"
    architecture: str | None = None
    unet: str = "unet-demo"
    rule: Rule = "score"
    priority: str | None = None
    score_threshold: float = 0.5
    out: Path = Path("out/compare")
    pictures: int = 3
    speed: bool = True
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    resamples: int = 1000
    seed: int = 0


def run(config: CompareUnetConfig) -> int:
    """Compares, prints, writes; returns 0."""
    from instseg.commands.benchmark import versions
    from instseg.commands.compare_cost import costs
    from instseg.commands.compare_measure import compare_models
    from instseg.commands.compare_output import (
        not_compared,
        print_comparison,
        verdict,
        write_comparison,
    )
    from instseg.commands.compare_pictures import TITLES, choose, draw_pictures

    check(config)
    contest, models = read_contest(config)
    for words, left_out in not_compared(contest.left_out):
        error(f"{words} ({_some(left_out)})")
    if config.speed:
        data = contest.data.data
        for side, cost in costs(config, [data.folder / i.file_name for i in data.images]).items():
            models[side] |= cost
    comparison = {
        "settings": asdict(config) | {"priority": contest.priority},
        "versions": versions(),
        "models": models,
        **compare_models(contest, resamples=config.resamples, seed=config.seed),
    }
    chosen = choose(comparison["per_image"], config.pictures)
    written = write_comparison(config.out, comparison, {name: TITLES[name] for name in chosen})
    print_comparison(comparison)
    draw_pictures(contest, comparison["per_image"], chosen, config.out)
    console.print(f"{config.out}: wrote {', '.join(written)}")
    for sentence in verdict(comparison):
        console.print(sentence)
    return 0


def check(config: CompareUnetConfig) -> None:
    """Raise InputError for options that do not go together or are out of range."""
    if bool(config.coco_json) == bool(config.scenes):
        raise InputError("say what to compare on: --scenes, or --coco-json with --images")
    if config.coco_json and not config.images:
        raise InputError("--coco-json needs --images, the folder of its photos")
    for option, value, least, most in (
        ("scenes", config.scenes, 0, 1_000_000),
        ("score-threshold", config.score_threshold, 0, 1),
        ("pictures", config.pictures, 0, 20),
        ("resamples", config.resamples, *RESAMPLES),
        ("seed", config.seed, 0, 2**32),
    ):
        if not least <= value <= most:
            raise InputError(f"--{option} must lie between {least:,} and {most:,}, not {value}")
    make_folder(config.out)


def read_contest(config: CompareUnetConfig) -> tuple[Contest, dict[str, Json]]:
    """The data and both models, and what comparison.json says of the models.

    Raises:
        InputError: One cannot be had, or they cannot be compared.
    """
    from instseg.commands.compare_measure import Contest
    from instseg.data.semantic_data import CocoSemantic

    model, segmenter, data = load_mask_rcnn(config), load_unet(config), read_data(config)
    names = compared_names(data.class_names, model.card.class_names, segmenter.class_names)
    truth = CocoSemantic(data=data)
    predictor = load_predictor(
        config,
        model,
        score_threshold=min(LOWEST_SCORE, config.score_threshold),
        max_detections=max(100, *map(len, data.annotations.values())),
    )
    contest = Contest(
        data=truth,
        segmenter=segmenter,
        predictor=predictor,
        names=names,
        rule=config.rule,
        priority=priority(config, model.card.class_names),
        score_threshold=config.score_threshold,
    )
    try:
        contest.mask_rcnn_map(Instances.empty((1, 1), predictor.class_names), "class-priority")
    except ValueError as problem:  # too many classes
        raise InputError(f"{config.weights}: {problem}") from problem
    return contest, {
        "unet": described(config.unet, segmenter.card.architecture, segmenter.network),
        "mask_rcnn": described(config.weights, model.card.architecture, model.network),
    }


def read_data(config: CompareUnetConfig) -> CocoData:
    """The dataset; scenes are drawn first."""
    from instseg.data.coco import CocoData
    from instseg.scenes.scene import SceneConfig, write_scenes

    if config.coco_json and config.images:
        data = CocoData.read(config.coco_json, config.images)
        data.require_photos()
        return data
    folder = config.out / "scenes"
    with progress_bar("drawing") as update:
        coco_json = write_scenes(
            folder,
            config.scenes,
            SceneConfig(seed=FIRST_SEED + config.seed),
            progress=lambda done: update(done, config.scenes),
        )
    return CocoData.read(coco_json, folder / "images")


def compared_names(
    dataset: Sequence[str], mask_rcnn: Sequence[str], unet: Sequence[str]
) -> tuple[str, ...]:
    """BG and the classes that all three have, in the dataset's order.

    Raises:
        InputError: There is none.
    """
    names = tuple(name for name in dataset if name in mask_rcnn and name in unet)
    if len(names) == 1:
        raise InputError(
            f"no class is in the dataset ({_some(dataset[1:])}), in Mask R-CNN "
            f"({_some(mask_rcnn[1:])}) and in the U-Net ({_some(unet[1:])}); classes are matched "
            "by name"
        )
    return names


def load_mask_rcnn(config: CompareUnetConfig) -> Model:
    """Find, or download, the weights of Mask R-CNN."""
    from instseg.models.mask_rcnn import load_model

    with download_bar() as update:
        return load_model(config.weights, architecture=config.architecture, progress=update)


def load_predictor(config: CompareUnetConfig, model: Model, **options: Any) -> Predictor:
    """Mask R-CNN, where and how it is to run."""
    from instseg.predict.predictor import Predictor

    return Predictor(model, device=config.device, precision=config.precision, **options)


def load_unet(config: CompareUnetConfig) -> Segmenter:
    """The U-Net, likewise.

    Raises:
        InputError: It is not for photos.
    """
    from instseg.predict.segmenter import Segmenter

    with download_bar() as update:
        segmenter = Segmenter(
            config.unet, device=config.device, precision=config.precision, progress=update
        )
    means, stds = (segmenter.card.preprocessing[key] for key in ("mean", "std"))
    of_photos = all(0 <= mean <= 1 for mean in means) and max(stds) <= 0.5  # as all in 0..1 are
    if len(means) not in (1, 3) or not of_photos:
        raise InputError(
            f"{config.unet}: was trained on arrays of other channels or values than photos have; "
            "give a network that was trained on photos"
        )
    return segmenter


def priority(config: CompareUnetConfig, class_names: Sequence[str]) -> tuple[str, ...]:
    """The classes from highest to lowest.

    Raises:
        InputError: One of them is not there.
    """
    if config.priority is None:
        return tuple(class_names[1:])
    names = tuple(name.strip() for name in config.priority.split(","))
    for name in names:
        if name not in class_names[1:]:
            known = _some(class_names[1:])
            raise InputError(f"--priority: {config.weights} knows no class {name!r}, but {known}")
    return names


def described(weights: str, architecture: str, network: nn.Module) -> Json:
    """What comparison.json says of a model."""
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return {"weights": weights, "architecture": architecture, "parameters": parameters}


def _some(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > NAMED_CLASSES else ""
    return ", ".join(f"{name:.40}" for name in names[:NAMED_CLASSES]) + more
