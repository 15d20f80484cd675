// The wall of videos: which clip, which tiles, how they are compared.
"use strict";

(() => {
  const { $, element, options } = SEMO;
  const wall = SEMO.data.wall;
  if (!$("wall") || !wall?.sets.length) return;

  const names = { reconstruct: "Reconstruct", cross: "Cross-identity", talk: "Talk" };
  const on = new Map(); // tile key -> whether it is shown; kept from clip to clip
  const view = { set: wall.sets[0], clip: null, mode: "grid", a: "truth", b: "", wipe: 0.5, painters: [] };

  const player = new SEMO.Player("page/videos/", wall.fps, {
    changed: (frame) => {
      view.painters.forEach((paint) => paint());
      $("wall-frame").value = frame;
      $("wall-frame").setAttribute("aria-valuetext", `frame ${frame + 1} of ${view.clip.frames}`);
      $("wall-count").value = `${frame + 1} / ${view.clip.frames}`;
    },
    state: () => {
      $("wall-play").textContent = player.playing ? "Pause" : "Play";
      $("wall-play").setAttribute("aria-pressed", String(player.playing));
    },
    failed: () => {
      $("wall-status").textContent = `${view.clip.video} cannot be played: it is not beside this page, or this browser knows no H.264.`;
    },
  });

  const tiles = () => view.clip.tiles;
  const made = (key) => tiles().find((tile) => tile.key === key && !tile.reason);
  const shown = (tile) => on.get(tile.key) ?? (tile.kind === "given" || tile.kind === "method");

  const canvas = () => element("canvas", { width: view.clip.side, height: view.clip.side, "aria-hidden": "true" });

  const caption = (tile) => {
    const value = tile.value === undefined || tile.value === null ? "" : `${tile.value} ${wall.unit}`;
    return element("figcaption", {}, element("b", {}, tile.label), element("span", {}, value));
  };

  const gridTile = (tile) => {
    if (tile.reason) {
      return element("figure", {}, element("div", { class: "gone" }, `not run: ${tile.reason}`), caption(tile));
    }
    const target = canvas();
    const context = target.getContext("2d");
    const truth = made("truth");
    view.painters.push(() => {
      if (view.mode === "error" && tile.key !== "truth" && tile.kind !== "given") player.paintDifference(context, tile, truth);
      else player.paint(context, tile);
    });
    return element("figure", { class: tile.kind }, target, caption(tile));
  };

  const pair = () => {
    const [a, b] = [made(view.a), made(view.b)];
    const target = canvas();
    const context = target.getContext("2d");
    view.painters.push(() => {
      if (view.mode === "difference") return player.paintDifference(context, a, b);
      player.paint(context, a);
      player.paint(context, b, view.wipe);
      context.fillStyle = "#fff";
      context.fillRect(Math.round(view.clip.side * view.wipe) - 0.5, 0, 1, view.clip.side);
    });
    const drag = (event) => {
      if (event.buttons !== 1 || view.mode !== "wipe") return;
      const box = target.getBoundingClientRect();
      wipeTo(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
      $("wall-wipe").value = Math.round(view.wipe * 100);
    };
    target.addEventListener("pointerdown", drag);
    target.addEventListener("pointermove", drag);
    const text = view.mode === "wipe" ? `${a.label} | ${b.label}` : `|${a.label} - ${b.label}| times four`;
    return element("figure", {}, target, element("figcaption", {}, element("b", {}, text)));
  };

  const wipeTo = (share) => {
    view.wipe = share;
    player.show();
  };

  const arrange = () => {
    const two = view.mode === "wipe" || view.mode === "difference";
    view.painters = [];
    $("wall-pair").hidden = !two;
    $("wall-wipe").parentElement.hidden = view.mode !== "wipe";
    $("wall-toggles").hidden = two;
    $("wall-stage").classList.toggle("single", two);
    $("wall-stage").replaceChildren(...(two ? [pair()] : tiles().filter(shown).map(gridTile)));
    player.show();
  };

  const toggles = () => {
    const boxes = tiles().map((tile) => {
      const box = element("input", { type: "checkbox", "data-key": tile.key, onchange: () => (on.set(tile.key, box.checked), arrange()) });
      box.checked = shown(tile);
      return element("label", { class: tile.reason ? "off" : "" }, box, tile.reason ? `${tile.label} (not made)` : tile.label);
    });
    const all = (state) => () => {
      tiles().forEach((tile) => on.set(tile.key, state));
      toggles();
      arrange();
    };
    $("wall-toggles").replaceChildren(element("legend", {}, "Shown"), ...boxes,
      element("button", { type: "button", onclick: all(true) }, "all"), element("button", { type: "button", onclick: all(false) }, "none"));
  };

  const pairOptions = () => {
    const entries = tiles().map((tile) => [tile.key, tile.label, Boolean(tile.reason)]);
    const usable = tiles().filter((tile) => !tile.reason).map((tile) => tile.key);
    if (!made(view.a)) view.a = usable.includes("truth") ? "truth" : usable[0];
    if (!made(view.b)) view.b = ["method-semo", usable.at(-1)].find((key) => usable.includes(key));
    options($("wall-a"), entries, view.a);
    options($("wall-b"), entries, view.b);
  };

  const openClip = (index) => {
    view.clip = view.set.clips[index];
    $("wall-clip").value = index;
    $("wall-frame").max = view.clip.frames - 1;
    $("wall-status").textContent = [
      view.clip.sound ? "" : "This clip has no sound.",
      view.clip.cut ? `Shown: ${view.clip.cut}.` : "",
    ].filter(Boolean).join(" ");
    pairOptions();
    toggles();
    arrange();
    player.open(view.clip);
  };

  const openSet = (index) => {
    view.set = wall.sets[index];
    $("wall-set").value = index;
    $("wall-judge").textContent = view.set.judge || "no method";
    options($("wall-clip"), view.set.clips.map((clip, i) => {
      const value = clip.value === null ? "" : `, ${clip.value} ${wall.unit}`;
      return [i, `${clip.why.join(", ")}: ${clip.id}${value}`];
    }), 0);
  };

  SEMO.onTheWall = (task, clip) => {
    for (const [s, set] of wall.sets.entries()) {
      const c = set.task === task ? set.clips.findIndex((candidate) => candidate.id === clip) : -1;
      if (c >= 0) return () => { openSet(s); openClip(c); $("videos").scrollIntoView(); $("wall-stage").focus({ preventScroll: true }); };
    }
    return null;
  };

  const keys = (event) => {
    const action = {
      " ": () => player.toggle(),
      ArrowLeft: () => player.step(-1),
      ArrowRight: () => player.step(1),
      Home: () => player.seek(0),
      End: () => player.seek(view.clip.frames - 1),
    }[event.key];
    if (!action || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    action();
  };

  options($("wall-set"), wall.sets.map((set, i) => [i, `${names[set.task] ?? set.task}, ${set.dataset}`]), 0);
  $("wall-set").addEventListener("change", (event) => { openSet(Number(event.target.value)); openClip(0); });
  $("wall-clip").addEventListener("change", (event) => openClip(Number(event.target.value)));
  $("wall-stage").addEventListener("keydown", keys);
  $("wall-play").addEventListener("click", () => player.toggle());
  $("wall-back").addEventListener("click", () => player.step(-1));
  $("wall-next").addEventListener("click", () => player.step(1));
  $("wall-frame").addEventListener("input", (event) => player.seek(Number(event.target.value)));
  $("wall-speed").addEventListener("change", (event) => { player.video.playbackRate = Number(event.target.value); });
  $("wall-loop").addEventListener("change", (event) => { player.video.loop = event.target.checked; });
  $("wall-sound").addEventListener("change", (event) => { player.video.muted = !event.target.checked; });
  $("wall-wipe").addEventListener("input", (event) => wipeTo(Number(event.target.value) / 100));
  for (const side of ["a", "b"]) {
    $(`wall-${side}`).addEventListener("change", (event) => { view[side] = event.target.value; arrange(); });
  }
  for (const radio of document.getElementsByName("wall-mode")) {
    radio.addEventListener("change", () => { view.mode = radio.value; arrange(); });
  }
  openSet(0);
  openClip(0);
})();
