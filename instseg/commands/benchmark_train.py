"""`instseg benchmark train`: our Trainer beside torchvision's reference loop, step by step."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instseg.commands.benchmark_rounds import in_fresh_process, in_turn
from instseg.core.errors import InputError
from instseg.system.memory import highest_memory_bytes

if TYPE_CHECKING:
    from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN

    from instseg.commands.benchmark import BenchmarkConfig
    from instseg.models.mask_rcnn import Model
    from instseg.training.recipe import Recipe
    from instseg.training.samples import Sample

SIZE_HW = (480, 640)  # of drawn scenes
PHOTOS = 8  # that both sides see over and over
WEIGHT_DECAY = 1e-4
WARMUP_STEPS = 10
STEPS_FOR_MEMORY = 2  # with the second the optimizer has its momentum
BRANCH = 0.1  # weight of a random residual branch: without norms that learn they would explode


def train(config: BenchmarkConfig) -> dict[str, Any]:
    """Seconds and memory of a training step, and the losses of all steps.

    Returns:
        `ours` and `peer`, figures as `in_turn` gives them with `steps_per_s` and `peak_mb`;
        `ratio` of median seconds; `losses` of both sides.
    """
    from instseg.system.device import choose_device

    if config.batch_size < 1:
        raise InputError("--batch-size must be at least 1")
    config = replace(config, device=str(choose_device(config.device)))
    start = starting_point(config)
    samples = read_samples(config, start.card.class_names)
    sides: dict[str, Iterator[float]] = {
        name: side(copy.deepcopy(start), samples, config) for name, side in SIDES.items()
    }
    losses: dict[str, list[float]] = {name: [] for name in sides}

    def step(name: str) -> None:
        losses[name].append(next(sides[name]))
        finish(config.device)

    rounds = list(range(config.repeats + 1))
    figures = in_turn(lambda _: step("ours"), lambda _: step("peer"), rounds)
    for name in SIDES:
        figures[name]["steps_per_s"] = 1 / figures[name]["median"]
        figures[name]["peak_mb"] = in_fresh_process(measure_peak, name, config)
    if config.json:
        draw_losses(losses, config.json.with_suffix(".png"))
    return figures | {
        "losses": losses,
        "weights": config.weights,
        "architecture": start.card.architecture,
        "batch_size": config.batch_size,
        "precision": config.precision,
        "device": config.device,
        "unit": "s/step",
    }


def starting_point(config: BenchmarkConfig) -> Model:
    """The model that both sides start from."""
    import torch
    from torchvision.ops import FrozenBatchNorm2d

    from instseg.models.mask_rcnn import build, coco_card, fresh_model, load_model

    if config.weights != "random":
        return load_model(config.weights, architecture=config.architecture)
    torch.manual_seed(config.seed)
    card = coco_card(config.architecture or "resnet50_fpn")
    if card.architecture == "compact":
        return fresh_model("compact", card.class_names, card.category_ids)
    model = build(card)
    for name, module in model.network.named_modules():
        if isinstance(module, FrozenBatchNorm2d) and name.endswith("bn3"):
            module.weight.fill_(BRANCH)
    return model


@dataclass(frozen=True)
class HeldSamples:
    """Samples in memory, one batch a step, over and over: nothing but the training is measured.

    Args:
        samples: Images and targets.
        batch_size: Of each step.
        steps: How many.
    """

    samples: list[Sample]
    batch_size: int
    steps: int
    epochs: int = 1

    def batches(self, epoch: int) -> list[list[int]]:
        """Places in the list, for every step."""
        places = cycle(range(len(self.samples)))
        return [list(islice(places, self.batch_size)) for _ in range(self.steps)]

    def name_of(self, key: int) -> str:
        """What a sample is called in messages."""
        return f"sample {key}"

    def __getitem__(self, key: int) -> Sample:
        return self.samples[key]


def read_samples(config: BenchmarkConfig, class_names: tuple[str, ...]) -> HeldSamples:
    """The first photos with objects of the model, without crowds, or drawn scenes.

    Raises:
        InputError: The annotations have none.
    """
    from instseg.data.coco import CocoData
    from instseg.scenes.scene import SceneConfig, draw_scene
    from instseg.training.samples import to_sample

    if config.coco_json:
        if not config.images:
            raise InputError("--coco-json needs --images, the folder of its photos")
        data = CocoData.read(config.coco_json, Path(config.images[0]))
        known = {each.id for each in data.dataset.categories if each.name in class_names[1:]}
        rows = [
            row
            for row, image in enumerate(data.images)
            if any(a.category_id in known and not a.iscrowd for a in data.annotations[image.id])
        ]
        if not rows:
            raise InputError(
                f"{config.coco_json}: has no objects of the model's classes; give some"
            )
        pairs = [data.load(row) for row in rows[:PHOTOS]]
    else:
        settings = SceneConfig(seed=config.seed, size_hw=SIZE_HW)
        scenes = [draw_scene(i, settings) for i in range(PHOTOS)]
        pairs = [(scene.image, scene.instances) for scene in scenes]
    samples = [to_sample(*pair, class_names) for pair in pairs]
    return HeldSamples(samples, config.batch_size, config.repeats + 1)


def recipe_of(samples: HeldSamples, config: BenchmarkConfig) -> Recipe:
    """SGD as torchvision trains COCO: 0.02 for 16 images, momentum, weight decay, a warm-up."""
    from instseg.training.recipe import Recipe, usual_learning_rate

    return Recipe(
        optimizer="sgd",
        learning_rate=usual_learning_rate("sgd", config.batch_size),
        weight_decay=WEIGHT_DECAY,
        warmup_steps=WARMUP_STEPS,
        schedule="plateau",
        clip_grad_norm=math.inf,
        seed=config.seed,
        save_every=samples.steps + 1,
        workers=0,
    )


def trainer_steps(model: Model, samples: HeldSamples, config: BenchmarkConfig) -> Iterator[float]:
    """Train with ours; each step gives its loss."""
    import torch

    from instseg.system.device import choose_dtype
    from instseg.training.detection import Detection
    from instseg.training.loop import Trainer

    device = torch.device(config.device)
    dtype = choose_dtype(config.precision, device)
    task, recipe = Detection(model.network, resize=True), recipe_of(samples, config)
    trainer = Trainer(task, samples, recipe, device, dtype, stages=((0, scope_of(model)),))
    for step in trainer.train_steps():
        yield step["loss"]


def reference_steps(model: Model, samples: HeldSamples, config: BenchmarkConfig) -> Iterator[float]:
    """Train as torchvision's references/detection does; each step gives its loss.

    That is written out here: float32, torchvision's own layers and memory layout, one SGD for all
    weights. The images are at hand as floats.
    """
    import torch

    from instseg.training.loop import seed_of
    from instseg.training.scope import train_only

    device, recipe = torch.device(config.device), recipe_of(samples, config)
    network = with_torchvision_pools(model.network).to(device).train()
    train_only(network, scope_of(model))
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    optimizer = torch.optim.SGD(weights, momentum=0.9, weight_decay=WEIGHT_DECAY)
    held = [(image.float() / 255, target) for image, target in samples.samples]
    for step, keys in enumerate(samples.batches(0)):
        torch.manual_seed(seed_of(config.seed, step, 0))  # both sides sample the same anchors
        optimizer.param_groups[0]["lr"] = recipe.learning_rate_at(step, samples.steps)
        images = [held[key][0].to(device) for key in keys]
        targets = [{name: t.to(device) for name, t in held[key][1].items()} for key in keys]
        loss = sum(network(images, targets).values())
        value = loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield value


SIDES: dict[str, Callable[[Model, HeldSamples, BenchmarkConfig], Iterator[float]]] = {
    "ours": trainer_steps,
    "peer": reference_steps,
}


def scope_of(model: Model) -> str:
    """What is trained: of torchvision's networks what torchvision trains, all but two stages."""
    return "all" if model.card.architecture == "compact" else "3+"


