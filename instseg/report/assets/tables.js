// @ts-check
// Tables with `data-sortable`: a button in each heading sorts; long tables get a filter.
(() => {
  "use strict";
  const LONG = 15;
  const collator = new Intl.Collator(undefined, { numeric: true });

  /**
   * @param {HTMLTableRowElement} row
   * @param {number} column
   * @returns {{ number: number, text: string }}
   */
  function valueOf(row, column) {
    const cell = row.cells[column];
    const stated = cell?.dataset.number;
    return { number: stated ? Number(stated) : NaN, text: cell?.textContent ?? "" };
  }

  /**
   * Missing values come last in both directions.
   * @param {{ number: number, text: string }} a
   * @param {{ number: number, text: string }} b
   * @param {number} sign
   */
  function compare(a, b, sign) {
    const missing = Number(a.text === "-") - Number(b.text === "-");
    if (missing) {
      return missing;
    }
    const both = !Number.isNaN(a.number) && !Number.isNaN(b.number);
    return sign * (both ? a.number - b.number : collator.compare(a.text, b.text));
  }

  /**
   * @param {HTMLTableElement} table
   * @param {HTMLTableCellElement} heading
   */
  function sort(table, heading) {
    const ascending = heading.getAttribute("aria-sort") !== "ascending";
    for (const other of table.tHead?.rows[0]?.cells ?? []) {
      other.removeAttribute("aria-sort");
    }
    heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, value: valueOf(row, heading.cellIndex) }));
    rows.sort((a, b) => compare(a.value, b.value, ascending ? 1 : -1));
    body.append(...rows.map((each) => each.row));
  }

  /** @param {HTMLTableElement} table */
  function makeSortable(table) {
    for (const heading of table.tHead?.rows[0]?.cells ?? []) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...heading.childNodes);
      button.addEventListener("click", () => sort(table, heading));
      heading.append(button);
    }
  }

  /** @param {HTMLTableElement} table */
  function makeFilter(table) {
    const rows = [...table.tBodies[0].rows];
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "search";
    label.append("Filter rows ", input);
    const told = document.createElement("span");
    told.setAttribute("role", "status");
    const line = document.createElement("div");
    line.className = "filter";
    line.append(label, told);
    table.parentElement?.before(line);
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/);
      let shown = 0;
      for (const row of rows) {
        const text = (row.textContent ?? "").toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        shown += Number(!row.hidden);
      }
      told.textContent = input.value ? `${shown} of ${rows.length} rows` : "";
    });
  }

  for (const table of document.querySelectorAll("table[data-sortable]")) {
    if (table instanceof HTMLTableElement && table.tBodies[0].rows.length > 1) {
      makeSortable(table);
      if (table.tBodies[0].rows.length > LONG) {
        makeFilter(table);
      }
    }
  }
})();
