// Charts as SVG: curves of the training runs, and quality against cost.
"use strict";

(() => {
  const { $, element, svg, options } = SEMO;
  const COLOURS = 10;
  const short = (value) => {
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 1e6) return `${+(value / 1e6).toPrecision(3)} M`;
    if (size >= 1e4) return `${+(value / 1e3).toPrecision(3)} k`;
    return String(+value.toPrecision(size < 1e-3 ? 2 : 4));
  };

  /** Pixels for a chart as wide as its place, so that letters keep their size. */
  const room = (place) => Math.round(Math.min(900, Math.max(320, place.clientWidth - 26)));

  /** Round numbers between two ends, on a linear or logarithmic axis. */
  const ticks = (low, high, log, about = 5) => {
    if (log) {
      const found = [];
      for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) {
        for (const m of [1, 1.5, 2, 3, 4, 5, 7]) found.push(m * 10 ** e);
      }
      const inside = found.filter((v) => v >= low * 0.999 && v <= high * 1.001);
      const whole = inside.filter((v) => Number.isInteger(Math.round(Math.log10(v) * 1e6) / 1e6));
      const few = inside.filter((v) => [1, 2, 5].includes(Math.round((v / 10 ** Math.floor(Math.log10(v) + 1e-9)) * 10) / 10));
      return [whole, few].find((choice) => choice.length >= 3) ?? inside;
    }
    const raw = (high - low) / about || 1;
    const unit = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].find((m) => m * unit >= raw) * unit;
    const found = [];
    for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-6; v += step) found.push(+v.toPrecision(12));
    return found;
  };

  const extent = (values, log, margin) => {
    let [low, high] = [Math.min(...values), Math.max(...values)];
    if (log) return low === high ? [low / 2, high * 2] : [low / (high / low) ** margin, high * (high / low) ** margin];
    if (low === high) [low, high] = [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1];
    return [low - (high - low) * margin, high + (high - low) * margin];
  };

  /** Scales, axes and a group to draw in. */
  const frame = (xs, ys, { width, height, xLog = false, yLog = false, xTitle = "", yTitle = "", label, xMargin = 0 }) => {
    const pad = { left: yTitle ? 62 : 46, right: 12, top: 10, bottom: xTitle ? 40 : 24 };
    const [x0, x1] = extent(xs, xLog, xMargin);
    const [y0, y1] = extent(ys, yLog, 0.08);
    const place = (v, low, high, log) => (log ? Math.log(v / low) / Math.log(high / low) : (v - low) / (high - low));
    const x = (v) => pad.left + place(v, x0, x1, xLog) * (width - pad.left - pad.right);
    const y = (v) => height - pad.bottom - place(v, y0, y1, yLog) * (height - pad.top - pad.bottom);
    const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
    for (const v of ticks(y0, y1, yLog)) {
      root.append(svg("line", { class: "grid", x1: pad.left, x2: width - pad.right, y1: y(v), y2: y(v) }),
        svg("text", { x: pad.left - 6, y: y(v) + 4, "text-anchor": "end" }, short(v)));
    }
    for (const v of ticks(x0, x1, xLog, Math.max(3, width / 110))) {
      root.append(svg("line", { class: "axis", x1: x(v), x2: x(v), y1: height - pad.bottom, y2: height - pad.bottom + 4 }),
        svg("text", { x: x(v), y: height - pad.bottom + 16, "text-anchor": "middle" }, short(v)));
    }
    root.append(svg("line", { class: "axis", x1: pad.left, x2: width - pad.right, y1: height - pad.bottom, y2: height - pad.bottom }));
    if (xTitle) root.append(svg("text", { x: (pad.left + width) / 2, y: height - 6, "text-anchor": "middle" }, xTitle));
    if (yTitle) {
      root.append(svg("text", { x: -(height - pad.bottom) / 2, y: 13, transform: "rotate(-90)", "text-anchor": "middle" }, yTitle));
    }
    return { root, x, y, inside: [y0, y1], pad };
  };

  // curves

  const points = (run, quantity, axis, log) =>
    run[axis].map((x, i) => [x, run.values[quantity][i]]).filter(([x, y]) => x !== null && y !== null && (!log || y > 0));

  const title = (run) => `${run.label}, ${run.stage}`;

  const path = (found, x, y) => found.map(([a, b], i) => `${i ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("");

  /** A line that follows the pointer and writes what it stands on. */
  const follow = (root, found, x, y, out, text) => {
    const hair = svg("line", { class: "hair", y1: 10, y2: 176, visibility: "hidden" });
    root.append(hair);
    root.addEventListener("pointermove", (event) => {
      const box = root.getBoundingClientRect();
      const at = ((event.clientX - box.left) / box.width) * root.viewBox.baseVal.width;
      const near = found.reduce((best, p) => (Math.abs(x(p[0]) - at) < Math.abs(x(best[0]) - at) ? p : best));
      hair.setAttribute("x1", x(near[0]));
      hair.setAttribute("x2", x(near[0]));
      hair.setAttribute("visibility", "visible");
      out.textContent = `${short(near[1])} at ${short(near[0])}`;
    });
    root.addEventListener("pointerleave", () => {
      hair.setAttribute("visibility", "hidden");
      out.textContent = text;
    });
  };

  const curveCard = (run, quantity, axis, log, index) => {
    const found = points(run, quantity, axis, log);
    const name = SEMO.data.curves.quantities[quantity];
    const last = found.length ? `last ${short(found.at(-1)[1])}` : "no value";
    const out = element("span", {}, last);
    const head = element("figcaption", {}, element("b", {}, title(run)), out);
    if (!found.length) return element("figure", { class: "chart" }, head);
    const label = `${title(run)}: ${name}, from ${short(found[0][1])} to ${short(found.at(-1)[1])} in ${short(found.at(-1)[0])} ${axis === "step" ? "steps" : "seconds"}`;
    const { root, x, y } = frame(found.map((p) => p[0]), found.map((p) => p[1]), { width: 340, height: 200, yLog: log, label });
    root.append(svg("path", { class: `line k${index % COLOURS}`, d: path(found, x, y) }));
    for (const [a, b] of found) root.append(svg("circle", { class: `f${index % COLOURS}`, cx: x(a), cy: y(b), r: 2 }));
    follow(root, found, x, y, out, last);
    return element("figure", { class: "chart" }, head, root);
  };

  const curvesTogether = (runs, quantity, axis, log) => {
    const lines = runs.map((run) => points(run, quantity, axis, log)).map((found, i) => [runs[i], found]).filter(([, found]) => found.length);
    const all = lines.flatMap(([, found]) => found);
    if (!all.length) return element("p", { class: "empty" }, "No run has a value.");
    const label = `${SEMO.data.curves.quantities[quantity]} of ${lines.length} training runs`;
    const { root, x, y } = frame(all.map((p) => p[0]), all.map((p) => p[1]), { width: room($("curve-charts")), height: 420, yLog: log, label, xTitle: axis === "step" ? "steps" : "seconds" });
    lines.forEach(([run, found], i) => {
      root.append(svg("path", { class: `line k${i % COLOURS}`, "stroke-dasharray": i < COLOURS ? null : "6 3", d: path(found, x, y) }, svg("title", {}, title(run))));
    });
    const legend = element("ul", { class: "legend" }, ...lines.map(([run, found], i) =>
      element("li", {}, element("i", { class: `k${i % COLOURS}` }), `${title(run)}: ${short(found.at(-1)[1])}`)));
    return element("figure", { class: "chart" }, element("figcaption", {}, element("b", {}, label)), root, legend);
  };

  const drawCurves = () => {
    const [quantity, axis] = [$("curve-quantity").value, $("curve-axis").value];
    const [log, together] = [$("curve-log").checked, $("curve-together").checked];
    const runs = SEMO.data.curves.runs.filter((run) => run.values[quantity]);
    const charts = together ? [curvesTogether(runs, quantity, axis, log)] : runs.map((run, i) => curveCard(run, quantity, axis, log, i));
    $("curve-charts").classList.toggle("together", together);
    $("curve-charts").replaceChildren(...charts);
  };

  // quality against cost

  /** Points that no other point beats in both, from the cheapest on. */
  const front = (found, higher) => {
    const kept = [];
    for (const point of [...found].sort((a, b) => a.cost - b.cost || (higher ? b.quality - a.quality : a.quality - b.quality))) {
      const best = kept.at(-1)?.quality;
      if (best === undefined || (higher ? point.quality > best : point.quality < best)) kept.push(point);
    }
    return kept;
  };

  const drawCost = () => {
    const { costs, tasks } = SEMO.data.cost;
    const task = tasks[$("cost-task").value];
    const [metric, axis] = [$("cost-metric").value, $("cost-axis").value];
    const wanted = task.points.filter((p) => p.kind === "method" || (p.kind === "ablation" && $("cost-ablations").checked));
    const found = wanted
      .map((p) => ({ label: p.label, quality: p.values[metric], cost: p.costs[axis] }))
      .filter((p) => p.cost > 0 && p.quality !== undefined);
    const absent = wanted.filter((p) => !(p.costs[axis] > 0) || p.values[metric] === undefined).map((p) => p.label);
    const note = absent.length ? [element("p", { class: "note" }, `Without a value: ${absent.join(", ")}.`)] : [];
    if (!found.length) return $("cost-chart").replaceChildren(element("p", { class: "empty" }, "not run: no method has both values."), ...note);
    const about = task.metrics[metric];
    const copy = task.points.find((p) => p.method === "copy-reference")?.values[metric];
    const values = found.map((p) => p.quality);
    const range = Math.max(...values) - Math.min(...values) || 1;
    const line = copy !== undefined && Math.abs(copy - values[0]) < 4 * range ? [copy] : [];
    const label = `${about.title} against ${costs[axis]}: ${found.map((p) => `${p.label} ${short(p.quality)} at ${short(p.cost)}`).join("; ")}`;
    const width = room($("cost-chart"));
    const { root, x, y, pad } = frame(found.map((p) => p.cost), [...values, ...line],
      { width, height: 440, xLog: true, xTitle: costs[axis], yTitle: about.title, label, xMargin: 0.15 });
    for (const v of line) {
      root.append(svg("line", { class: "hair", x1: pad.left, x2: width - pad.right, y1: y(v), y2: y(v) }),
        svg("text", { x: pad.left + 6, y: y(v) - 5 }, "copy-reference"));
    }
    const best = front(found, about.better === "higher");
    root.append(svg("path", { class: "front", d: path(best.map((p) => [p.cost, p.quality]), x, y) }));
    const [taken, dots] = [[], []];
    found.forEach((p, i) => {
      const [cx, cy] = [x(p.cost), y(p.quality)];
      const left = cx > width * 0.6;
      let ty = cy - 10;
      while (taken.some(([ox, oy]) => Math.abs(ox - cx) < 130 && Math.abs(oy - ty) < 13)) ty -= 13;
      taken.push([cx, ty]);
      root.append(svg("text", { class: "name", x: left ? cx + 6 : cx - 6, y: ty, "text-anchor": left ? "end" : "start" }, p.label));
      dots.push(svg("circle", { class: `f${i % COLOURS}`, cx, cy, r: 6 }, svg("title", {}, `${p.label}: ${short(p.quality)} at ${short(p.cost)}`)));
    });
    root.append(...dots); // over the names
    $("cost-chart").replaceChildren(element("figure", { class: "chart" }, root), ...note);
  };

  /** Again where the window has another width. */
  const redrawn = (draw, place) => {
    let before = room(place);
    addEventListener("resize", () => {
      if (room(place) !== before) draw();
      before = room(place);
    });
  };

  const openTask = () => {
    const known = Object.entries(SEMO.data.cost.tasks[$("cost-task").value].metrics);
    options($("cost-metric"), known.map(([name, about]) => [name, about.title]), $("cost-metric").value || "psnr_moving");
    drawCost();
  };

  if ($("curve-controls") && SEMO.data.curves?.runs.length) {
    options($("curve-quantity"), Object.entries(SEMO.data.curves.quantities), "loss");
    $("curve-controls").addEventListener("change", drawCurves);
    drawCurves();
    redrawn(drawCurves, $("curve-charts"));
  }
  const tasks = Object.keys(SEMO.data.cost?.tasks ?? {});
  if (tasks.length) {
    options($("cost-task"), tasks.map((task) => [task, task]), tasks[0]);
    options($("cost-axis"), Object.entries(SEMO.data.cost.costs), "ms");
    $("cost-controls").addEventListener("change", (event) => (event.target.id === "cost-task" ? openTask : drawCost)());
    openTask();
    redrawn(drawCost, $("cost-chart"));
  } else {
    $("cost-controls").hidden = true;
    $("cost-chart").replaceChildren(element("p", { class: "empty" }, "not run: no method was timed in this run."));
  }
})();
