// @ts-check
// The photos of the gallery: an index of all, and what is loaded when a photo is opened.

/**
 * A photo in the index. The arrays are of the objects of its main layer.
 * @typedef {{name: string, id?: number, width: number, height: number, lost?: boolean,
 *   classes: number[], scores: number[], areas: number[], paths: string[], others: number[],
 *   values: Record<string, number>, tags: string[]}} Entry
 * @typedef {{class: number, score: number, box: [number, number, number, number], area: number,
 *   path: string, rle: string, mark?: string, note?: string, key?: string | number}} Thing
 * @typedef {{name: string, objects: Thing[]}} PhotoLayer
 * @typedef {{layers: PhotoLayer[], lines: string[]}} PhotoRecord
 * @typedef {{classes: string[], colors: string[], categories: number[], layers: string[],
 *   main: string, values: string[], tags: Record<string, number>, marks: boolean, sort: string,
 *   unit: string, unitPerPx: number | null, folder: string, pictures: "page" | "beside" | "",
 *   beside: boolean, perChunk: number, thumbnailPx: number, photos: Entry[]}} GalleryIndex
 */

const galleryData = (() => {
  "use strict";
  const KEPT = 12; // chunks of records in memory
  const block = document.getElementById("gallery-index");
  /** @type {GalleryIndex | null} */
  const index = block && JSON.parse(block.textContent || "null");

  /** @type {Map<number, Promise<PhotoRecord[]>>} */
  const chunks = new Map();
  /** @type {Map<number, (records: PhotoRecord[]) => void>} */
  const waiting = new Map();
  const policy = index && index.beside && trustedAddresses(index.folder);

  /** Only addresses of our own files may become scripts. @param {string} folder */
  function trustedAddresses(folder) {
    const types = /** @type {any} */ (globalThis).trustedTypes;
    const createScriptURL = (/** @type {string} */ address) => {
      const rest = address.startsWith(folder) ? address.slice(folder.length) : "";
      if (!/^data\/\d+\.js$/.test(rest)) {
        throw new TypeError("not a file of this gallery");
      }
      return address;
    };
    return types ? types.createPolicy("instseg-gallery", { createScriptURL }) : { createScriptURL };
  }

  /** The files of data call it. */
  Object.defineProperty(globalThis, "galleryChunk", {
    value: (/** @type {number} */ number, /** @type {PhotoRecord[]} */ records) => {
      waiting.get(number)?.(records);
      waiting.delete(number);
    },
  });

  const padded = (/** @type {number} */ number) => String(number).padStart(5, "0");
  const inPage = (/** @type {string} */ id) => document.getElementById(id)?.textContent || "";

  /** @param {number} number @returns {Promise<PhotoRecord[]>} */
  function load(number) {
    if (!index || !index.beside) {
      return Promise.resolve(JSON.parse(inPage(`gallery-data-${number}`) || "[]"));
    }
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      const file = `${index.folder}data/${padded(number)}.js`;
      waiting.set(number, resolve);
      script.addEventListener("load", () => script.remove());
      script.addEventListener("error", () => {
        script.remove();
        chunks.delete(number);
        reject(new Error(`${decodeURIComponent(file)} is missing beside this page`));
      });
      script.src = policy.createScriptURL(file);
      document.head.append(script);
    });
  }

  /**
   * All that is known of a photo.
   * @param {number} place Its index, from 0.
   * @returns {Promise<PhotoRecord>}
   */
  async function record(place) {
    const perChunk = index ? index.perChunk : 1;
    const number = 1 + Math.floor(place / perChunk);
    const records = chunks.get(number) || load(number);
    chunks.delete(number);
    chunks.set(number, records); // the last used is the last
    if (chunks.size > KEPT) {
      chunks.delete(/** @type {number} */ (chunks.keys().next().value));
    }
    return (await records)[place % perChunk];
  }

  /** @param {number} place @returns {string} An address for `src`. */
  function thumbnail(place) {
    if (!index || index.photos[place].lost) {
      return "";
    }
    return index.beside
      ? `${index.folder}thumbnails/${padded(place + 1)}.webp`
      : inPage(`gallery-thumbnail-${place + 1}`);
  }

  /** @param {number} place @returns {string} An address for `src`. */
  function picture(place) {
    if (!index || index.photos[place].lost) {
      return "";
    }
    if (index.pictures === "beside") {
      return `${index.folder}photos/${padded(place + 1)}.jpg`;
    }
    return index.pictures === "page" ? inPage(`gallery-picture-${place + 1}`) : thumbnail(place);
  }

  /** @param {PhotoRecord} of @returns {PhotoLayer | undefined} The layer whose objects are counted. */
  function mainLayer(of) {
    return of.layers.find((layer) => layer.name === index?.main) || of.layers[0];
  }

  return { index, record, thumbnail, picture, mainLayer };
})();
