// @ts-check
// Numbers and sizes as they are shown.

const galleryUnits = (() => {
  "use strict";
  const index = galleryData.index;

  /** A number with about three digits that count. @param {number} value */
  function number(value) {
    const text = value.toLocaleString("en", { maximumSignificantDigits: 4 });
    return value !== 0 && (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e9)
      ? value.toPrecision(3)
      : text;
  }

  const px = (/** @type {number} */ value) => value.toLocaleString("en", { maximumFractionDigits: 0 });

  /** @param {number} areaPx @returns {number | null} In the square of the unit. */
  const realArea = (areaPx) => (index?.unitPerPx ? areaPx * index.unitPerPx ** 2 : null);

  /** @param {number} areaPx */
  function area(areaPx) {
    const real = realArea(areaPx);
    return real === null ? `${px(areaPx)} px` : `${number(real)} ${index?.unit}²`;
  }

  return { number, px, realArea, area };
})();
