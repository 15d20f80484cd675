// The values of single clips behind a row of a table, fetched when the row is opened.
"use strict";

(() => {
  const { element } = SEMO;

  const open = async (button) => {
    const row = button.closest("tr");
    const key = row.closest("table").dataset.clips;
    const below = element("td", { colspan: row.cells.length }, "reading ...");
    row.after(element("tr", { class: "clips" }, below));
    button.setAttribute("aria-expanded", "true");
    try {
      await SEMO.load(`page/clips/${key}.js`);
      below.replaceChildren(...tables(SEMO.clips[key], row.dataset.row, button.textContent));
    } catch (error) {
      below.replaceChildren(`The values of the clips cannot be read: ${error.message} is not beside this page.`);
    }
  };

  const close = (button) => {
    const below = button.closest("tr").nextElementSibling;
    if (below?.classList.contains("clips")) below.remove();
    button.setAttribute("aria-expanded", "false");
  };

  const tables = (content, id, label) => {
    const found = content.tasks.filter((task) => task.rows[id]);
    if (!found.length) return ["No clip of this row has a value of its own."];
    return found.flatMap((task) => [table(task, id, label), ...failures(task, id)]);
  };

  const table = (task, id, label) => {
    const title = `${label}, ${task.task}: ${task.rows[id].length} clips`;
    const sorter = (text, better) =>
      element("th", { scope: "col", "aria-sort": "none", "data-better": better, class: better ? "num" : null },
        element("button", { type: "button", class: "sort" }, text));
    const shown = element("table", { class: "sortable" },
      element("caption", {}, title),
      element("thead", {}, element("tr", {}, sorter("Clip"), sorter("Person"), ...task.heads.map((h) => sorter(h.title, h.better)))),
      element("tbody", {}, ...task.rows[id].map(([clip, person, ...values]) =>
        element("tr", {}, element("th", { scope: "row" }, ...named(clip, task.task)), element("td", {}, person),
          ...values.map((v, i) => element("td", { class: v === null ? "num absent" : "num" },
            v === null ? "no value" : v.toFixed(task.heads[i].digits)))))));
    return element("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": title }, shown);
  };

  /** The clip's name, as a button where its video is on the wall. */
  const named = (clip, task) => {
    const place = SEMO.onTheWall?.(task, clip);
    if (!place) return [clip];
    return [element("button", { type: "button", class: "drill watch", title: "Show its video", onclick: place }, clip)];
  };

  const failures = (task, id) =>
    (task.failed[id] ?? []).map(([clip, reason]) => element("p", { class: "note" }, `${clip} was not made: ${reason}`));

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button.drill[aria-expanded]");
    if (button) (button.getAttribute("aria-expanded") === "true" ? close : open)(button);
  });
})();
