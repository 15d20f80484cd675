// What all scripts of the page share. Text enters the page as text nodes only, never as markup.
"use strict";

const SEMO = { clips: {}, data: {} };

/** A node: element("a", { href: "#x", class: "y", onclick: f }, "text", otherNode, ...). */
SEMO.element = (tag, properties = {}, ...children) => {
  const node = document.createElement(tag);
  SEMO.fill(node, properties, children);
  return node;
};

/** The same for a part of an SVG picture. */
SEMO.svg = (tag, properties = {}, ...children) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  SEMO.fill(node, properties, children);
  return node;
};

SEMO.fill = (node, properties, children) => {
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
};

SEMO.$ = (id) => document.getElementById(id);

/** Put options into a select; entries are [value, text, disabled]. */
SEMO.options = (select, entries, chosen) => {
  select.replaceChildren(
    ...entries.map(([value, text, disabled]) => SEMO.element("option", { value, disabled: disabled === true }, text)),
  );
  if (entries.some(([value, , disabled]) => String(value) === String(chosen) && !disabled)) select.value = chosen;
};

/** Run a script of the folder once; a page opened from disk may do that, but not read a file. */
SEMO.load = (() => {
  const started = {};
  return (path) =>
    (started[path] ??= new Promise((resolve, reject) => {
      document.head.append(SEMO.element("script", { src: path, onload: resolve, onerror: () => reject(new Error(path)) }));
    }));
})();
