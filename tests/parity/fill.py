"""Deterministic pseudo-random weights and inputs for numerical parity checks.

Only numpy is needed to make the numbers; torch is imported only by the functions that
hand tensors to a module.  Nothing here depends on any model code.

Weight rule (exact)
-------------------
For every state-dict entry of a module, with
    name = prefix + key            prefix = "<module name>." as listed in the sidecar JSON
    leaf = part of key after the last "."
    rng  = numpy.random.Generator(numpy.random.Philox(key=crc32(name as UTF-8) + 2**32 * seed))
    n    = rng.standard_normal(shape)           (float64, C order)
the value is, first matching line wins:
    key in `fixed`                      not touched, the module's own value stays
    integer or bool dtype               zeros
    leaf ends with "running_var"        rng.uniform(0.5, 1.5, shape)  (instead of n)
    leaf ends with "running_mean"       0.1 * n
    leaf is "weight_u" or "weight_v"    old-style spectral norm, see below
    leaf ends with "bias" (any rank)    0.05 * n
    rank <= 1, leaf is "weight"         1 + 0.1 * n
    rank <= 1, any other leaf           0.05 * n
    rank >= 2, name matches `equalized` gain * n       (layers that divide by sqrt(fan_in) at run time)
    rank >= 2                           gain * n / sqrt(fan_in),  fan_in = prod(shape[1:])
Then every (pattern, scale, offset) of `adjust` whose regular expression is found in `name`
(re.search), in order:  value = value * scale + offset
(offset: one number, or a flat list repeated over the flattened tensor).  `gain`, `equalized` and `adjust` are
per module and recorded in the sidecar: they keep activations well scaled and matrices that
the model inverts well conditioned.
Last, the float64 value is cast to the entry's dtype.

Spectral norm: with W = final weight_orig reshaped to (shape[0], -1) in float64, u0 = n of the
weight_u entry, five rounds of v = W^T u / |W^T u|, u = W v / |W v| give weight_u, weight_v.
(In eval mode sigma = u^T W v, the weight used is weight_orig / sigma.)

Input rule: see fixed_inputs().  All inputs are rounded to multiples of 2**-12, so that last-bit
differences of sin/exp between platforms cannot show.
"""
from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

__all__ = ["rng_for", "fill_arrays", "fill_state_dict", "fill_module", "weights_digest", "fixed_inputs",
           "smooth_array", "face_image", "sample", "compare", "self_test"]


def rng_for(name: str, seed: int) -> np.random.Generator:
    key = zlib.crc32(name.encode("utf-8")) + 2 ** 32 * int(seed)
    return np.random.Generator(np.random.Philox(key=key))


def _np_dtype(dtype) -> np.dtype:
    text = str(dtype).replace("torch.", "")
    return np.dtype({"bfloat16": "float32"}.get(text, text))


def _rule(name: str, key: str, shape: tuple, seed: int, gain: float, equalized) -> np.ndarray:
    rng, leaf = rng_for(name, seed), key.rsplit(".", 1)[-1]
    if leaf.endswith("running_var"):
        return rng.uniform(0.5, 1.5, shape)
    n = rng.standard_normal(shape)
    if leaf.endswith("running_mean"):
        return 0.1 * n
    if leaf.endswith("bias"):
        return 0.05 * n
    if len(shape) <= 1:
        return 1 + 0.1 * n if leaf == "weight" else 0.05 * n
    if any(re.search(p, name) for p in equalized):
        return gain * n
    return gain * n / np.sqrt(float(np.prod(shape[1:])))


def _adjust(value: np.ndarray, name: str, adjust) -> np.ndarray:
    for pattern, scale, offset in adjust:
        if re.search(pattern, name):
            off = np.asarray(offset, dtype=np.float64)
            if off.ndim:
                off = np.resize(off, value.size).reshape(value.shape)
            value = np.asarray(value) * scale + off
    return value


def fill_arrays(shapes: Mapping[str, tuple], seed: int, fixed: Iterable[str] = (), *, prefix: str = "",
                gain: float = 1.0, equalized: Sequence[str] = (), adjust: Sequence = ()) -> dict[str, np.ndarray]:
    """shapes: key -> (shape, dtype).  Returns key -> array for every key not in `fixed`."""
    fixed, out, spectral = set(fixed), {}, []
    for key, (shape, dtype) in shapes.items():
        if key in fixed:
            continue
        shape, dt, name = tuple(shape), _np_dtype(dtype), prefix + key
        if dt.kind not in "f":
            out[key] = np.zeros(shape, dt)
            continue
        if key.rsplit(".", 1)[-1] in ("weight_u", "weight_v"):
            spectral.append(key)
            continue
        value = _adjust(_rule(name, key, shape, seed, gain, equalized), name, adjust)
        out[key] = np.asarray(value, dtype=np.float64).reshape(shape).astype(dt)
    for key in sorted({k[:-2] for k in spectral}):            # "...weight"
        w = out[key + "_orig"].astype(np.float64)
        w = w.reshape(w.shape[0], -1)
        u = rng_for(prefix + key + "_u", seed).standard_normal(w.shape[0])
        for _ in range(5):
            v = w.T @ u
            v /= np.linalg.norm(v)
            u = w @ v
            u /= np.linalg.norm(u)
        out[key + "_u"], out[key + "_v"] = u.astype(np.float32), v.astype(np.float32)
    return out


