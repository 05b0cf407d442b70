// @ts-check
// The thumbnails: some at first, more when their end comes into view.

const galleryList = (() => {
  "use strict";
  const PAGE = 100;
  const CACHED = 600;
  const list = document.getElementById("gallery-list");
  const more = document.getElementById("gallery-more");
  const index = galleryData.index;
  if (!list || !more || !index) {
    return null;
  }
  let limit = PAGE;
  /** @type {Map<number, HTMLLIElement>} */
  const items = new Map();

  const plural = (/** @type {number} */ n, /** @type {string} */ what) =>
    `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;

  /** @param {number} place @returns {HTMLLIElement} */
  function make(place) {
    const photo = /** @type {GalleryIndex} */ (index).photos[place];
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = `#photo-${place + 1}`;
    const frame = document.createElement("span");
    frame.className = "gallery-thumbnail";
    const source = galleryData.thumbnail(place);
    if (source) {
      const image = document.createElement("img");
      image.loading = "lazy";
      image.decoding = "async";
      image.alt = "";
      image.src = source;
      frame.append(image);
    } else {
      frame.append("cannot be shown");
    }
    const name = document.createElement("span");
    name.className = "gallery-item-name";
    name.textContent = photo.name;
    const told = document.createElement("span");
    told.className = "gallery-item-text";
    link.append(frame, name, told);
    item.append(link);
    return item;
  }

  /** What its caption says, with the value that photos are sorted by. @param {number} place */
  function caption(place) {
    const { state } = galleryState;
    const photo = /** @type {GalleryIndex} */ (index).photos[place];
    const rows = galleryState.rows(place);
    const words = [plural(rows.length, "object")];
    if (state.sort === "score" && rows.length) {
      words.push(`best ${Math.max(...rows.map((row) => photo.scores[row])).toFixed(2)}`);
    } else if (state.sort === "area") {
      words.push(galleryUnits.area(rows.reduce((sum, row) => sum + photo.areas[row], 0)));
    } else if (state.sort.startsWith("value:")) {
      const name = state.sort.slice("value:".length);
      const value = photo.values[name];
      words.push(`${name} ${value === undefined ? "-" : galleryUnits.number(value)}`);
    }
    return words.join(", ");
  }

  /** @param {number} place @returns {HTMLLIElement} */
  function item(place) {
    const found = items.get(place) || make(place);
    items.delete(place);
    items.set(place, found);
    if (items.size > Math.max(CACHED, limit)) {
      items.delete(/** @type {number} */ (items.keys().next().value));
    }
    const frame = /** @type {Element} */ (found.querySelector(".gallery-thumbnail"));
    frame.querySelector("svg")?.remove();
    frame.append(galleryPicture.overlay(place));
    const told = /** @type {Element} */ (found.querySelector(".gallery-item-text"));
    told.textContent = caption(place);
    return found;
  }

  function render() {
    const shown = galleryState.shown();
    /** @type {HTMLElement} */ (list).replaceChildren(...shown.slice(0, limit).map(item));
    /** @type {HTMLElement} */ (more).hidden = shown.length <= limit;
  }

  function showMore() {
    const shown = galleryState.shown();
    const next = shown.slice(limit, limit + PAGE).map(item);
    limit += PAGE;
    /** @type {HTMLElement} */ (list).append(...next);
    /** @type {HTMLElement} */ (more).hidden = shown.length <= limit;
    next[0]?.querySelector("a")?.focus({ preventScroll: true });
  }

  more.addEventListener("click", showMore);
  new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting) && !more.hidden) {
      const focused = document.activeElement;
      showMore();
      if (focused instanceof HTMLElement && focused !== more) {
        focused.focus({ preventScroll: true });
      }
    }
  }, { rootMargin: "600px" }).observe(more);

  galleryState.listen((changed) => {
    const narrowed = ["search", "tag", "sort", "descending", "classes"];
    if (narrowed.some((name) => changed.has(name))) {
      limit = PAGE;
    }
    render();
  });

  /** Bring the thumbnail of a photo into view and focus it. @param {number} place */
  function reveal(place) {
    const at = galleryState.shown().indexOf(place);
    if (at >= limit) {
      limit = PAGE * Math.ceil((at + 1) / PAGE);
      render();
    }
    const link = items.get(place)?.querySelector("a");
    if (at >= 0 && link) {
      link.scrollIntoView({ block: "nearest" });
      link.focus({ preventScroll: true });
    }
  }

  return { render, reveal, plural };
})();
