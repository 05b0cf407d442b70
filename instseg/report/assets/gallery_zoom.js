// @ts-check
// Zoom and pan of an SVG by wheel, pointers and keys: they change its viewBox.

/**
 * @param {SVGSVGElement} svg
 * @param {() => void} onChange
 */
function galleryZoom(svg, onChange) {
  "use strict";
  const MOST = 40;
  let size = { width: 1, height: 1 };
  let scale = 1;
  let left = 0;
  let top = 0;
  let wasDragged = false;
  /** @type {Map<number, {x: number, y: number}>} */
  const pointers = new Map();

  function apply() {
    const [width, height] = [size.width / scale, size.height / scale];
    left = Math.min(Math.max(left, 0), size.width - width);
    top = Math.min(Math.max(top, 0), size.height - height);
    svg.setAttribute("viewBox", `${left} ${top} ${width} ${height}`);
    svg.classList.toggle("zoomed", scale > 1);
    onChange();
  }

  /** @param {number} x @param {number} y @returns {DOMPoint} The place in the photo. */
  function inPhoto(x, y) {
    const matrix = svg.getScreenCTM();
    return new DOMPoint(x, y).matrixTransform(matrix ? matrix.inverse() : undefined);
  }

  /** Zoom with this place of the photo held where it is. @param {number} factor @param {DOMPoint} [at] */
  function zoom(factor, at) {
    const next = Math.min(MOST, Math.max(1, scale * factor));
    const fixed = at || new DOMPoint(left + size.width / scale / 2, top + size.height / scale / 2);
    left = fixed.x - ((fixed.x - left) * scale) / next;
    top = fixed.y - ((fixed.y - top) * scale) / next;
    scale = next;
    apply();
  }

  svg.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), inPhoto(event.clientX, event.clientY));
  }, { passive: false });

  svg.addEventListener("pointerdown", (event) => {
    wasDragged = pointers.size > 0;
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  svg.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) {
      return;
    }
    if (!wasDragged && Math.hypot(event.clientX - before.x, event.clientY - before.y) < 5) {
      return;
    }
    if (!wasDragged) {
      svg.setPointerCapture(event.pointerId);
    }
    wasDragged = true;
    const from = inPhoto(before.x, before.y);
    const to = inPhoto(event.clientX, event.clientY);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const far = Math.hypot(event.clientX - other.x, event.clientY - other.y);
      const near = Math.hypot(before.x - other.x, before.y - other.y);
      zoom(far / Math.max(near, 1), inPhoto(other.x, other.y));
    } else {
      left += from.x - to.x;
      top += from.y - to.y;
      apply();
    }
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
    svg.addEventListener(name, (event) => {
      pointers.delete(/** @type {PointerEvent} */ (event).pointerId);
    });
  }
  svg.addEventListener("dblclick", (event) => zoom(2, inPhoto(event.clientX, event.clientY)));

  return {
    zoom,
    /** Show the whole photo. @param {{width: number, height: number}} [of] */
    reset(of) {
      size = of || size;
      scale = 1;
      apply();
    },
    /** Whether the last press was a drag, which is no click. */
    wasDragged: () => wasDragged,
  };
}
