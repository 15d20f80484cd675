"""Modes of Hallo2, AniPortrait and EchoMimic for which there are no golden values, against separate plain passes."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from baselines.blocks.reference_unet import Audio
from tests.parity.modes import _reference_unet as modes
from tests.unit.reference_unet_samples import EXACT, METHODS, TINY, normal, randomised


@pytest.mark.parametrize("fusion", ("full", "midup"))
@pytest.mark.parametrize("method", METHODS)
def test_guidance_is_two_separate_passes(method: str, fusion: str) -> None:
    """Mode `cfg` against plain passes of each row: nothing in the unconditional one, everything in the other."""
    ours = import_module(f"tests.parity.modes.{method}")
    networks, inputs = small(ours, method)
    params = {
        "timestep": 601, "fusion_blocks": fusion, "num_frames": 2, "guidance_scale": None, "batch": 1,
        "classifier_free_guidance": False, "motion_scale": [0.5, 1.0, 2.0], "mask_order": ["lip", "full", "face"],
        "mask_sizes": [64, 16], "audio_feature_ratio": 3.0,
    }  # fmt: skip
    with torch.inference_mode():
        plain, banks = run(ours, networks, inputs, params, "plain")
        guiding = params | {"classifier_free_guidance": True, "guidance_scale": 3.5, "batch": 2}
        both, _ = run(ours, networks, inputs, guiding, "cfg")
        nothing = silent(networks, inputs, params, method)
    torch.testing.assert_close(both["v"][1:], plain["v"], **EXACT)
    torch.testing.assert_close(both["v"][:1], nothing, **EXACT)
    torch.testing.assert_close(both["v_guided"], nothing + 3.5 * (plain["v"] - nothing), rtol=1e-3, atol=1e-4)
    assert not torch.allclose(nothing, plain["v"], atol=1e-2)
    assert len(banks) == (4 if fusion == "full" else 3)


def small(ours: ModuleType, method: str) -> tuple[dict[str, nn.Module], dict[str, Tensor]]:
    config = import_module(f"baselines.{method}.config")
    unet = replace(TINY, audio_dim=5 if method == "hallo2" else None)
    sizes = {
        "hallo2": {"locator_widths": (4, 4), "embedding_dim": 6, "audio_layers": 1, "audio_channels": 4,
                   "audio_hidden": 6, "audio_tokens": 3},
        "aniportrait": {"guider_widths": (4, 4), "guider_heads": 2, "guider_head_dim": 4},
        "echomimic": {"locator_widths": (4, 4)},
    }[method]  # fmt: skip
    networks = config.build(config.Config(unet, **sizes))
    inputs = {
        "ref_latent": normal(0, 1, 3, 8, 8), "latent": normal(1, 1, 3, 2, 8, 8), "embedding": normal(2, 1, 6),
        "tokens": normal(3, 1, 1, 5), "features": normal(4, 1, 2, 5, 1, 4), "audio_tokens": normal(5, 1, 2, 4, 5),
        "condition": normal(6, 1, 1 if method == "echomimic" else 3, 2, 16, 16),
        "reference": normal(7, 1, 3, 16, 16), "mask": normal(8, 2, 3, 64),
    }  # fmt: skip
    return {name: randomised(network, seed) for seed, (name, network) in enumerate(networks.items())}, inputs


def run(
    ours: ModuleType, networks: dict[str, nn.Module], inputs: dict[str, Tensor], params: dict, mode: str
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The cases that come before `mode`, then it: its fields and the stored banks."""
    once = params | {"batch": 1}  # conditions and tokens are doubled later, AniPortrait's drawing may be here
    uses = {
        name: ours.MODES[name](networks, inputs, {}, once if "face_locator" in networks else params, {})
        for name in ("image_tokens", "audio_tokens", "condition")
        if name in ours.MODES
    }
    doubled_banks = params["classifier_free_guidance"] and "imageproj" in networks or "pose_guider" in networks
    params_of_reference = params | {"timestep": 0, "batch": params["batch"] if doubled_banks else 1}
    uses["reference"] = ours.MODES["reference"](networks, inputs, uses, params_of_reference, {})
    return ours.MODES[mode](networks, inputs, uses, params, {}), uses["reference"]


def silent(networks: dict[str, nn.Module], inputs: dict[str, Tensor], params: dict, method: str) -> Tensor:
    """The unconditional row on its own, without banks."""
    denoising, latent = networks["denoising_unet"], inputs["latent"]
    if method == "hallo2":
        tokens = networks["imageproj"](torch.zeros_like(inputs["embedding"]))
        masks = [mask[[1, 2, 0], :size] for mask, size in zip(inputs["mask"], params["mask_sizes"])]
        sound = torch.zeros(1, 2, 3, 5)
        return denoising(latent, 601, tokens=tokens, audio=Audio(sound, masks, (0.5, 1.0, 2.0)))
    if method == "aniportrait":
        features = networks["pose_guider"](inputs["condition"])
        return denoising(latent, 601, tokens=torch.zeros(1, 1, 5), condition=features)
    features = networks["face_locator"](inputs["condition"])
    return denoising(latent, 601, tokens=torch.zeros(1, 2, 4, 5), token_scale=3.0, condition=features)


def test_modes_refuse_what_a_case_contradicts() -> None:
    params = {"guidance_scale": None, "num_frames": 3}
    with pytest.raises(ValueError, match="has 2 frames, the case 3"):
        modes.denoise({}, {"latent": normal(0, 1, 3, 2, 4, 4)}, {}, params)
    case = {"scheduler": "euler", "steps": 2, "eta": 0.0, "step_indices": [], "model_output": "v"}
    with pytest.raises(ValueError, match="only DDIM without noise"):
        modes.scheduler({}, {}, {}, case, {})
