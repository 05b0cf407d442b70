// @ts-check
// Suggested changes of a COCO dataset, what was decided about them, and their result.

/**
 * @typedef {{kind: string, photo: string, score: number, text: string, layer: string,
 *   key: string | number, remove: number[], change: [number, Record<string, unknown>][],
 *   add: Record<string, unknown>[]}} Suggestion
 * @typedef {"accepted" | "refused"} Decision
 */

const suggestionChanges = (() => {
  "use strict";
  const block = document.getElementById("gallery-suggestions");
  /** @type {{name: string, suggestions: Suggestion[]}} */
  const { name, suggestions } = JSON.parse(block?.textContent || '{"name":"","suggestions":[]}');
  const KEY = `instseg-suggestions-${name}`;
  /** In the order they were made. @type {Map<number, Decision>} */
  const decisions = new Map(kept());

  /** What an earlier visit decided, where the browser keeps it. @returns {[number, Decision][]} */
  function kept() {
    try {
      const found = JSON.parse(localStorage.getItem(KEY) || "[]");
      return found.filter((/** @type {[number, Decision]} */ [number, decision]) =>
        suggestions[number] && (decision === "accepted" || decision === "refused"));
    } catch {
      return []; // it keeps nothing
    }
  }

  function keep() {
    try {
      localStorage.setItem(KEY, JSON.stringify([...decisions]));
    } catch {
      // then decisions live as long as the page
    }
  }

  /** @param {number} number @param {Decision} decision */
  function decide(number, decision) {
    decisions.delete(number); // the last one is the last of the map
    decisions.set(number, decision);
    keep();
  }

  /** Take the last decision back. @returns {number | undefined} Of which suggestion it was. */
  function undo() {
    const last = [...decisions.keys()].at(-1);
    if (last !== undefined) {
      decisions.delete(last);
      keep();
    }
    return last;
  }

  function restart() {
    decisions.clear();
    keep();
  }

  /** The dataset with all accepted changes, for which the given one stays as it is. @param {any} dataset @returns {any} */
  function corrected(dataset) {
    if (!Array.isArray(dataset?.annotations)) {
      throw new Error("this is no COCO dataset: it has no annotations");
    }
    const accepted = suggestions.filter((_, number) => decisions.get(number) === "accepted");
    const removed = new Set(accepted.flatMap((each) => each.remove));
    const changed = new Map(accepted.flatMap((each) => each.change));
    const idOf = (/** @type {any} */ each) => Number(each.id); // some tools write it as text
    const ids = new Set(dataset.annotations.map(idOf));
    const lost = [...removed, ...changed.keys()].filter((id) => !ids.has(id));
    if (lost.length) {
      throw new Error(`this is another dataset: it has no annotation ${lost[0]}`);
    }
    let last = dataset.annotations.reduce(
      (/** @type {number} */ most, /** @type {any} */ each) => Math.max(most, idOf(each) || 0), 0);
    const annotations = dataset.annotations
      .filter((/** @type {any} */ each) => !removed.has(idOf(each)))
      .map((/** @type {any} */ each) => ({ ...each, ...changed.get(idOf(each)) }));
    const added = accepted.flatMap((each) => each.add).map((each) => ({ id: ++last, ...each }));
    return { ...dataset, annotations: [...annotations, ...added] };
  }

  /** The dataset in the page, if it is there. @returns {string} */
  const embedded = () => document.getElementById("gallery-dataset")?.textContent || "";

  return { suggestions, decisions, decide, undo, restart, corrected, embedded };
})();
