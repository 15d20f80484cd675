// Sortable tables: a heading sorts its column, best first; again, the other way round; a third time, as it was.
"use strict";

(() => {
  const value = (row, column) => {
    const cell = row.cells[column];
    if (!cell || cell.classList.contains("absent")) return null;
    if (cell.dataset.sort !== undefined) return Number(cell.dataset.sort);
    const text = cell.textContent.trim();
    const number = Number(text.replaceAll(",", ""));
    return text !== "" && text !== "-" && !Number.isNaN(number) ? number : text === "-" || text === "" ? null : text;
  };

  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  };

  /** The rows of a table, each with the rows that hang below it. */
  const groups = (body) => {
    const found = [];
    for (const row of body.rows) {
      if (row.classList.contains("clips")) found.at(-1).push(row);
      else found.push([row]);
    }
    return found;
  };

  const sort = (table, column, direction) => {
    const body = table.tBodies[0];
    const rows = groups(body);
    rows.forEach(([row], i) => (row.dataset.place ??= i));
    const sign = direction === "descending" ? -1 : 1;
    rows.sort(([a], [b]) => {
      const before = Number(a.dataset.place) - Number(b.dataset.place);
      if (direction === "none") return before;
      const [x, y] = [value(a, column), value(b, column)];
      if (x === null || y === null) return (x === null) - (y === null) || before; // what has no value stays last
      return sign * compare(x, y) || before;
    });
    body.append(...rows.flat());
    [...table.tHead.rows[0].cells].forEach((head, i) => head.setAttribute("aria-sort", i === column ? direction : "none"));
  };

  const next = (head) => {
    const first = head.dataset.better === "higher" ? "descending" : "ascending";
    const second = first === "descending" ? "ascending" : "descending";
    return { none: first, [first]: second, [second]: "none" }[head.getAttribute("aria-sort") ?? "none"];
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button.sort");
    if (!button) return;
    const head = button.closest("th");
    sort(button.closest("table"), head.cellIndex, next(head));
  });
})();
