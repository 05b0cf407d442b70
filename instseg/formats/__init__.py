"""Labels of other tools: each file is one format, which reads and writes a COCO document.

To add a format, say `via`:

1. Write `instseg/formats/via.py`, numpy only, with a `Format` object called `FORMAT`
   (see `format.py`):

   - `recognises(path)`: whether a file or folder is of this format, by looking at its content, in
     milliseconds. It never raises: what cannot be read is of no format. More special formats stand
     earlier in `registry.py`.
   - `read(path, reading)`: the labels, as `Labels` (see `labels.py`). `Builder` collects images,
     classes and objects, and gives ids where the file has none; `builder.note(text, where)` counts
     what cannot be kept, which becomes one line each. One broken object is left out and noted; a
     file that is not of the format at all raises `InputError`.
     Boxes and areas may be missing: the frame measures them.
   - `write(labels, folder, writing)`: files in an empty folder, which replaces the output only if
     all went well. Photos are named by `photo_names`, which gives each its own stem, and placed by
     `place_photo`, where the format demands them. `shaped` gives the objects that can be drawn.
   - `loses`: what the format cannot hold, and what becomes of it, in words: `{"crowds": "left
     out"}`. The frame counts these in the labels before it calls `write`, tells the user, and the
     table in `docs/data.md` shows them. Features are listed in `format.py`; what is not in `loses`
     must come back from `read(write(labels))`.
   - `file`: for a format of one file, its name within the folder; then OUT may be a file as well.

2. Add its name to `FormatName` in `registry.py`.

3. Add `tests/formats/test_via.py`: a round trip by `tests/round_trip.py`, and files made to
   the published layout of the tool, odd ones included, one test each. Add a line to `docs/data.md`.

Geometry is shared: `shapes.py` turns an annotation into a mask, into parts with their holes, or
into one ring with bridges, and rings or a mask back into a segmentation. Every one of these is
exact: pycocotools rasterises what is written to the same pixels. Coordinates are pixels from the
upper left corner of the photo, as in COCO: the first pixel covers 0..1.

Files come from strangers: paths in them stay inside their folder (`inside`), and XML is read by
`files/xml_file.py`, which refuses entities.
"""
