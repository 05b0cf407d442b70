"""The rules of the doctor: severity, repair and words of every code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
Fix = Literal["drop", "repair"]


@dataclass(frozen=True)
class Rule:
    """Severity, repair and words of one code; `{detail}` in the message is filled in."""

    severity: Severity
    fix: Fix | None
    message: str


RULES: dict[str, Rule] = {
    # The document and its records
    "not-coco": Rule(
        "error",
        None,
        "the document is {detail}, not an object with images, annotations and categories; "
        "export it as COCO instances",
    ),
    "section-missing": Rule(
        "error", "repair", "{detail} missing or not a list; export the dataset again"
    ),
    "number-form": Rule(
        "warning", "repair", "numbers written as text or as 1.0, read as numbers: {detail}"
    ),
    "id-form": Rule(
        "warning",
        "repair",
        "ids that are not whole numbers, such as text: replaced by new numbers, the old ids are "
        "kept as original_id",
    ),
    "name-form": Rule(
        "warning", "repair", "names that are numbers or only part of a URL, read as {detail}"
    ),
    "size-form": Rule(
        "warning",
        "repair",
        "images without width and height, which their photos tell; other programs need them",
    ),
    "record-not-object": Rule(
        "error", "drop", "records that are not objects, for example {detail}"
    ),
    "key-missing": Rule("error", "repair", "records that lack {detail}"),
    "key-type": Rule("error", "repair", "records with a value of a wrong type: {detail}"),
    "image-id-twice": Rule(
        "error",
        "drop",
        "images with the id of another image: their annotations cannot be told apart",
    ),
    "annotation-id-twice": Rule("error", "repair", "annotations with the id of another annotation"),
    "annotation-id-zero": Rule(
        "warning",
        "repair",
        "annotation with id 0, which pycocotools treats as not found: number from 1",
    ),
    "category-id-twice": Rule("error", "drop", "categories with the id of another category"),
    "category-name-twice": Rule(
        "error", "repair", "categories whose name another one has ({detail}): one class in two"
    ),
    "category-name-alike": Rule(
        "warning",
        None,
        "categories whose names differ only in capitals or blanks: {detail}; one class in several?",
    ),
    "category-bg": Rule(
        "error",
        "repair",
        "a category called BG, instseg's name for the background: rename it, or leave it out",
    ),
    "category-background": Rule(
        "warning",
        None,
        "a category called {detail}: its objects are trained like those of any class; leave it "
        "out if it means the background",
    ),
    "file-name-twice": Rule(
        "error",
        "repair",
        "images whose file another image record names too ({detail}): each has the other's "
        "objects as background",
    ),
    "unknown-image": Rule("error", "drop", "annotations of images that are not in the file"),
    "unknown-category": Rule(
        "error", "drop", "annotations of categories that are not in the file ({detail})"
    ),
    "labelled-form": Rule(
        "warning",
        "repair",
        "images whose labelled is not a list of names, or LVIS' fields no lists of ids ({detail}): "
        "not used by training; repaired, they are null",
    ),
    "searched-form": Rule(
        "warning",
        "repair",
        "searched is {detail}, not a list of class names: not used by training",
    ),
    # Photos
    "file-outside-folder": Rule(
        "error", "drop", "file names that lead out of the folder of photos, not opened: {detail}"
    ),
    "photo-renamed": Rule(
        "error",
        "repair",
        "photos whose file has a slightly different name (slashes, %20, capitals, accents, "
        "folders): {detail}",
    ),
    "photo-ambiguous": Rule(
        "error",
        "drop",
        "photos that are not in the folder, and whose name almost matches several files, or "
        "the file of another image: {detail}",
    ),
    "photo-missing": Rule("error", "drop", "photos that are not in the folder: {detail}"),
    "photo-unreadable": Rule("error", "drop", "photos that cannot be read: {detail}"),
    "size-exif": Rule(
        "error",
        "repair",
        "the stated size is that of the photo before its EXIF rotation ({detail}): instseg then "
        "takes the photo unrotated, most programs do not; state the rotated size, and rotate the "
        "masks",
    ),
    "exif-stored": Rule(
        "error",
        "repair",
        "photos with an EXIF rotation that keeps their size, in a set that was annotated on the "
        "unrotated photos, as size-exif shows: {detail}; rotate their masks too",
    ),
    "size-swapped": Rule("error", "repair", "width and height are exchanged: {detail}"),
    "size-other": Rule(
        "error",
        "drop",
        "the photo is of another size than stated, so its masks do not fit: {detail}",
    ),
    "exif-rotation": Rule(
        "note",
        None,
        "photos with an EXIF rotation that fits the stated size; programs that ignore EXIF will "
        "see them unrotated",
    ),
    "image-too-large": Rule(
        "error", "drop", "images of more pixels than instseg reads ({detail}); make them smaller"
    ),
    "image-size-unusual": Rule(
        "warning", None, "images of unusual size or shape: {detail}; is that intended?"
    ),
    "photo-twice": Rule(
        "warning", None, "photos that are, byte for byte, another photo of the set: {detail}"
    ),
    "photo-similar": Rule(
        "note",
        None,
        "photos that look like another photo of the set: {detail}; copies, or a burst?",
    ),
    "photo-in-val": Rule(
        "error",
        "drop",
        "photos that are in the validation set too: {detail}; its scores will be too good",
    ),
    "photo-like-val": Rule(
        "warning", None, "photos that look like one of the validation set: {detail}"
    ),
    # Boxes
    "box-form": Rule(
        "warning",
        "repair",
        "boxes that are text, in a list, dicts or corners, read as [x, y, width, height]",
    ),
    "box-missing": Rule("error", "repair", "annotations without a box of four finite numbers"),
    "box-degenerate": Rule("error", "repair", "boxes with a width or height of 0 or less"),
    "box-xyxy": Rule(
        "error", "repair", "boxes written as x0, y0, x1, y1; COCO's are x, y, width, height"
    ),
    "box-relative": Rule(
        "error", "repair", "boxes in units of the image's size (0 to 1); COCO's are in pixels"
    ),
    "box-negative": Rule("warning", "repair", "boxes that begin left of or above the image"),
    "box-outside": Rule(
        "warning", "repair", "boxes that reach over the image's right or lower end"
    ),
    "box-mask-differ": Rule(
        "error",
        None,
        "boxes and masks disagree in nearly all annotations (IoU below 0.5), so neither is "
        "changed: do they belong to the same photos, and are both in pixels?",
    ),
    "box-not-mask": Rule(
        "error", "repair", "boxes that do not match their masks (IoU below 0.5): which is right?"
    ),
    "box-loose": Rule(
        "warning", "repair", "boxes that match their masks badly (IoU below 0.9, 2 pixels or more)"
    ),
    # Masks
    "mask-missing": Rule(
        "error",
        "drop",
        "annotations with neither a box nor a mask, or with a mask of no known form",
    ),
    "box-only": Rule(
        "warning",
        None,
        "annotations with a box and no mask; finetune trains boxes on them, masks by their "
        "labelled points or with --box-supervision, and nothing else can use them",
    ),
    "points-form": Rule(
        "error",
        "repair",
        "point_coords and point_labels that are not [[x, y], ...] and as many of 1 or 0: {detail}",
    ),
    "points-outside": Rule(
        "warning",
        "repair",
        "labelled points outside their box or image, which training does not use: in pixels?",
    ),
    "mask-form": Rule(
        "warning",
        "repair",
        "masks written in another form (RLE in a list, points as pairs or dicts, text, two corners "
        "of a rectangle), read as polygons or RLE",
    ),
    "polygon-flat": Rule(
        "warning", "repair", "masks written as one flat list; COCO has a list of polygons"
    ),
    "polygon-broken": Rule(
        "error", "repair", "polygons that are not a list of finite numbers, for example {detail}"
    ),
    "polygon-odd": Rule("error", "repair", "polygons with an odd number of coordinates"),
    "polygon-short": Rule("error", "repair", "polygons of fewer than three points"),
    "polygon-relative": Rule(
        "error", "repair", "polygons in units of the image's size (0 to 1); COCO's are in pixels"
    ),
    "mask-exchanged": Rule(
        "error",
        "repair",
        "masks whose x and y are exchanged, as the boxes of all annotations show",
    ),
    "polygon-long": Rule(
        "error", "drop", "polygons of a longer outline than can be drawn ({detail})"
    ),
    "polygon-far-outside": Rule(
        "error",
        "repair",
        "polygons more than an image's size away from the image: were they drawn at another size?",
    ),
    "polygon-outside": Rule(
        "warning", "repair", "polygons that reach over the image's border by more than a pixel"
    ),
    "polygon-crosses": Rule(
        "note", None, "polygons whose outline crosses itself; what it encloses may be a surprise"
    ),
    "rle-broken": Rule("error", "drop", "RLE masks without a size and counts of whole numbers"),
    "rle-runs": Rule("error", "drop", "RLE masks whose runs do not fit their image: {detail}"),
    "rle-size": Rule("error", "drop", "RLE masks of another size than their image: {detail}"),
    "mask-empty": Rule("error", "drop", "masks that cover no pixel of their image"),
    "score-form": Rule(
        "warning",
        "repair",
        "scores that are not numbers from 0 to 1, for example {detail}: not used, as if people had "
        "drawn these objects; repaired, they are null",
    ),
    "area-missing": Rule("error", "repair", "annotations without an area of 0 or more"),
    "area-off": Rule(
        "warning", "repair", "areas that are not the mask's: {detail}; AP by size sorts by them"
    ),
    "crowd-missing": Rule("warning", "repair", "annotations without iscrowd, taken for objects"),
    "crowd-value": Rule("error", "repair", "annotations whose iscrowd is neither 0 nor 1"),
    "crowd-all": Rule(
        "error",
        "repair",
        "every annotation is flagged as a crowd, which training leaves out: set iscrowd to 0",
    ),
    "crowd-many": Rule(
        "warning",
        None,
        "many objects flagged as crowds ({detail}), which training leaves out: set by the tool? "
        "Repair with --clear-crowds (clear_crowds=True) to make them objects",
    ),
    "crowd-polygon": Rule(
        "warning",
        "repair",
        "crowds with polygons: training leaves them out; set iscrowd to 0 if they are single "
        "objects, otherwise write them as RLE",
    ),
    "annotation-twice": Rule(
        "warning", "drop", "objects annotated twice (same class, mask IoU above 0.95): {detail}"
    ),
    # Classes and the dataset as a whole
    "no-objects": Rule("warning", None, "no objects at all: nothing to learn from"),
    "images-empty": Rule("note", None, "images without annotations, used as pure background"),
    "class-few": Rule("warning", None, "classes of fewer than 10 objects: {detail}"),
    "class-empty": Rule("note", None, "classes without objects: {detail}"),
    "class-not-in-val": Rule("warning", None, "classes without objects to validate on: {detail}"),
    "class-not-in-train": Rule(
        "warning", None, "classes of the validation set without objects to train on: {detail}"
    ),
    "categories-differ": Rule(
        "warning", None, "categories that differ from the validation set's: {detail}"
    ),
}
