"""Drawn videos: objects of the drawn scenes that move, with exact visible masks and tracks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from instseg.core.instances import Instances
from instseg.scenes.backgrounds import paint_background
from instseg.scenes.distractors import DISTRACTOR
from instseg.scenes.pen import Drawing, Pen, Sprite, pick
from instseg.scenes.scene import (
    DRAWINGS,
    Placed,
    SceneConfig,
    developed,
    placed_instances,
)

FRAME_RATE = 25  # frames per second
KINDS = 4  # classes of one video
STEP = (0.006, 0.02)  # slowest and fastest way per frame, as a share of the shorter side
LONGEST_PAUSE = 20  # frames until another object enters after one has left

_SIDES = ((0, None), (1, None), (None, 0), (None, 1))  # left, right, top, bottom, as shares
_BACKGROUND, _STILL, _LANE, _CAMERA = range(4)  # independent random numbers of one video

Point: TypeAlias = NDArray[np.float64]  # x, y in pixels


@dataclass(frozen=True, kw_only=True)
class VideoFrame:
    """A frame and what is on it.

    Attributes:
        image: uint8 (H, W, 3), RGB.
        instances: Every pixel that is seen of every object, named by `CLASS_NAMES`, scores of 1.
        track_ids: int64 (N,), 1 and on: the same number is the same object in every frame.
    """

    image: NDArray[np.uint8]
    instances: Instances
    track_ids: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class _Actor:
    """An object that enters, crosses the picture and leaves.

    Attributes:
        path: Points (3, 2): where it enters, what it is drawn to, and where it leaves.
        start: Its first frame; negative for one that has come before the video begins.
        frames: How long its way is.
        depth: Those of greater depth are painted over it.
        look: Seed of its variant and colours.
    """

    name: str
    long_side_px: float
    path: NDArray[np.float64]
    start: int
    frames: int
    depth: float
    look: tuple[int, ...]

    def sprite(self, share: float) -> Sprite:
        """The object after this share (0..1) of its way: it sways, comes closer, goes away."""
        drawing: Drawing = DRAWINGS[self.name]
        rng = np.random.default_rng(self.look)
        sway, phase = rng.uniform(2, min(12, drawing.turn_deg)), rng.uniform(0, 2 * np.pi)
        turn = rng.uniform(-drawing.turn_deg, drawing.turn_deg)
        wave = np.sin(phase + 2 * np.pi * share * rng.uniform(0.5, 1.5))
        pen = Pen(
            self.long_side_px * (1 + 0.12 * wave),
            turn_deg=turn + sway * wave,
            mirrored=drawing.mirrors and rng.random() < 0.5,
        )
        light = rng.uniform(-0.4, 0.4)
        pick(rng, drawing.variants)(pen, rng)
        return pen.sprite(light=light)

    def placed(self, frame: int) -> tuple[Placed, Sprite]:
        """Its mask and its picture in a frame; the mask may reach over the border."""
        share = (frame - self.start) / self.frames
        weights = np.array([(1 - share) ** 2, 2 * share * (1 - share), share**2])
        x, y = weights @ self.path
        return _centred(self.name, self.sprite(share), x, y)


def _centred(name: str | None, sprite: Sprite, x: float, y: float) -> tuple[Placed, Sprite]:
    rows, columns = sprite.mask.shape
    top, left = round(y - rows / 2), round(x - columns / 2)
    return Placed(name, sprite.mask, top, left, int(np.count_nonzero(sprite.mask))), sprite


def draw_video(frames: int, config: SceneConfig | None = None) -> Iterator[VideoFrame]:
    """Draw the frames of a video, a function of the config and the number of the frame alone.

    Between the least and the most `objects` of the config are on their way at any time, on paths
    that lead through the middle of the picture: they cross, hide one another, leave, and others
    enter. Its `distractors` stand still, some of them before the objects. At most `KINDS` of its
    classes are used, so that objects of one class meet. `overlap`, `cut` and the limits of
    visibility are not used.
    """
    config = config or SceneConfig()
    actors = _cast(frames, config)
    still = _still(config)
    background = paint_background(_rng(config, _BACKGROUND), config.size_hw)
    for frame in range(frames):
        seen = [(0, depth, *each) for depth, each in still]
        seen += [
            (number, actor.depth, *actor.placed(frame))
            for number, actor in enumerate(actors, start=1)
            if actor.start <= frame <= actor.start + actor.frames
        ]
        seen.sort(key=lambda each: each[1])
        picture, visible = background.copy(), list[Placed]()
        for _, _, placed, sprite in seen:
            picture.paste(sprite.image, (placed.left, placed.top), sprite.alpha)
            visible = [*(old.without(placed) for old in visible), placed]
        visible = [each.inside(config.size_hw) for each in visible]
        rows = [i for i, each in enumerate(visible) if each.name and each.mask.any()]
        yield VideoFrame(
            image=developed(picture, _rng(config, _CAMERA), config.noise),
            instances=placed_instances([visible[i] for i in rows], config.size_hw),
            track_ids=np.array([seen[i][0] for i in rows], dtype=np.int64),
        )


def _rng(config: SceneConfig, *key: int) -> np.random.Generator:
    return np.random.default_rng([config.seed, 0, 2, *key])


def _still(config: SceneConfig) -> list[tuple[float, tuple[Placed, Sprite]]]:
    """The distractors with their depths."""
    rng = _rng(config, _STILL)
    height, width = config.size_hw
    placed = []
    for _ in range(int(rng.integers(config.distractors[0], config.distractors[1] + 1))):
        sprite = DISTRACTOR.sprite(rng, min(height, width) * rng.uniform(0.1, 0.3))
        x, y = rng.uniform((0, 0), (width, height))
        placed.append((rng.random(), _centred(None, sprite, x, y)))
    return placed


def _cast(frames: int, config: SceneConfig) -> list[_Actor]:
    """All objects of the video in the order in which they enter; more frames add to the end."""
    rng = _rng(config, _LANE)
    kinds = rng.permutation(sorted(set(config.classes)))[:KINDS].tolist()
    lanes = int(rng.integers(config.objects[0], config.objects[1] + 1))
    actors = [each for lane in range(lanes) for each in _lane(lane, frames, kinds, config)]
    return sorted(actors, key=lambda actor: (actor.start, actor.look))


def _lane(lane: int, frames: int, kinds: list[str], config: SceneConfig) -> Iterator[_Actor]:
    """Objects that follow one another, the first somewhere on its way in frame 0."""
    rng = _rng(config, _LANE, lane)
    shorter = min(config.size_hw)
    least_px, most_px = config.object_px or (shorter / 8, shorter / 3)
    start: int | None = None
    while start is None or start < frames:
        long_side_px = rng.uniform(least_px, most_px)
        path = _path(rng, config.size_hw, long_side_px)
        length = float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
        duration = max(2, round(length / (shorter * rng.uniform(*STEP))))
        if start is None:
            start = -round(duration * rng.uniform(0.2, 0.6))
        yield _Actor(
            name=pick(rng, kinds),
            long_side_px=long_side_px,
            path=path,
            start=start,
            frames=duration,
            depth=rng.random(),
            look=(config.seed, lane, int(rng.integers(2**31))),
        )
        start += duration + int(rng.integers(1, LONGEST_PAUSE + 1))


def _path(
    rng: np.random.Generator, size_hw: tuple[int, int], long_side_px: float
) -> NDArray[np.float64]:
    """From outside one side of the picture, drawn to its middle, to outside another side."""
    size = np.array(size_hw[::-1], dtype=np.float64)
    ends = []
    for side in rng.permutation(len(_SIDES))[:2]:
        along = rng.uniform(0.1, 0.9)
        x, y = (along if share is None else share for share in _SIDES[side])
        out = np.array([x, y]) * 2 - 1
        outward = np.where([share is None for share in _SIDES[side]], 0, out)
        ends.append(np.array([x, y]) * size + outward * 0.8 * long_side_px)
    middle = rng.uniform(0.15, 0.85, 2) * size
    return np.stack([ends[0], middle, ends[1]])
