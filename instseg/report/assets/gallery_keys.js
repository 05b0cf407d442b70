// @ts-check
// Keys of the view of one photo.

(() => {
  "use strict";
  const view = galleryPhoto;
  if (!view) {
    return;
  }
  const { state } = galleryState;
  const help = /** @type {HTMLElement} */ (document.getElementById("gallery-help"));
  const button = /** @type {HTMLElement} */ (document.getElementById("gallery-help-button"));
  const layers = galleryData.index ? galleryData.index.layers : [];
  const reviews = Boolean(document.getElementById("suggestions")); // whose keys are a, r, u, n, p
  const showAll = reviews ? "h" : "a";
  const taken = new Set(["o", "l", showAll, ...(reviews ? "arunp" : "")]);
  /** Each layer's first letter that is free, as t for truth. @type {Map<string, string>} */
  const layerKeys = new Map();
  for (const name of layers) {
    const key = [...name.toLowerCase(), ..."123456789"].find((each) => /[a-z0-9]/.test(each) && !taken.has(each));
    if (key) {
      taken.add(key);
      layerKeys.set(key, name);
    }
  }
  if (layers.length > 1) {
    const row = /** @type {HTMLElement} */ (document.getElementById("gallery-help-layers"));
    row.hidden = false;
    layerKeys.forEach((name, key) => {
      const shown = document.createElement("kbd");
      shown.textContent = key;
      /** @type {Element} */ (row.firstElementChild).append(shown, ` ${name} `);
    });
  }

  function toggleHelp() {
    help.hidden = !help.hidden;
    button.setAttribute("aria-expanded", String(!help.hidden));
  }
  button.addEventListener("click", toggleHelp);

  /** @param {string} name */
  function toggleLayer(name) {
    const hidden = new Set(state.hiddenLayers);
    hidden[hidden.has(name) ? "delete" : "add"](name);
    galleryState.set({ hiddenLayers: hidden });
  }

  const styles = ["both", "outlines", "fills", "none"];
  /** @type {Record<string, () => void>} */
  const actions = {
    ArrowLeft: () => view.step(-1),
    ArrowRight: () => view.step(1),
    "?": toggleHelp,
    "+": () => view.zoom.zoom(1.5),
    "=": () => view.zoom.zoom(1.5),
    "-": () => view.zoom.zoom(1 / 1.5),
    0: () => view.zoom.reset(),
    o: () => galleryState.set({ style: styles[(styles.indexOf(state.style) + 1) % styles.length] }),
    l: () => galleryState.set({ labels: !state.labels }),
    [showAll]: () => galleryState.showAll(view.current()),
  };
  layerKeys.forEach((name, key) => {
    if (layers.length > 1) {
      actions[key] = () => toggleLayer(name);
    }
  });

  view.dialog.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const typing = target.matches("select, input:not([type=checkbox]), textarea");
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (action && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      action();
    }
  });
})();