def fill_state_dict(shapes: Mapping[str, tuple], seed: int, fixed: Iterable[str] = (), **rule):
    """As fill_arrays, but returns torch tensors."""
    import torch
    return {k: torch.from_numpy(np.ascontiguousarray(v)).reshape(tuple(shapes[k][0]))
            for k, v in fill_arrays(shapes, seed, fixed, **rule).items()}


def fill_module(module, name: str, meta: Mapping):
    """Fill one torch module in place with the rule recorded for meta["modules"][name]."""
    entry = meta["modules"][name]
    state = module.state_dict()
    shapes = {k: (tuple(v.shape), str(v.dtype)) for k, v in state.items()}
    rule = entry["fill"]
    new = fill_state_dict(shapes, meta["seed"], rule.get("fixed", ()), prefix=rule["prefix"],
                          gain=rule.get("gain", 1.0), equalized=rule.get("equalized", ()),
                          adjust=rule.get("adjust", ()))
    missing = set(rule.get("fixed", ())) - set(shapes)
    if missing:
        raise KeyError(f"{name}: keys expected by the golden are absent: {sorted(missing)[:5]}")
    state = dict(state)
    state.update(new)
    module.load_state_dict(state, strict=True)
    return module.eval()


def weights_digest(state: Mapping, fixed: Iterable[str] = ()) -> str:
    """crc32 (hex) over key names and raw bytes of all entries in sorted key order.

    Keys in `fixed` and weight_u / weight_v are left out (computed by other means; their last bit
    may depend on the platform).  With fixed = meta["modules"][name]["fill"]["fixed"] the result equals
    meta["modules"][name]["weights_crc32"] when a module was filled correctly.
    """
    crc, fixed = 0, set(fixed)
    for key in sorted(state):
        if key in fixed or key.rsplit(".", 1)[-1] in ("weight_u", "weight_v"):
            continue
        value = state[key]
        value = value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)
        crc = zlib.crc32(key.encode("utf-8"), crc)
        crc = zlib.crc32(np.ascontiguousarray(value).tobytes(), crc)
    return f"{crc:08x}"


def _quantise(x: np.ndarray) -> np.ndarray:
    return (np.round(np.asarray(x, np.float64) * 4096.0) / 4096.0).astype(np.float32)


def face_image(tag: str, seed: int, phase: float, size: int = 256) -> np.ndarray:
    """(3, size, size) in [0, 1]: low-frequency sinusoids + a face-like arrangement of blobs.

    `phase` moves the blobs (0 = source frame); everything else depends on (tag, seed) only.
    """
    rng = rng_for("image:" + tag, seed)
    y, x = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size), indexing="ij")
    img = np.zeros((3, size, size))
    for c in range(3):                                   # background: 6 slow waves per channel
        for _ in range(6):
            fx, fy = rng.uniform(-3, 3, 2)
            ph, a = rng.uniform(0, 2 * np.pi), rng.uniform(0.03, 0.10)
            img[c] += a * np.sin(np.pi * (fx * x + fy * y) + ph)
    img += rng.uniform(0.35, 0.55, (3, 1, 1))
    tilt0, speed = rng.uniform(-0.2, 0.2), rng.uniform(0.6, 1.4)
    cx = rng.uniform(-0.1, 0.1) + 0.12 * np.sin(speed * phase)
    cy = rng.uniform(-0.1, 0.1) + 0.08 * np.sin(1.7 * speed * phase)
    tilt = tilt0 + 0.25 * np.sin(0.9 * speed * phase)
    mouth = 0.10 + 0.07 * np.sin(2.3 * speed * phase)
    u = np.cos(tilt) * (x - cx) + np.sin(tilt) * (y - cy)
    v = -np.sin(tilt) * (x - cx) + np.cos(tilt) * (y - cy)
    skin = rng.uniform(0.45, 0.85, (3, 1, 1))
    dark = rng.uniform(0.02, 0.25, (3, 1, 1))

    def blob(u0, v0, su, sv, power=2.0):
        r = ((u - u0) / su) ** 2 + ((v - v0) / sv) ** 2
        return np.exp(-r ** power)

    for mask, colour in ((blob(0.0, 0.75, 0.75, 0.35), rng.uniform(0.1, 0.9, (3, 1, 1))),   # shoulders
                         (blob(0.0, -0.2, 0.58, 0.62), dark),                                # hair
                         (blob(0.0, 0.0, 0.45, 0.60), skin),                                 # head
                         (blob(-0.18, -0.12, 0.09, 0.05), dark),                             # eyes
                         (blob(0.18, -0.12, 0.09, 0.05), dark),
                         (blob(0.0, 0.08, 0.05, 0.14), 0.8 * skin),                          # nose
                         (blob(0.0, 0.32, 0.17, mouth), np.array([[[0.6]], [[0.1]], [[0.15]]]))):
        img = img * (1 - mask) + colour * mask
    return _quantise(np.clip(img, 0.0, 1.0))


