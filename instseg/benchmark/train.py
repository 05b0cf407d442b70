"""Training: our Trainer beside torchvision's reference loop, step by step."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instseg.benchmark.rounds import SIDES, time_by_turns
from instseg.benchmark.train_task import HeldSamples, Start, Task
from instseg.core.events import OnEvent, ignore
from instseg.system.fresh_process import in_fresh_process
from instseg.system.memory import highest_memory_bytes

if TYPE_CHECKING:
    from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN

    from instseg.models.mask_rcnn import Model
    from instseg.training.recipe import Recipe

WEIGHT_DECAY = 1e-4
WARMUP_STEPS = 10
STEPS_FOR_MEMORY = 2  # with the second the optimizer has its momentum


def measure_training(
    *,
    weights: str = "random",
    architecture: str | None = None,
    coco_json: Path | None = None,
    images: Path | None = None,
    batch_size: int = 2,
    precision: str = "fp32",
    device: str = "cpu",
    repeats: int,
    seed: int = 0,
    folder: Path,
    on_event: OnEvent = ignore,
) -> dict[str, Any]:
    """Seconds and memory of a training step, and the losses of all steps.

    Args:
        weights: A name or a path; "random" for fresh weights.
        architecture: Of random weights, or what a .pth file holds.
        coco_json: Annotations to train on; drawn scenes if None.
        images: The folder of its photos.
        batch_size: Images of a step.
        precision: Of ours; torchvision's runs in fp32.
        device: Of both.
        repeats: Steps that are measured, after one to warm up.
        seed: Of random weights, scenes and sampling.
        folder: For the checkpoint.
        on_event: Called with the progress.

    Returns:
        `ours` and `peer`, figures as `time_by_turns` gives them with `steps_per_s` and `peak_mb`;
        `ratio` of median seconds; `losses` of both sides.
    """
    import torch

    from instseg.benchmark.peaks import finish
    from instseg.system.device import choose_device

    start = Start(weights=weights, architecture=architecture, seed=seed)
    task = Task(
        coco_json=coco_json, images=images, batch_size=batch_size, steps=repeats + 1, seed=seed
    )
    run = Run(device=str(choose_device(device)), precision=precision, seed=seed, folder=folder)
    model = start.model()
    samples = task.samples(model.card.class_names)
    steps = {side: STEPS[side](copy.deepcopy(model), samples, run) for side in SIDES}
    losses: dict[str, list[float]] = {side: [] for side in SIDES}

    def step(side: str) -> None:
        losses[side].append(next(steps[side]))
        finish(run.device)

    rounds = range(repeats + 1)
    with torch.random.fork_rng():
        figures = time_by_turns(
            lambda _: step("ours"), lambda _: step("peer"), rounds, on_event=on_event
        )
    for side in SIDES:
        figures[side]["steps_per_s"] = 1 / figures[side]["median"]
        figures[side]["peak_mb"] = in_fresh_process(measure_peak, side, start, task, run)
    return figures | {
        "losses": losses,
        "weights": weights,
        "architecture": model.card.architecture,
        "batch_size": batch_size,
        "precision": precision,
        "device": run.device,
        "unit": "s/step",
    }


@dataclass(frozen=True, kw_only=True)
class Run:
    """How both sides are trained.

    Attributes:
        device: Of both.
        precision: Of ours.
        seed: Of sampling.
        folder: For the checkpoint of ours.
    """

    device: str = "cpu"
    precision: str = "fp32"
    seed: int = 0
    folder: Path


def recipe_of(samples: HeldSamples, seed: int) -> Recipe:
    """SGD as torchvision trains COCO: 0.02 for 16 images, momentum, weight decay, a warm-up."""
    from instseg.training.recipe import Recipe, usual_learning_rate

    return Recipe(
        optimizer="sgd",
        learning_rate=usual_learning_rate("sgd", samples.batch_size),
        weight_decay=WEIGHT_DECAY,
        warmup_steps=WARMUP_STEPS,
        schedule="plateau",
        clip_grad_norm=math.inf,
        seed=seed,
        save_every=samples.steps + 1,
        workers=0,
    )


def trainer_steps(model: Model, samples: HeldSamples, run: Run) -> Iterator[float]:
    """Train with ours; each step gives its loss."""
    import torch

    from instseg.system.device import choose_dtype
    from instseg.training.detection import Detection
    from instseg.training.loop import Trainer

    device = torch.device(run.device)
    dtype = choose_dtype(run.precision, device)
    task, recipe = Detection(model.network, resize=True), recipe_of(samples, run.seed)
    trainer = Trainer(task, samples, recipe, device, dtype, stages=((0, scope_of(model)),))
    for step in trainer.train_steps():
        yield step["loss"]


def reference_steps(model: Model, samples: HeldSamples, run: Run) -> Iterator[float]:
    """Train as torchvision's references/detection does; each step gives its loss.

    That is written out here: float32, torchvision's own layers and memory layout, one SGD for all
    weights. The images are at hand as floats.
    """
    import torch

    from instseg.training.loop import seed_of
    from instseg.training.scope import train_only

    device, recipe = torch.device(run.device), recipe_of(samples, run.seed)
    network = with_torchvision_pools(model.network).to(device).train()
    train_only(network, scope_of(model))
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    optimizer = torch.optim.SGD(weights, momentum=0.9, weight_decay=WEIGHT_DECAY)
    held = [
        (image.float() / 255, {**target, "masks": target["masks"].dense()})
        for image, target in samples.samples
    ]
    for step, keys in enumerate(samples.batches(0)):
        torch.manual_seed(seed_of(run.seed, step, 0))  # both sides sample the same anchors
        optimizer.param_groups[0]["lr"] = recipe.learning_rate_at(step, samples.steps)
        images = [held[key][0].to(device) for key in keys]
        targets = [{name: t.to(device) for name, t in held[key][1].items()} for key in keys]
        loss = sum(network(images, targets).values())
        value = loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield value


STEPS: dict[str, Callable[[Model, HeldSamples, Run], Iterator[float]]] = {
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


def measure_peak(side: str, start: Start, task: Task, run: Run) -> float:
    """Memory that one side's training adds to a fresh process with the model, in megabytes.

    On a GPU the peak of its memory.
    """
    import torch

    from instseg.benchmark.peaks import finish

    model = start.model()
    samples = task.samples(model.card.class_names)
    before = highest_memory_bytes()
    list(islice(STEPS[side](model, samples, run), STEPS_FOR_MEMORY))
    finish(run.device)
    if run.device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(run.device) / 2**20
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
