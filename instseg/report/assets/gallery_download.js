// @ts-check
// What is shown, as files: a COCO document and a CSV table.

const galleryDownload = (() => {
  "use strict";
  const index = galleryData.index;

  /** @param {string} name @param {string} type @param {string[]} parts */
  function save(name, type, parts) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(parts, { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  const imageId = (/** @type {number} */ place) =>
    /** @type {GalleryIndex} */ (index).photos[place].id ?? place + 1;

  /** A COCO document of the main layer; masks are compressed RLE, exact to the pixel. */
  async function coco() {
    const { photos, classes, categories } = /** @type {GalleryIndex} */ (index);
    const places = [...galleryState.shown()].sort((a, b) => a - b);
    const images = places.map((place) => ({
      id: imageId(place),
      file_name: photos[place].name,
      width: photos[place].width,
      height: photos[place].height,
    }));
    /** @type {string[]} */
    const annotations = [];
    for (const place of places) {
      const layer = galleryData.mainLayer(await galleryData.record(place));
      const size = [photos[place].height, photos[place].width];
      layer?.objects.forEach((thing, row) => {
        const on = galleryState.isOn(thing.class, thing.score);
        if (on && !galleryState.isHidden(place, layer.name, row)) {
          annotations.push(JSON.stringify({
            id: annotations.length + 1,
            image_id: imageId(place),
            category_id: categories[thing.class],
            segmentation: { size, counts: thing.rle },
            area: thing.area,
            bbox: thing.box,
            score: thing.score,
            iscrowd: 0,
          }));
        }
      });
    }
    const info = { description: `instances shown in the report "${document.title}"` };
    const named = classes.slice(1).map((name, i) => ({ id: categories[i + 1], name }));
    const head = JSON.stringify({ info, categories: named, images }).slice(0, -1);
    save("instances.json", "application/json", [
      `${head},\n"annotations":[\n`, annotations.join(",\n"), "]}\n",
    ]);
  }

  /** A cell of a table; what a spreadsheet would take for a formula becomes text. @param {unknown} value */
  function cell(value) {
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : `${value ?? ""}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  async function csv() {
    const { photos, classes, categories, unit } = /** @type {GalleryIndex} */ (index);
    const columns = ["file_name", "layer", "instance", "class", "category_id", "score", "area_px"];
    columns.push(...(unit ? [`area_${unit}2`] : []), "box_x1", "box_y1", "box_x2", "box_y2");
    columns.push("mark", "note", "key");
    const lines = [columns.map(cell).join(",")];
    for (const place of galleryState.shown()) {
      const record = await galleryData.record(place);
      for (const layer of record.layers) {
        layer.objects.forEach((thing, row) => {
          if (galleryState.isShown(place, layer.name, row, thing)) {
            const [x, y, width, height] = thing.box;
            const cells = [photos[place].name, layer.name, row, classes[thing.class]];
            cells.push(categories[thing.class], thing.score, thing.area);
            cells.push(...(unit ? [String(galleryUnits.realArea(thing.area))] : []), x, y);
            const far = [x + width, y + height].map((side) => Number(side.toFixed(3)));
            const words = [thing.mark, thing.note, thing.key];
            lines.push([...cells, ...far, ...words].map(cell).join(","));
          }
        });
      }
    }
    save("instances.csv", "text/csv", [lines.join("\r\n"), "\r\n"]);
  }

  return { coco, csv, save };
})();
