// @ts-check
// The review of suggested changes: one after the other, with keys, and the corrected dataset.

(() => {
  "use strict";
  const index = galleryData.index;
  const view = galleryPhoto;
  const { suggestions, decisions } = suggestionChanges;
  const panel = document.getElementById("suggestions");
  if (!panel || !index || !view) {
    return;
  }
  if (!suggestions.length) {
    panel.hidden = true;
    return;
  }
  const get = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
  const button = (/** @type {string} */ id) => /** @type {HTMLButtonElement} */ (get(id));
  const card = get("suggestion");
  const placeOf = new Map(index.photos.map((photo, place) => [photo.name, place]));
  let at = 0;

  function showProgress() {
    const counts = { accepted: 0, refused: 0 };
    decisions.forEach((decision) => { counts[decision] += 1; });
    const { accepted, refused } = counts;
    get("suggestions-progress").textContent =
      `${decisions.size} of ${suggestions.length} decided: ${accepted} accepted, ${refused} refused`;
    const bar = /** @type {HTMLProgressElement} */ (get("suggestions-bar"));
    bar.max = suggestions.length;
    bar.value = decisions.size;
    button("suggestions-save").disabled = !accepted;
    button("suggestions-restart").disabled = !decisions.size;
    button("suggestion-undo").disabled = !decisions.size;
  }

  function showCard() {
    const each = suggestions[at];
    const isHere = placeOf.get(each.photo) === view?.current();
    get("suggestion-kind").textContent = each.kind;
    get("suggestion-number").textContent =
      `${at + 1} of ${suggestions.length}, probability ${each.score.toFixed(2)}`;
    get("suggestion-text").textContent = isHere ? each.text : "Nothing is suggested for this photo.";
    get("suggestion-decision").textContent = isHere ? decisions.get(at) || "not decided" : "";
    card.dataset.decision = isHere ? decisions.get(at) || "" : "";
    button("suggestion-accept").disabled = !isHere;
    button("suggestion-refuse").disabled = !isHere;
  }

  /** Mark what the suggestion is about. @param {PhotoRecord} record @param {boolean} [zoomed] */
  function mark(record, zoomed = false) {
    const each = suggestions[at];
    const picture = get("gallery-picture");
    const ids = new Set([...each.remove, ...each.change.map(([id]) => id)]);
    /** @type {Set<string>} */
    const marked = new Set();
    record.layers.forEach((layer, number) => layer.objects.forEach((thing, row) => {
      const isIt = layer.name === each.layer && thing.key === each.key;
      if (isIt || (layer.name === "truth" && ids.has(Number(thing.key)))) {
        marked.add(`${number}-${row}`);
        if (isIt && zoomed) {
          zoomTo(thing.box);
        }
      }
    }));
    picture.classList.toggle("reviewing", marked.size > 0);
    for (const shape of picture.querySelectorAll("[data-object]")) {
      shape.classList.toggle("suggested", marked.has(shape.getAttribute("data-object") || ""));
    }
  }

  /** @param {[number, number, number, number]} box */
  function zoomTo([x, y, width, height]) {
    const photo = /** @type {GalleryIndex} */ (index).photos[/** @type {any} */ (view).current()];
    const fits = Math.min(photo.width / Math.max(width, 1), photo.height / Math.max(height, 1));
    view?.zoom.zoom(Math.min(Math.max(fits / 3, 1), 8), new DOMPoint(x + width / 2, y + height / 2));
  }

  /** Show a suggestion on its photo. @param {number} number */
  function go(number) {
    at = (number + suggestions.length) % suggestions.length;
    const place = placeOf.get(suggestions[at].photo);
    if (place !== undefined) {
      history.replaceState(null, "", `#photo-${place + 1}`);
      view?.follow();
    }
  }

  /** The next one without a decision, or else the next. @param {number} from */
  function undecided(from) {
    const order = suggestions.map((_, i) => (from + i) % suggestions.length);
    return order.find((number) => !decisions.has(number)) ?? from;
  }

  /** @param {Decision} decision */
  function decide(decision) {
    if (placeOf.get(suggestions[at].photo) !== view?.current()) {
      return;
    }
    suggestionChanges.decide(at, decision);
    showProgress();
    if (decisions.size === suggestions.length) {
      showCard();
    } else {
      go(undecided(at));
    }
  }

  function undo() {
    const number = suggestionChanges.undo();
    showProgress();
    if (number !== undefined) {
      go(number);
    }
  }

  async function save() {
    const file = /** @type {HTMLInputElement} */ (get("suggestions-file")).files?.[0];
    const label = get("suggestions-file-label");
    get("suggestions-told").textContent = "";
    const text = suggestionChanges.embedded() || (await file?.text());
    if (!text) {
      label.hidden = false;
      get("suggestions-told").textContent = "The dataset is too large for this page: choose its file.";
      return;
    }
    try {
      const made = suggestionChanges.corrected(JSON.parse(text));
      galleryDownload.save("corrected.json", "application/json", [JSON.stringify(made), "\n"]);
    } catch (problem) {
      get("suggestions-told").textContent = String(/** @type {Error} */ (problem).message);
    }
  }

  document.addEventListener("instseg:photo", (event) => {
    const { place, record, extra } = /** @type {CustomEvent} */ (event).detail;
    const name = index.photos[place].name;
    if (suggestions[at].photo !== name) {
      const here = suggestions.findIndex((each) => each.photo === name);
      at = here < 0 ? at : here;
    }
    extra.parentElement.prepend(card);
    card.hidden = false;
    showCard();
    mark(record, true);
  });

  /** @type {Record<string, () => void>} */
  const actions = {
    a: () => decide("accepted"),
    r: () => decide("refused"),
    u: undo,
    n: () => go(at + 1),
    p: () => go(at - 1),
  };
  const buttons = { accept: "a", refuse: "r", undo: "u", next: "n", previous: "p" };
  Object.entries(buttons).forEach(([name, key]) =>
    get(`suggestion-${name}`).addEventListener("click", actions[key]));
  view.dialog.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const typing = target.matches("select, input:not([type=checkbox]), textarea");
    const action = event.key.length === 1 && actions[event.key.toLowerCase()];
    if (action && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      action();
    }
  });
  get("suggestions-review").addEventListener("click", () => go(undecided(0)));
  get("suggestions-save").addEventListener("click", save);
  get("suggestions-file").addEventListener("change", save);
  get("suggestions-restart").addEventListener("click", () => {
    suggestionChanges.restart();
    showProgress();
  });
  showProgress();
})();
