// @ts-check
// The controls of the gallery.

(() => {
  "use strict";
  const index = galleryData.index;
  const list = galleryList;
  if (!index || !list) {
    return;
  }
  const { state } = galleryState;
  const get = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
  const input = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (get(id));
  const select = (/** @type {string} */ id) => /** @type {HTMLSelectElement} */ (get(id));

  /** @param {string} value @param {string} text */
  const option = (value, text) => new Option(text, value);

  const sorts = [["name", "name"], ["count", "number of objects"], ["score", "best score"]];
  sorts.push(["class", "class"], ["area", "total area"]);
  index.values.forEach((name) => sorts.push([`value:${name}`, name]));
  select("gallery-sort").append(...sorts.map(([value, text]) => option(value, text)));
  const wanted = index.sort.replace(/^-/, "");
  const first = sorts.find(([value]) => value === `value:${wanted}` || value === wanted);
  if (first) {
    state.sort = first[0];
    state.descending = index.sort.startsWith("-");
  }

  /** The tags that can be chosen; those of cells of a matrix come when they are. */
  function fillTags() {
    const tags = Object.keys(index?.tags || {}).filter((tag) => !tag.startsWith("cell:") || tag === state.tag);
    const words = (/** @type {string} */ tag) => {
      const [, row, column] = /^cell:([^:]*):(.*)$/.exec(tag) || [];
      return row === undefined ? tag : `${row} → ${column}`;
    };
    const options = tags.map((tag) => option(tag, `${words(tag)} (${index?.tags[tag]})`));
    select("gallery-tag").replaceChildren(option("", `all photos (${index?.photos.length})`), ...options);
    select("gallery-tag").value = state.tag;
    get("gallery-tag-field").hidden = !options.length;
  }

  /** @type {Map<number, {item: HTMLElement, box: HTMLInputElement, count: HTMLElement}>} */
  const classRows = new Map();
  const present = new Set(index.photos.flatMap((photo) => [...photo.classes, ...photo.others]));

  function makeClasses() {
    const { byClass } = galleryState.totals();
    const order = [...present].sort((a, b) => byClass[b] - byClass[a] || a - b);
    get("gallery-classes").replaceChildren(...order.map((classId) => {
      const item = document.createElement("li");
      const label = document.createElement("label");
      const box = document.createElement("input");
      box.type = "checkbox";
      const swatch = document.createElement("span");
      swatch.className = "swatch";
      swatch.style.setProperty("--object", index?.colors[classId] || "");
      const count = document.createElement("span");
      count.className = "count";
      label.append(box, swatch, `${index?.classes[classId]} `, count);
      item.append(label);
      box.addEventListener("change", () => {
        const classes = new Set(state.classes);
        classes[box.checked ? "add" : "delete"](classId);
        galleryState.set({ classes });
      });
      classRows.set(classId, { item, box, count });
      return item;
    }));
  }

  function makeLayers() {
    const names = index && index.layers.length > 1 ? index.layers : [];
    get("gallery-layers").hidden = !names.length;
    get("gallery-layers").replaceChildren(...names.map((name) => {
      const label = document.createElement("label");
      label.className = "gallery-check";
      const box = document.createElement("input");
      box.type = "checkbox";
      box.value = name;
      label.append(box, ` ${name}`);
      box.addEventListener("change", () => {
        const hidden = new Set(state.hiddenLayers);
        hidden[box.checked ? "delete" : "add"](name);
        galleryState.set({ hiddenLayers: hidden });
      });
      return label;
    }));
  }

  /** Make the controls say what the state is. */
  function show() {
    select("gallery-sort").value = state.sort;
    const directions = state.sort === "name" || state.sort === "class"
      ? ["A to Z", "Z to A"]
      : ["lowest first", "highest first"];
    get("gallery-direction").textContent = directions[Number(state.descending)];
    input("gallery-score").value = String(state.minScore);
    get("gallery-score-value").textContent = state.minScore.toFixed(2);
    select("gallery-style").value = state.style;
    input("gallery-opacity").value = String(state.opacity);
    select("gallery-colors").value = state.colors;
    input("gallery-labels").checked = state.labels;
    for (const box of get("gallery-layers").querySelectorAll("input")) {
      box.checked = !state.hiddenLayers.has(box.value);
    }
    const { objects, byClass } = galleryState.totals();
    classRows.forEach(({ box, count, item }, classId) => {
      box.checked = state.classes.has(classId);
      count.textContent = byClass[classId].toLocaleString("en");
      item.classList.toggle("none", !byClass[classId]);
    });
    const names = [...state.classes].map((classId) => index?.classes[classId]);
    get("gallery-classes-chosen").textContent = names.length
      ? names.join(", ")
      : `all ${present.size}`;
    get("gallery-classes-all").hidden = !names.length;
    const photos = galleryState.shown().length;
    const all = index?.photos.length || 0;
    const of = photos === all ? "" : `${photos.toLocaleString("en")} of `;
    get("gallery-count").textContent =
      `${of}${list?.plural(all, "photo")}, ${list?.plural(objects, "object")}`;
    document.documentElement.style.setProperty("--gallery-fill", String(
      state.style === "fills" || state.style === "both" ? state.opacity : 0));
    get("gallery-list").dataset.style = state.style;
  }

  /** @param {string} id @param {string} event @param {() => Partial<GalleryState>} fields */
  const on = (id, event, fields) => get(id).addEventListener(event, () => galleryState.set(fields()));
  on("gallery-search", "input", () => ({ search: input("gallery-search").value }));
  on("gallery-tag", "change", () => ({ tag: select("gallery-tag").value }));
  on("gallery-sort", "change", () => {
    const sort = select("gallery-sort").value;
    return { sort, descending: sort !== "name" && sort !== "class" };
  });
  on("gallery-direction", "click", () => ({ descending: !state.descending }));
  on("gallery-score", "input", () => ({ minScore: Number(input("gallery-score").value) }));
  on("gallery-style", "change", () => ({ style: select("gallery-style").value }));
  on("gallery-opacity", "input", () => ({ opacity: Number(input("gallery-opacity").value) }));
  on("gallery-colors", "change", () => ({ colors: select("gallery-colors").value }));
  on("gallery-labels", "change", () => ({ labels: input("gallery-labels").checked }));
  on("gallery-classes-all", "click", () => ({ classes: new Set() }));

  for (const [id, work] of /** @type {[string, () => Promise<void>][]} */ ([
    ["gallery-coco", galleryDownload.coco], ["gallery-csv", galleryDownload.csv],
  ])) {
    get(id).addEventListener("click", async () => {
      try {
        await work();
      } catch (problem) {
        get("gallery-count").textContent = String(/** @type {Error} */ (problem).message);
      }
    });
  }

  document.addEventListener("instseg:show", (event) => {
    const { tag } = /** @type {CustomEvent<{tag: string}>} */ (event).detail;
    galleryState.set({ tag, search: "", classes: new Set(), minScore: 0 });
    input("gallery-search").value = "";
    fillTags();
    get("gallery").scrollIntoView();
    get("gallery").focus({ preventScroll: true });
  });

  if (!index.marks) {
    select("gallery-colors").options[0].remove();
  }
  get("gallery-content").hidden = false;
  fillTags();
  makeClasses();
  makeLayers();
  galleryState.listen(show);
  show();
  list.render();
  galleryPhoto?.follow();
  addEventListener("hashchange", () => galleryPhoto?.follow());
})();
