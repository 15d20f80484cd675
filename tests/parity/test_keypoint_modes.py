"""Modes of FOMM, MRAA and TPSMM for which there are no golden values, against the formulas written out in numpy."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from baselines.blocks.grids import Sampling
from tests.parity.modes import Fields, fomm, mraa, tpsmm

BOOLS = (True, False)


def cloud(seed: int, count: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(-0.8, 0.8, (1, count, 2)).astype(np.float32))


def matrices(seed: int, count: int) -> Tensor:
    noise = np.random.default_rng(seed).normal(0, 0.3, (1, count, 2, 2))
    return torch.from_numpy((np.eye(2) + noise).astype(np.float32))


def area(points: np.ndarray) -> float:
    """Of the convex hull, by walking its lower and upper chain."""

    def half(ordered: list[tuple[float, float]]) -> list[tuple[float, float]]:
        chain: list[tuple[float, float]] = []
        for x, y in ordered:
            while len(chain) > 1:
                (ax, ay), (bx, by) = chain[-2:]
                if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                    break
                chain.pop()
            chain.append((x, y))
        return chain[:-1]

    ordered = sorted((float(x), float(y)) for x, y in points)
    x, y = np.array(half(ordered) + half(ordered[::-1])).T
    return 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def moved(source: Tensor, driving: Tensor, initial: Tensor, adapt: bool) -> np.ndarray:
    s, d, i = (value.double().numpy()[0] for value in (source, driving, initial))
    scale = np.sqrt(area(s)) / np.sqrt(area(i)) if adapt else 1.0
    return (d - i) * scale + s


def turned(source: Tensor, driving: Tensor, initial: Tensor, relative: bool) -> np.ndarray:
    s, d, i = (value.double().numpy()[0] for value in (source, driving, initial))
    return d @ np.linalg.inv(i) @ s if relative else d


@pytest.mark.parametrize("adapt", BOOLS)
@pytest.mark.parametrize("relative", BOOLS)
def test_relative_keypoints_of_fomm(adapt: bool, relative: bool) -> None:
    uses = {f"kp_{role}": {"value": cloud(seed, 10), "jacobian": matrices(seed, 10)}
            for seed, role in enumerate(("source", "driving", "initial"))}
    params = {"adapt_movement_scale": adapt, "relative_jacobian": relative}
    made = fomm.MODES["relative_keypoints"]({}, {}, uses, params, {})
    values, jacobians = zip(*(tuple(kp.values()) for kp in uses.values()), strict=True)
    np.testing.assert_allclose(made["value"][0], moved(*values, adapt), atol=2e-6)
    np.testing.assert_allclose(made["jacobian"][0], turned(*jacobians, relative), atol=1e-5)


@pytest.mark.parametrize("adapt", BOOLS)
@pytest.mark.parametrize("relative", BOOLS)
@pytest.mark.parametrize("covar_from", ("region_driving", "region_source", "region_initial"))
def test_relative_regions_of_mraa(adapt: bool, relative: bool, covar_from: str) -> None:
    uses = {f"region_{role}": {"shift": cloud(seed, 10), "affine": matrices(seed, 10), "covar": matrices(seed + 9, 10)}
            for seed, role in enumerate(("source", "driving", "initial"))}
    params = {"adapt_movement_scale": adapt, "relative_affine": relative, "covar_from": covar_from}
    made = mraa.MODES["relative_regions"]({}, {}, uses, params, {})
    shifts, affines, _ = zip(*(tuple(regions.values()) for regions in uses.values()), strict=True)
    np.testing.assert_allclose(made["shift"][0], moved(*shifts, adapt), atol=2e-6)
    np.testing.assert_allclose(made["affine"][0], turned(*affines, relative), atol=1e-5)
    assert torch.equal(made["covar"], uses[covar_from]["covar"])


@pytest.mark.parametrize("adapt", BOOLS)
def test_relative_keypoints_of_tpsmm(adapt: bool) -> None:
    uses = {f"kp_{role}": {"fg_kp": cloud(seed, 50)} for seed, role in enumerate(("source", "driving", "initial"))}
    made = tpsmm.MODES["relative_keypoints"]({}, {}, uses, {"adapt_movement_scale": adapt}, {})
    values = [kp["fg_kp"] for kp in uses.values()]
    np.testing.assert_allclose(made["fg_kp"][0], moved(*values, adapt), atol=2e-6)


def bilinear(maps: np.ndarray, positions: np.ndarray, align: bool) -> np.ndarray:
    """`grid_sample` of (C, H, W) at (h, w, 2), pixel by pixel."""
    channels, height, width = maps.shape
    out = np.zeros((channels, *positions.shape[:2]))
    for row, column in np.ndindex(positions.shape[:2]):
        u, v = positions[row, column]
        x = (u + 1) / 2 * (width - 1) if align else ((u + 1) * width - 1) / 2
        y = (v + 1) / 2 * (height - 1) if align else ((v + 1) * height - 1) / 2
        left, top = int(np.floor(x)), int(np.floor(y))
        for i, j in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
            if 0 <= i < height and 0 <= j < width:
                out[:, row, column] += maps[:, i, j] * (1 - abs(x - j)) * (1 - abs(y - i))
    return out


def enlarged(flow: np.ndarray, size: int, align: bool) -> np.ndarray:
    """`interpolate` of (h, w, 2) to size x size, bilinear, the border repeated."""
    old = flow.shape[0]
    places = np.arange(size) * (old - 1) / (size - 1) if align else (np.arange(size) + 0.5) * old / size - 0.5
    places = np.clip(places, 0, old - 1)
    low = np.minimum(np.floor(places).astype(int), old - 2)
    part = places - low

    def along(values: np.ndarray) -> np.ndarray:
        shaped = part.reshape(-1, *[1] * (values.ndim - 1))
        return values[low] * (1 - shaped) + values[low + 1] * shaped

    return along(along(flow).swapaxes(0, 1)).swapaxes(0, 1)


def random_case(method: str) -> tuple[dict[str, nn.Module], Tensor, dict[str, Fields]]:
    """Networks at `mini` with noise in every parameter, a source, and what the mode `absolute` uses."""
    config = import_module(f"baselines.{method}.config")
    torch.manual_seed(3)
    modules = config.build(config.SIZES["mini"])
    with torch.no_grad():
        for module in modules.values():
            module.eval()
            for parameter in module.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    frames = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        if method == "mraa":
            regions = modules["region_predictor"]
            uses = {"region_source": regions(frames[:1]), "region_driving": regions(frames[1:])}
        else:
            detector = modules["kp_detector"]
            uses = {"kp_source": detector(frames[:1]), "kp_driving": detector(frames[1:])}
        if method != "fomm":
            uses["bg_params" if method == "mraa" else "bg_param"] = {
                "bg_params" if method == "mraa" else "bg_param": modules["bg_predictor"](frames[:1], frames[1:])
            }
    return modules, frames[:1], uses


MODES: dict[str, Any] = {"fomm": fomm.MODES, "mraa": mraa.MODES, "tpsmm": tpsmm.MODES}
FLOWS = {"fomm": "deformation", "mraa": "optical_flow", "tpsmm": "deformation"}


@pytest.mark.parametrize("method", MODES)
@pytest.mark.parametrize("grid_sample", BOOLS)
@pytest.mark.parametrize("interpolate", BOOLS)
def test_align_corners_reaches_every_warp(method: str, grid_sample: bool, interpolate: bool) -> None:
    modules, source, uses = random_case(method)
    corners = {"grid_sample": grid_sample, "interpolate": interpolate}
    params = {"background": True, "dropout": False}
    with torch.no_grad():
        made = MODES[method]["absolute"](modules, {"source": source}, uses, params, corners)
    flow = enlarged(made[FLOWS[method]][0].double().numpy(), 64, interpolate)
    expected = bilinear(source[0].double().numpy(), flow, grid_sample)
    np.testing.assert_allclose(made["deformed"][0], expected, atol=2e-5)
    config = import_module(f"baselines.{method}.config")
    fresh = config.build(replace(config.SIZES["mini"], sampling=Sampling(grid_sample, interpolate)))
    for name, module in fresh.items():
        module.load_state_dict(modules[name].state_dict())
        module.eval()
    with torch.no_grad():
        again = MODES[method]["absolute"](fresh, {"source": source}, uses, params, dict.fromkeys(corners))
    assert torch.equal(made["prediction"], again["prediction"])


@pytest.mark.parametrize("method", ("mraa", "tpsmm"))
@pytest.mark.parametrize("mode", ("absolute", "absolute_no_bg", "relative"))
def test_background_is_used_where_the_case_says_so(method: str, mode: str) -> None:
    modules, source, uses = random_case(method)
    name = "bg_params" if method == "mraa" else "bg_param"
    corners = {"grid_sample": True, "interpolate": True}

    def prediction(background: bool, matrix: Tensor | None) -> Tensor:
        used = {role: value for role, value in uses.items() if role != name}
        if matrix is not None:
            used[name] = {name: matrix}
        with torch.no_grad():
            params = {"background": background, "dropout": False}
            return MODES[method][mode](modules, {"source": source}, used, params, corners)["prediction"]

    still = prediction(False, None)
    torch.testing.assert_close(prediction(True, torch.eye(3)[None]), still)
    assert (prediction(True, uses[name][name]) - still).abs().max() > 1e-3
    assert torch.equal(prediction(False, uses[name][name]), still)
