// One video of many tiles as the clock of the wall: play, pause, step, and paint parts of the present frame on canvases.
"use strict";

SEMO.Player = class {
  /** `changed(frame)` is called when another frame is shown, `state()` when playing begins or ends. */
  constructor(folder, fps, { changed, state, failed }) {
    Object.assign(this, { folder, fps, changed, state, failed, clip: null });
    this.video = SEMO.element("video", { class: "clock", preload: "auto", playsinline: true, tabindex: "-1", "aria-hidden": "true" });
    this.video.loop = true;
    for (const name of ["seeked", "loadeddata"]) this.video.addEventListener(name, () => this.show());
    for (const name of ["play", "pause", "ended"]) this.video.addEventListener(name, () => this.state());
    this.video.addEventListener("play", () => this.run());
    this.video.addEventListener("error", () => this.failed());
    document.body.append(this.video);
  }

  get playing() {
    return !this.video.paused && !this.video.ended;
  }

  /** The frame on show, from 0. */
  get frame() {
    const last = (this.clip?.frames ?? 1) - 1;
    return Math.min(last, Math.max(0, Math.floor(this.video.currentTime * this.fps + 1e-3)));
  }

  /** Another clip, at its first frame; goes on playing if it did. */
  open(clip) {
    const going = this.playing;
    const rate = this.video.playbackRate;
    this.clip = clip;
    this.video.src = this.folder + encodeURIComponent(clip.video);
    this.video.playbackRate = this.video.defaultPlaybackRate = rate;
    if (going) this.play();
  }

  play() {
    this.video.play().catch((error) => {
      if (error.name !== "AbortError") this.failed(error);
    });
  }

  toggle() {
    if (this.playing) this.video.pause();
    else this.play();
  }

  /** Stand on one frame; its middle, so that rounding shows no neighbour. */
  seek(frame) {
    this.video.pause();
    this.video.currentTime = (Math.min(this.clip.frames - 1, Math.max(0, frame)) + 0.5) / this.fps;
  }

  step(by) {
    this.seek(this.frame + by);
  }

  run() {
    if (!this.playing) return;
    this.show();
    requestAnimationFrame(() => this.run());
  }

  show() {
    if (this.video.readyState >= 2) this.changed(this.frame);
  }

  /** Paint one tile; only the part of it right of `from` (0 to 1). */
  paint(context, tile, from = 0) {
    const side = this.clip.side;
    const cut = Math.round(side * from);
    if (cut < side) context.drawImage(this.video, tile.x + cut, tile.y, side - cut, side, cut, 0, side - cut, side);
  }

  /** Paint |one - other|, four times as bright. Blending needs no pixel to be read, which a page from disk may not. */
  paintDifference(context, tile, other) {
    context.globalCompositeOperation = "source-over";
    this.paint(context, tile);
    context.globalCompositeOperation = "difference";
    this.paint(context, other);
    context.globalCompositeOperation = "lighter";
    context.drawImage(context.canvas, 0, 0);
    context.drawImage(context.canvas, 0, 0);
    context.globalCompositeOperation = "source-over";
  }
};
