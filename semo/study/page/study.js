"use strict";
// One form of window.STUDY: shows its pairs one after the other and collects the answers for a file.
(() => {
  const study = window.STUDY;
  const by = (id) => document.getElementById(id);
  const asked = Number.parseInt(new URLSearchParams(location.search).get("form"), 10);
  const form = Number.isInteger(asked) ? asked - 1 : Math.floor(Math.random() * study.forms.length);
  const rater = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
  const answers = [];
  let index = 0, shown = 0, played = new Set();

  function problem(text) {
    by("problem").textContent = text;
    by("problem").hidden = false;
  }

  function question(name, text) {
    const set = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.textContent = text;
    set.append(legend);
    for (const side of ["left", "right"]) {
      const label = document.createElement("label");
      const input = document.createElement("input");
      Object.assign(input, { type: "radio", name, value: side });
      label.append(input, side === "left" ? " Left" : " Right");
      set.append(label);
    }
    return set;
  }

  function chosen() {
    return Object.keys(study.dimensions).map((name) => [name, new FormData(by("questions")).get(name)]);
  }

  function ready() {
    by("hint").hidden = played.size === 2;
    by("next").disabled = played.size < 2 || chosen().some(([, side]) => side === null);
  }

  function show() {
    const pair = study.forms[form][index];
    played = new Set();
    for (const side of ["left", "right"]) {
      by(side).src = `videos/${pair[side]}.mp4`;
      by(side).load();
    }
    by("questions").replaceChildren(...Object.entries(study.dimensions).map(([name, text]) => question(name, text)));
    by("count").textContent = `Pair ${index + 1} of ${study.forms[form].length}`;
    Object.assign(by("bar"), { max: study.forms[form].length, value: index });
    shown = performance.now();
    ready();
    by("left").focus();
  }

  function next() {
    const pair = study.forms[form][index];
    const seconds = Math.round((performance.now() - shown) / 100) / 10;
    for (const [dimension, choice] of chosen()) {
      answers.push({ trial: index, left: pair.left, right: pair.right, dimension, choice, seconds });
    }
    index += 1;
    if (index < study.forms[form].length) return show();
    by("trial").hidden = true;
    by("end").hidden = false;
    by("save").focus();
  }

  function save() {
    const content = { version: 1, study: study.id, form: form + 1, rater, answers };
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }));
    link.download = `answers-${study.id}-${rater}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  if (!study.forms[form]) {
    problem(`There is no form ${asked}: choose one from 1 to ${study.forms.length} in the address, as ?form=1.`);
    by("begin").disabled = true;
  }
  for (const side of ["left", "right"]) {
    const other = by(side === "left" ? "right" : "left");
    by(side).addEventListener("play", () => other.pause());
    by(side).addEventListener("ended", () => { played.add(side); ready(); });
    by(side).addEventListener("error", () => { if (!by("trial").hidden) by("hint").textContent = "A video cannot be played."; });
  }
  by("questions").addEventListener("change", ready);
  by("questions").addEventListener("submit", (event) => event.preventDefault());
  by("begin").addEventListener("click", () => { by("start").hidden = true; by("trial").hidden = false; show(); });
  by("next").addEventListener("click", next);
  by("save").addEventListener("click", save);
  window.addEventListener("beforeunload", (event) => { if (index > 0 && by("end").hidden) event.preventDefault(); });
})();