def smooth_array(tag: str, seed: int, shape: Sequence[int], scale: float = 1.0, offset: float = 0.0,
                 noise: float = 0.2) -> np.ndarray:
    """Random field, smooth along every axis (8 separable waves) plus `noise` of white noise; std about `scale`."""
    rng = rng_for("array:" + tag, seed)
    shape = tuple(int(s) for s in shape)
    total = np.zeros(shape)
    for _ in range(8):
        wave = np.ones(shape)
        for axis, n in enumerate(shape):
            if n == 1:
                continue
            f, ph = rng.uniform(0.5, 4.0), rng.uniform(0, 2 * np.pi)
            line = np.cos(2 * np.pi * f * np.arange(n) / max(n, 8) + ph) * np.sqrt(2.0)
            wave = wave * line.reshape([-1 if a == axis else 1 for a in range(len(shape))])
        total += wave / np.sqrt(8.0)
    total += noise * rng.standard_normal(shape)
    return _quantise(offset + scale * total)


def fixed_inputs(name: str, seed: int) -> dict[str, np.ndarray]:
    """Deterministic float32 inputs of a method (see the sidecar JSON for the meaning of each).

    Every method: "source" (1,3,256,256) and "driving" (2,3,256,256) in [0,1]: the same face-like
    scene at phase 0 and at phases 0.7 and 1.9.  Further entries per method are smooth_array fields.
    """
    tag = name
    out = {"source": face_image(tag, seed, 0.0)[None],
           "driving": np.stack([face_image(tag, seed, 0.7), face_image(tag, seed, 1.9)])}

    def add(key, shape, scale=1.0, offset=0.0, noise=0.2, clip=None):
        a = smooth_array(f"{tag}.{key}", seed, shape, scale, offset, noise)
        out[key] = a if clip is None else np.clip(a, *clip)

    if name == "liveportrait":
        add("stitch_feat", (2, 126), 0.3)
        add("lip_feat", (2, 65), 0.3)
        add("eye_feat", (2, 66), 0.3)
    elif name == "sadtalker":
        add("mel", (1, 10, 1, 80, 16), 2.0, -1.0, clip=(-4.0, 4.0))      # 10 frames for audio2exp
        add("mel_pose", (1, 65, 1, 80, 16), 2.0, -1.0, clip=(-4.0, 4.0))   # 65 frames for audio2pose
        add("exp_ref", (1, 1, 64), 0.5)
        add("blink", (1, 10, 1), 0.5, 0.5, clip=(0.0, 1.0))
        add("coeff_ref", (1, 1, 70), 0.5)
        add("pose_z", (3, 1, 64), 1.0, noise=1.0)
        add("coeff_source", (1, 70, 27), 0.4)
        add("coeff_target", (2, 70, 27), 0.4)
        add("recon_image", (1, 3, 224, 224), 0.2, 0.5, clip=(0.0, 1.0))
    elif name == "anitalker":
        add("hubert", (1, 25, 40, 1024), 0.3)                            # 25 layers, 40 steps at 50 Hz
        add("mfcc", (1, 80, 39), 1.0)                                    # 80 steps at 100 Hz
        add("x_t", (1, 20, 20), 1.0, noise=0.7)
        add("direction", (1, 512), 0.5)
        add("start_motion", (1, 20), 0.5)
        add("pose", (1, 20, 3), 0.3)
        add("location", (1, 20, 1), 0.3)
        add("scale_input", (1, 20, 1), 0.3)
        add("noise", (3, 1, 20, 20), 1.0, noise=1.0)
    elif name in ("hallo2", "aniportrait", "echomimic"):
        add("ref_latent", (1, 4, 8, 8), 0.8)
        add("latent", (1, 4, 2, 8, 8), 1.0, noise=0.7)
        add("clip_embed", (1, 1, 64), 0.5)
        add("face_embed", (1, 512), 0.5)
        add("audio_wav2vec", (1, 2, 5, 12, 768), 0.3)
        add("audio_tokens", (1, 2, 50, 64), 0.5)
        add("pose_cond", (1, 3, 2, 64, 64), 0.25, 0.5, 1.0, clip=(0.0, 1.0))
        add("pose_ref", (1, 3, 64, 64), 0.25, 0.5, 1.0, clip=(0.0, 1.0))
        add("mask_cond", (1, 1, 2, 64, 64), 0.25, 0.5, 1.0, clip=(0.0, 1.0))
        add("pixel_mask", (4, 3, 64), 0.4, 0.5, clip=(0.0, 1.0))          # spatial attention masks
    return out