def with_torchvision_pools(network: GeneralizedRCNN) -> GeneralizedRCNN:
    """Torchvision's RoIAlign in place of ours, which `compact` has; the numbers are the same."""
    from torchvision.ops import MultiScaleRoIAlign

    from instseg.models.roi_align import PyramidRoIAlign

    heads = network.roi_heads
    for name in ("box_roi_pool", "mask_roi_pool"):
        pool = getattr(heads, name)
        if isinstance(pool, PyramidRoIAlign):
            finest = int(math.log2(pool.finest_stride))
            sizes = {"canonical_scale": pool.finest_px, "canonical_level": finest}
            setattr(heads, name, MultiScaleRoIAlign(list(pool.levels), pool.bins, 2, **sizes))
    return network


def finish(device: str) -> None:
    """Wait until the device has done all that it was told to."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def measure_peak(side: str, config: BenchmarkConfig) -> float:
    """Memory that one side's training adds to a fresh process with the model, in megabytes.

    On a GPU the peak of its memory.
    """
    import torch

    model = starting_point(config)
    samples = read_samples(config, model.card.class_names)
    before = highest_memory_bytes()
    list(islice(SIDES[side](model, samples, config), STEPS_FOR_MEMORY))
    finish(config.device)
    if config.device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(config.device) / 2**20
    return (highest_memory_bytes() - before) / 2**20


def draw_losses(losses: dict[str, list[float]], path: Path) -> None:
    """Draw the losses of both sides over the steps."""
    from matplotlib.figure import Figure

    from instseg.visualize.figures import BLUE, GREY, save_figure

    figure = Figure(figsize=(7, 4), dpi=150, layout="constrained")
    axes = figure.subplots()
    steps = range(1, len(losses["peer"]) + 1)
    axes.plot(steps, losses["peer"], color=GREY, linewidth=5, label="torchvision's loop, fp32")
    axes.plot(steps, losses["ours"], color=BLUE, linewidth=1.5, label="instseg")
    axes.set(xlabel="step", ylabel="loss", ylim=(0, None))
    axes.legend(frameon=False)
    save_figure(figure, path)
