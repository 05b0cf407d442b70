// @ts-check
// Objects as vector outlines over a photo; each is one path.

const galleryPicture = (() => {
  "use strict";
  const LABEL_PX = 13;
  /** Colours on photos, the same in both themes. @type {Record<string, string>} */
  const MARK_COLORS = {
    "": "#4dabf7",
    hit: "#40c057",
    "false positive": "#ff3b3b",
    miss: "#ffd43b",
    "wrong class": "#da77f2",
    "badly placed": "#4dabf7",
    duplicate: "#ff922b",
  };
  const index = galleryData.index;

  /**
   * @param {string} name
   * @param {Record<string, string | number>} attributes
   * @returns {SVGElement}
   */
  function element(name, attributes) {
    const space = document.getElementById("gallery-picture")?.namespaceURI || null;
    const made = /** @type {SVGElement} */ (document.createElementNS(space, name));
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, String(value)));
    return made;
  }

  /** @param {Thing} thing @param {number} row */
  function color(thing, row) {
    switch (galleryState.state.colors) {
      case "mark":
        return MARK_COLORS[thing.mark || ""];
      case "object": // hues by the golden angle are far apart
        return `hsl(${Math.round(row * 137.5) % 360} 90% ${55 + (row % 3) * 8}%)`;
      default:
        return index ? index.colors[thing.class] : "";
    }
  }

  /** @param {Thing} thing @returns {string} */
  function describe(thing) {
    const name = index ? index.classes[thing.class] : "";
    const told = thing.mark && thing.mark !== "hit" ? `${thing.mark}: ` : "";
    return `${told}${name} ${thing.score < 1 ? thing.score.toFixed(2) : ""}`.trim();
  }

  /** The name of a mark as part of a name of a class. @param {string} mark */
  const slug = (mark) => mark.replaceAll(" ", "-");

  /**
   * Thumbnail outlines: one path for each class.
   * @param {number} place
   * @returns {SVGElement}
   */
  function overlay(place) {
    const { photos, thumbnailPx } = /** @type {GalleryIndex} */ (index);
    const photo = photos[place];
    const scale = Math.min(1, thumbnailPx / Math.max(photo.width, photo.height));
    const box = `0 0 ${photo.width * scale} ${photo.height * scale}`;
    const svg = element("svg", { viewBox: box, "aria-hidden": "true" });
    /** @type {Map<number, string>} */
    const byClass = new Map();
    if (!galleryState.state.hiddenLayers.has(index?.main || index?.layers[0] || "")) {
      for (const row of galleryState.rows(place)) {
        const classId = photo.classes[row];
        byClass.set(classId, (byClass.get(classId) || "") + photo.paths[row]);
      }
    }
    byClass.forEach((path, classId) => {
      const drawn = element("path", { d: path });
      drawn.style.setProperty("--object", index ? index.colors[classId] : "");
      svg.append(drawn);
    });
    return svg;
  }

  /**
   * Draw a photo and its objects.
   * @param {SVGElement} svg
   * @param {number} place
   * @param {PhotoRecord} record
   */
  function draw(svg, place, record) {
    const { width, height } = /** @type {GalleryIndex} */ (index).photos[place];
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const image = element("image", { width, height, preserveAspectRatio: "none" });
    image.setAttribute("href", galleryData.picture(place));
    const objects = element("g", { class: "gallery-shapes" });
    const labels = element("g", { class: "gallery-texts", "aria-hidden": "true" });
    const main = galleryData.mainLayer(record);
    /** @type {{path: SVGElement, area: number}[]} */
    const paths = [];
    record.layers.forEach((layer, number) => {
      const other = layer === main ? "" : "other ";
      layer.objects.forEach((thing, row) => {
        const id = `${number}-${row}`;
        const names = other + (thing.mark ? `mark-${slug(thing.mark)}` : "");
        const path = element("path", { d: thing.path, class: names, "data-object": id });
        path.append(element("title", {}));
        /** @type {Element} */ (path.firstChild).textContent = describe(thing);
        paths.push({ path, area: thing.area });
        const [x, y, , high] = thing.box;
        const place = { x, y: other ? y + high : y, class: other, "data-object": id };
        const text = element("text", place);
        text.textContent = describe(thing);
        labels.append(text);
      });
    });
    paths.sort((a, b) => b.area - a.area); // small ones are on top
    objects.append(...paths.map((each) => each.path));
    svg.replaceChildren(image, objects, labels);
  }

  /**
   * Show and colour the objects as the filters say.
   * @param {SVGElement} svg
   * @param {number} place
   * @param {PhotoRecord} record
   * @returns {number} How many are shown.
   */
  function refresh(svg, place, record) {
    const { style, opacity, labels } = galleryState.state;
    const fills = style === "fills" || style === "both";
    svg.dataset.style = style;
    svg.style.setProperty("--fill", String(fills ? opacity : 0));
    svg.style.setProperty("--line", String(style === "outlines" ? Math.max(0.1, opacity * 2) : 1));
    let count = 0;
    for (const each of svg.querySelectorAll("[data-object]")) {
      const [number, row] = (each.getAttribute("data-object") || "").split("-").map(Number);
      const layer = record.layers[number];
      const thing = layer.objects[row];
      const isText = each.tagName === "text";
      const shown = galleryState.isShown(place, layer.name, row, thing);
      each.classList.toggle("off", !shown || (isText && !(labels && isLabelled(record, layer, thing))));
      /** @type {SVGElement} */ (each).style.setProperty("--object", color(thing, row));
      count += Number(shown && !isText);
    }
    scaleLabels(svg);
    return count;
  }

  /** Of layers beside the main one only what it lacks has a label. @param {PhotoRecord} record @param {PhotoLayer} layer @param {Thing} thing */
  function isLabelled(record, layer, thing) {
    const { style, hiddenLayers } = galleryState.state;
    const main = galleryData.mainLayer(record);
    const alone = layer === main || (main && hiddenLayers.has(main.name));
    return style !== "none" && (alone || Boolean(thing.mark && thing.mark !== "hit"));
  }

  /** Labels keep their size on the screen at any zoom. @param {SVGElement} svg */
  function scaleLabels(svg) {
    const box = /** @type {SVGSVGElement} */ (svg).viewBox.baseVal;
    const screen = svg.getBoundingClientRect();
    const perPx = Math.max(box.width / (screen.width || 1), box.height / (screen.height || 1));
    svg.querySelector(".gallery-texts")?.setAttribute("font-size", String(LABEL_PX * perPx));
    for (const text of svg.querySelectorAll("text")) {
      const top = Number(text.getAttribute("y"));
      const below = text.classList.contains("other") || top < LABEL_PX * perPx;
      text.setAttribute("dy", below ? "1em" : "-0.25em");
    }
    const image = svg.querySelector("image");
    image?.classList.toggle("pixels", perPx < 0.2);
  }

  return { MARK_COLORS, color, describe, draw, element, overlay, refresh, scaleLabels, slug };
})();