def sample(array: np.ndarray, stride: int) -> np.ndarray:
    """What the golden stores: the flattened tensor (C order), every `stride`-th element (1 = all)."""
    return np.ascontiguousarray(array).reshape(-1)[::stride]


def compare(outputs: Mapping[str, np.ndarray], golden: Mapping[str, np.ndarray], meta: Mapping,
            factor: float = 1.0, only: Iterable[str] | None = None) -> list[dict]:
    """Compare own outputs with a golden file; one row per golden entry, worst first.

    A row fails if the shape differs, if max|difference| over the stored samples exceeds
    factor * meta["outputs"][name]["tolerance"], or if the mean or std of the whole tensor is off by
    more than that.
    """
    rows = []
    for name, info in meta["outputs"].items():
        if only is not None and name not in set(only):
            continue
        row = {"name": name, "tolerance": factor * info["tolerance"]}
        if name not in outputs:
            rows.append({**row, "ok": False, "max_abs": float("inf"), "why": "missing"})
            continue
        own = outputs[name]
        own = own.detach().cpu().numpy() if hasattr(own, "detach") else np.asarray(own)
        if list(own.shape) != list(info["shape"]):
            rows.append({**row, "ok": False, "max_abs": float("inf"),
                         "why": f"shape {list(own.shape)} != {info['shape']}"})
            continue
        diff = np.abs(sample(own, info["stride"]).astype(np.float64) - golden[name].astype(np.float64))
        stat = max(abs(float(own.mean(dtype=np.float64)) - info["mean"]),
                   abs(float(own.std(dtype=np.float64)) - info["std"]))
        row.update(max_abs=float(diff.max()), mean_abs=float(diff.mean()), stat=stat)
        row["ok"] = bool(np.isfinite(diff).all() and diff.max() <= row["tolerance"] and stat <= row["tolerance"])
        rows.append(row)
    return sorted(rows, key=lambda r: -r["max_abs"] / max(r["tolerance"], 1e-30))


_EXPECTED = {
    "a.weight": "64e1a14c", "a.bias": "db7e3227", "n.weight": "fc73c28b", "n.running_var": "f857503f",
    "n.running_mean": "3a16eb0e", "n.num_batches_tracked": "6522df69", "s.weight_orig": "4d2197be",
    "fomm.source": "0fab9e14", "fomm.driving": "a304a98d", "sadtalker.source": "6e26ec99",
    "sadtalker.driving": "23430399", "sadtalker.mel": "0d7e3987", "sadtalker.mel_pose": "d86ec9b8",
    "sadtalker.exp_ref": "b54e90b9", "sadtalker.blink": "f5a98557", "sadtalker.coeff_ref": "7937dcab",
    "sadtalker.pose_z": "21329f9d", "sadtalker.coeff_source": "fdd45e11", "sadtalker.coeff_target":
    "90144c6a", "sadtalker.recon_image": "a0966e2e",
}


def _digest(a: np.ndarray) -> str:
    return f"{zlib.crc32(np.ascontiguousarray(a).tobytes()):08x}"


def self_test() -> dict[str, str]:
    """Digests of a few fixed tensors; raises if this platform does not reproduce them."""
    shapes = {"a.weight": ((8, 4, 3, 3), "float32"), "a.bias": ((8,), "float32"),
              "n.weight": ((8,), "float32"), "n.running_var": ((8,), "float32"),
              "n.running_mean": ((8,), "float32"), "n.num_batches_tracked": ((), "int64"),
              "s.weight_orig": ((6, 5, 3, 3), "float32"), "s.weight_u": ((6,), "float32"),
              "s.weight_v": ((45,), "float32")}
    got = {k: _digest(v) for k, v in fill_arrays(shapes, 3, prefix="demo.").items()
           if not k.endswith(("weight_u", "weight_v"))}
    for m in ("fomm", "sadtalker"):
        for k, v in fixed_inputs(m, 0).items():
            got[f"{m}.{k}"] = _digest(v)
    if got != _EXPECTED:
        bad = [k for k in got if got[k] != _EXPECTED.get(k)]
        raise AssertionError(f"pseudo-random numbers differ on this platform: {bad}")
    return got


if __name__ == "__main__":
    for k, v in self_test().items():
        print(k, v)
