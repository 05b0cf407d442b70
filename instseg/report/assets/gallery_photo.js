// @ts-check
// The view of one photo: `#photo-12` opens the twelfth.

const galleryPhoto = (() => {
  "use strict";
  const index = galleryData.index;
  const found = document.getElementById("gallery-photo");
  if (!(found instanceof HTMLDialogElement) || !index) {
    return null;
  }
  const dialog = found;
  const get = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
  const svg = /** @type {SVGSVGElement} */ (/** @type {unknown} */ (get("gallery-picture")));
  const zoom = galleryZoom(svg, () => galleryPicture.scaleLabels(svg));
  const [head, body] = [...get("gallery-objects").children].slice(1);
  let place = -1;
  /** @type {PhotoRecord} */
  let record = { layers: [], lines: [] };

  /** @param {string} name @param {string} [text] */
  function make(name, text) {
    const made = document.createElement(name);
    made.textContent = text ?? "";
    return made;
  }

  /** @returns {{title: string, isNumber: boolean, value: (thing: Thing, layer: string) => string}[]} */
  function columns() {
    const things = record.layers.flatMap((layer) => layer.objects);
    const { number, px, realArea } = galleryUnits;
    const unit = index?.unit;
    /** @type {(title: string, value: (thing: Thing, layer: string) => string, isNumber?: boolean) => any} */
    const column = (title, value, isNumber = false) => ({ title, value, isNumber });
    return [
      ...(record.layers.length > 1 ? [column("layer", (_, layer) => layer)] : []),
      ...(things.some((each) => each.mark) ? [column("mark", (each) => each.mark || "")] : []),
      column("score", (each) => each.score.toFixed(3), true),
      column("area (px)", (each) => px(each.area), true),
      ...(unit ? [column(`area (${unit}²)`, (each) => number(realArea(each.area) || 0), true)] : []),
      column("x, y, width, height (px)", (each) => each.box.map(px).join(", "), true),
      ...(unit
        ? [
            column(`size (${unit})`, (each) =>
              each.box.slice(2).map((px) => number(px * (index?.unitPerPx || 0))).join(" × "), true),
          ]
        : []),
      ...(things.some((each) => each.note) ? [column("note", (each) => each.note || "")] : []),
      ...(things.some((each) => each.key !== undefined)
        ? [column("id", (each) => String(each.key ?? ""))]
        : []),
    ];
  }

  function fillTable() {
    const all = columns();
    const titles = document.createElement("tr");
    titles.append(...["object", ...all.map((each) => each.title)].map((title, i) => {
      const cell = make("th", title);
      cell.setAttribute("scope", "col");
      cell.classList.toggle("number", i > 0 && all[i - 1].isNumber);
      return cell;
    }));
    head.replaceChildren(titles);
    body.replaceChildren(...record.layers.flatMap((layer, number) =>
      layer.objects.map((thing, row) => {
        const line = document.createElement("tr");
        line.dataset.object = `${number}-${row}`;
        const label = make("label");
        const box = document.createElement("input");
        box.type = "checkbox";
        const swatch = make("span");
        swatch.className = "swatch";
        label.append(box, swatch, `${index?.classes[thing.class]}`);
        const first = make("th");
        first.setAttribute("scope", "row");
        first.append(label);
        line.append(first, ...all.map((each) => {
          const cell = make("td", each.value(thing, layer.name));
          cell.classList.toggle("number", each.isNumber);
          return cell;
        }));
        return line;
      }),
    ));
  }

  /** @param {string | undefined} id */
  function parts(id) {
    const [number, row] = (id || "").split("-").map(Number);
    const layer = record.layers[number];
    return { layer, row, thing: layer?.objects[row] };
  }

  function refresh() {
    if (!dialog.open) {
      return;
    }
    const shown = galleryPicture.refresh(svg, place, record);
    const all = record.layers.reduce((sum, layer) => sum + layer.objects.length, 0);
    get("gallery-status").textContent = `${shown} of ${all} object${all === 1 ? "" : "s"} shown`;
    for (const line of /** @type {NodeListOf<HTMLElement>} */ (body.querySelectorAll("tr"))) {
      const { layer, row, thing } = parts(line.dataset.object);
      const box = /** @type {HTMLInputElement} */ (line.querySelector("input"));
      box.checked = !galleryState.isHidden(place, layer.name, row);
      line.hidden = galleryState.state.hiddenLayers.has(layer.name) || !galleryState.isOn(thing.class, thing.score);
      const swatch = /** @type {HTMLElement} */ (line.querySelector(".swatch"));
      swatch.style.setProperty("--object", galleryPicture.color(thing, row));
    }
    const order = galleryState.shown();
    const at = order.indexOf(place);
    get("gallery-place").textContent = at < 0 ? "not in the selection" : `${at + 1} of ${order.length}`;
  }

  function fillTexts() {
    const photo = /** @type {GalleryIndex} */ (index).photos[place];
    get("gallery-name").textContent = photo.name;
    const values = [["size", `${photo.width} × ${photo.height} px`]];
    if (index?.unitPerPx) {
      const sides = [photo.width, photo.height].map((px) => galleryUnits.number(px * (index?.unitPerPx || 0)));
      values.push(["real size", `${sides.join(" × ")} ${index.unit}`]);
    }
    Object.entries(photo.values).forEach(([name, value]) => values.push([name, galleryUnits.number(value)]));
    const tags = photo.tags.filter((tag) => !tag.startsWith("cell:"));
    if (tags.length) {
      values.push(["tags", tags.join(", ")]);
    }
    get("gallery-values").replaceChildren(...values.map(([name, value]) => {
      const pair = make("div");
      pair.append(make("dt", name), make("dd", value));
      return pair;
    }));
    get("gallery-lines").replaceChildren(...record.lines.map((line) => make("li", line)));
    const marks = new Set(record.layers.flatMap((layer) => layer.objects.map((each) => each.mark || "")));
    marks.delete("");
    get("gallery-legend").hidden = !marks.size;
    get("gallery-legend").replaceChildren(...[...marks].map((mark) => {
      const item = make("li");
      const line = galleryPicture.element("svg", { viewBox: "0 0 36 12", "aria-hidden": "true" });
      const path = galleryPicture.element("path", { d: "M2 6h32", class: `mark-${galleryPicture.slug(mark)}` });
      path.style.setProperty("--object", galleryPicture.MARK_COLORS[mark]);
      line.append(path);
      item.append(line, mark);
      return item;
    }));
  }

  /** @param {number} next */
  async function open(next) {
    place = next;
    if (!dialog.open) {
      get("gallery-filters-photo").append(get("gallery-filters"));
      dialog.showModal();
    }
    get("gallery-name").focus();
    try {
      const loaded = await galleryData.record(next);
      if (place !== next) {
        return; // another one was opened meanwhile
      }
      record = loaded;
    } catch (problem) {
      record = { layers: [], lines: [String(/** @type {Error} */ (problem).message)] };
    }
    galleryPicture.draw(svg, place, record);
    zoom.reset(/** @type {GalleryIndex} */ (index).photos[place]);
    fillTable();
    fillTexts();
    refresh();
    const detail = { place, name: index?.photos[place].name, record, extra: get("gallery-photo-extra") };
    document.dispatchEvent(new CustomEvent("instseg:photo", { detail }));
  }

  /** @param {number} by */
  function step(by) {
    const order = galleryState.shown();
    const at = order.indexOf(place);
    const next = at < 0 ? order[0] : order[at + by];
    if (next !== undefined) {
      history.replaceState(null, "", `#photo-${next + 1}`);
      open(next);
    }
  }

  function follow() {
    const number = Number(/^#photo-(\d+)$/.exec(location.hash)?.[1]);
    if (number >= 1 && number <= /** @type {GalleryIndex} */ (index).photos.length) {
      open(number - 1);
    } else if (dialog.open) {
      dialog.close();
    }
  }

  dialog.addEventListener("close", () => {
    get("gallery-filters-home").append(get("gallery-filters"));
    if (location.hash.startsWith("#photo-")) {
      history.replaceState(null, "", location.href.split("#")[0]);
    }
    galleryList?.reveal(place);
    svg.replaceChildren();
    place = -1;
  });

  /** @param {string | null | undefined} id @param {boolean} on */
  function highlight(id, on) {
    dialog.querySelectorAll(`[data-object="${id}"]`).forEach((each) => each.classList.toggle("active", on));
  }
  for (const part of [svg, body]) {
    const idOf = (/** @type {Event} */ event) =>
      event.target instanceof Element && event.target.closest("[data-object]")?.getAttribute("data-object");
    for (const [name, on] of /** @type {[string, boolean][]} */ ([
      ["pointerover", true], ["pointerout", false], ["focusin", true], ["focusout", false],
    ])) {
      part.addEventListener(name, (event) => {
        const id = idOf(event);
        if (id) {
          highlight(id, on);
        }
      });
    }
  }
  svg.addEventListener("click", (event) => {
    const path = event.target instanceof Element ? event.target.closest("path[data-object]") : null;
    if (path && !zoom.wasDragged()) {
      const { layer, row } = parts(path.getAttribute("data-object") || "");
      galleryState.setHidden(place, layer.name, row, true);
    }
  });
  body.addEventListener("change", (event) => {
    const box = /** @type {HTMLInputElement} */ (event.target);
    const { layer, row } = parts(/** @type {HTMLElement} */ (box.closest("tr")).dataset.object);
    galleryState.setHidden(place, layer.name, row, !box.checked);
  });

  get("gallery-previous").addEventListener("click", () => step(-1));
  get("gallery-next").addEventListener("click", () => step(1));
  get("gallery-close").addEventListener("click", () => dialog.close());
  get("gallery-zoom-in").addEventListener("click", () => zoom.zoom(1.5));
  get("gallery-zoom-out").addEventListener("click", () => zoom.zoom(1 / 1.5));
  get("gallery-zoom-reset").addEventListener("click", () => zoom.reset());
  new ResizeObserver(() => galleryPicture.scaleLabels(svg)).observe(svg);
  galleryState.listen(refresh);

  return { dialog, step, follow, zoom, current: () => place };
})();
