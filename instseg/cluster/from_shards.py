"""What `infer` writes of photos, made from shards."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from instseg.cluster.options import ShardsOptions
from instseg.core.errors import InputError
from instseg.core.events import told
from instseg.files.coco_json import match_image_ids, read_image_ids
from instseg.files.instances_csv import CsvWriter
from instseg.files.results import PredictionWriter, write_class_names
from instseg.files.shards import Shards
from instseg.predict.photos import NamedPhoto, name_pictures
from instseg.predict.pictures import Pictures
from instseg.predict.report import PixelSize, write_report


def write_from_shards(shards: Shards, out: Path, options: ShardsOptions) -> list[Path]:
    """Write what the options ask for; returns the files and folders.

    Raises:
        InputError: A shard is damaged, a file cannot be written, or `coco_json` lacks a photo.
    """
    files = []
    if options.predictions_json:
        files.append(_write_predictions(shards, out, options))
    if options.csv:
        files.append(out / "instances.csv")
        with CsvWriter(files[-1], shards.header.category_ids) as table:
            for name, found in told(shards.found(), options.on_event, "writing instances.csv"):
                table.add(name, found)
    if options.semantic_map:
        files.append(_write_semantic_maps(shards, out, options))
    if options.report:
        files.append(_write_report(shards, out, options))
    return files


def _write_predictions(shards: Shards, out: Path, options: ShardsOptions) -> Path:
    header = shards.header
    known = options.coco_json
    names = [photo.name for photo in shards] if known else []
    ids = match_image_ids(read_image_ids(Path(known)), names) if known else {}
    with PredictionWriter(
        out,
        header.class_names,
        header.category_ids,
        polygons=options.polygons,
        made_by=header.info,
    ) as predictions:
        for name, found in told(shards.found(), options.on_event, "writing predictions.json"):
            if known and name not in ids:
                raise InputError(f"{name}: has no image id in {known}")
            predictions.add(name, found.size_hw, found, ids.get(name))
    return out / "predictions.json"


def _write_semantic_maps(shards: Shards, out: Path, options: ShardsOptions) -> Path:
    from instseg.files.results import write_semantic_map

    pictures = Pictures(
        overlay=False,
        semantic_map=True,
        rule=options.overlap_rule,
        priority=options.class_priority,
    )
    names = shards.header.class_names
    pictures.check(names)
    folder = out / "labels"
    write_class_names(folder / "classes.json", names)
    stems = name_pictures([photo.name for photo in shards])
    for name, found in told(shards.found(), options.on_event, "writing semantic maps"):
        write_semantic_map(folder / f"{stems[name]}.png", pictures.labels(found), names)
    return folder


def _write_report(shards: Shards, out: Path, options: ShardsOptions) -> Path:
    size = options.pixel_size
    rows = [(photo.name, photo.path, photo.error) for photo in shards]
    photos = [NamedPhoto(path=Path(path), name=name, picture=name) for name, path, _ in rows]
    write_report(
        out / "report.html",
        shards.records,
        nullcontext,
        photos,
        {name: error for name, _, error in rows if error is not None},
        class_names=shards.header.class_names,
        category_ids=shards.header.category_ids,
        made_by={k: shards.header.info[k] for k in ("weights", "architecture", "score_threshold")},
        embed=options.embed,
        pixel_size=None if size is None else PixelSize.parse(size),
        on_event=options.on_event,
    )
    return out / "report.html"
