// @ts-check
// What the gallery shows: search, filters, order. Others listen for its changes.

/**
 * @typedef {{search: string, tag: string, sort: string, descending: boolean, minScore: number,
 *   classes: Set<number>, hiddenLayers: Set<string>, style: string, opacity: number,
 *   colors: string, labels: boolean}} GalleryState
 */

const galleryState = (() => {
  "use strict";
  const index = galleryData.index;
  const photos = index ? index.photos : [];
  /** @type {GalleryState} */
  const state = {
    search: "",
    tag: "",
    sort: "name",
    descending: false,
    minScore: 0,
    classes: new Set(), // none chosen: all
    hiddenLayers: new Set(),
    style: "both",
    opacity: 0.35,
    colors: index && index.marks ? "mark" : "class",
    labels: true,
  };
  /** @type {((changed: Set<string>) => void)[]} */
  const listeners = [];
  /** @type {Set<string>} */
  let changed = new Set();
  let asked = false;
  /** @type {Map<number, Set<string>>} */
  const hidden = new Map(); // by photo, "layer/row" of the objects hidden by hand
  /** @type {number[] | null} */
  let order = null;
  const collator = new Intl.Collator(undefined, { numeric: true });

  /** Change some fields; listeners hear of it before the next frame. @param {Partial<GalleryState>} fields */
  function set(fields) {
    Object.assign(state, fields);
    if (!asked) {
      asked = true;
      requestAnimationFrame(() => {
        const names = changed;
        asked = false;
        changed = new Set();
        listeners.forEach((listener) => listener(names));
      });
    }
    Object.keys(fields).forEach((name) => changed.add(name));
    order = null;
  }

  const isOn = (/** @type {number} */ classId, /** @type {number} */ score) =>
    score >= state.minScore && (!state.classes.size || state.classes.has(classId));

  /** @param {number} place @returns {number[]} Rows of the objects of the main layer that are shown. */
  function rows(place) {
    const { classes, scores } = photos[place];
    return classes.flatMap((classId, row) => (isOn(classId, scores[row]) ? [row] : []));
  }

  /** @param {number} place */
  function hasPlace(place) {
    const photo = photos[place];
    return (
      (!state.tag || photo.tags.includes(state.tag)) &&
      (!state.search || photo.name.toLowerCase().includes(state.search.toLowerCase())) &&
      (!state.classes.size ||
        photo.others.some((classId) => state.classes.has(classId)) ||
        rows(place).length > 0)
    );
  }

  /** @param {number} place @returns {string | number} What photos are sorted by. */
  function sortKey(place) {
    const photo = photos[place];
    const shown = rows(place);
    switch (state.sort) {
      case "name":
        return photo.name;
      case "count":
        return shown.length;
      case "score":
        return Math.max(-1, ...shown.map((row) => photo.scores[row]));
      case "area":
        return shown.reduce((sum, row) => sum + photo.areas[row], 0);
      case "class":
        return mostFrequent(shown.map((row) => photo.classes[row]));
      default:
        return photo.values[state.sort.slice("value:".length)] ?? NaN;
    }
  }

  /** @param {number[]} classIds @returns {string} A name that sorts by class, then by its count. */
  function mostFrequent(classIds) {
    const counts = new Map();
    classIds.forEach((each) => counts.set(each, (counts.get(each) || 0) + 1));
    const [first] = [...counts].sort((a, b) => b[1] - a[1]);
    return first ? `${index?.classes[first[0]]} ${1e6 - first[1]}` : "\uffff";
  }

  /** @returns {number[]} The photos that are shown, in order. */
  function shown() {
    if (!order) {
      const keys = new Map();
      order = photos.map((_, place) => place).filter(hasPlace);
      order.forEach((place) => keys.set(place, sortKey(place)));
      const sign = state.descending ? -1 : 1;
      const last = (/** @type {unknown} */ key) => Number.isNaN(key) || key === "\uffff";
      order.sort((a, b) => {
        const [x, y] = [keys.get(a), keys.get(b)];
        if (last(x) || last(y)) {
          return Number(last(x)) - Number(last(y)) || a - b;
        }
        const found = typeof x === "string" ? collator.compare(x, y) : x - y;
        return sign * found || a - b;
      });
    }
    return order;
  }

  /** @returns {{objects: number, byClass: number[]}} Totals over the photos that are shown. */
  function totals() {
    const byClass = (index ? index.classes : []).map(() => 0);
    let objects = 0;
    for (const place of shown()) {
      const { classes, scores } = photos[place];
      classes.forEach((classId, row) => {
        if (scores[row] >= state.minScore) {
          byClass[classId] += 1;
          objects += Number(!state.classes.size || state.classes.has(classId));
        }
      });
    }
    return { objects, byClass };
  }

  /** @param {number} place @param {string} name @param {number} row */
  const isHidden = (place, name, row) => Boolean(hidden.get(place)?.has(`${name}/${row}`));

  /** Hide or show an object by hand. @param {number} place @param {string} name @param {number} row @param {boolean} hide */
  function setHidden(place, name, row, hide) {
    const names = hidden.get(place) || new Set();
    names[hide ? "add" : "delete"](`${name}/${row}`);
    hidden.set(place, names);
    set({});
  }

  /** @param {number} place */
  function showAll(place) {
    hidden.delete(place);
    set({});
  }

  /** Whether an object is shown. @param {number} place @param {string} name @param {number} row @param {Thing} thing */
  function isShown(place, name, row, thing) {
    const on = isOn(thing.class, thing.score);
    return on && !state.hiddenLayers.has(name) && !isHidden(place, name, row);
  }

  return {
    state, set, rows, shown, totals, isOn, isShown, isHidden, setHidden, showAll,
    listen: (/** @type {(changed: Set<string>) => void} */ listener) => listeners.push(listener),
  };
})();
