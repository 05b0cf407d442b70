// @ts-check
// A link with `data-show` shows the photos of the gallery that have this tag: the gallery listens
// for `instseg:show` on the document. Without a script it leads to the gallery.
(() => {
  "use strict";
  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target.closest("[data-show]") : null;
    if (target instanceof HTMLElement || target instanceof SVGElement) {
      const tag = target.dataset.show;
      document.dispatchEvent(new CustomEvent("instseg:show", { detail: { tag } }));
    }
  });
})();
