"""Modes of Hallo2, AniPortrait and EchoMimic for which there are no golden values, against separate plain passes."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch
from torch import Tensor, nn

from baselines.blocks.reference_unet import Audio
from tests.parity.modes import _reference_unet as modes
from tests.unit.reference_unet_samples import EXACT, METHODS, networks, normal


@pytest.mark.parametrize("fusion", ("full", "midup"))
@pytest.mark.parametrize("method", METHODS)
def test_guidance_is_two_separate_passes(method: str, fusion: str) -> None:
    """Mode `cfg` against plain passes of each row: nothing in the unconditional one, everything in the other."""
    made, inputs = networks(method), inputs_of(method)
    params = {
        "timestep": 601, "fusion_blocks": fusion, "num_frames": 2, "guidance_scale": None, "batch": 1,
        "classifier_free_guidance": False, "motion_scale": [0.5, 1.0, 2.0], "mask_order": ["lip", "full", "face"],
        "mask_sizes": [64, 16], "audio_feature_ratio": 3.0,
    }  # fmt: skip
    with torch.inference_mode():
        plain, banks = run(method, made, inputs, params, "plain")
        guiding = params | {"classifier_free_guidance": True, "guidance_scale": 3.5, "batch": 2}
        both, _ = run(method, made, inputs, guiding, "cfg")
        nothing = silent(made, inputs, params, method)
    torch.testing.assert_close(both["v"][1:], plain["v"], **EXACT)
    torch.testing.assert_close(both["v"][:1], nothing, **EXACT)
    torch.testing.assert_close(both["v_guided"], nothing + 3.5 * (plain["v"] - nothing), rtol=1e-3, atol=1e-4)
    assert not torch.allclose(nothing, plain["v"], atol=1e-2)
    assert len(banks) == (4 if fusion == "full" else 3)


def inputs_of(method: str) -> dict[str, Tensor]:
    """All that the modes ask for by name."""
    return {
        "ref_latent": normal(0, 1, 3, 8, 8),
        "latent": normal(1, 1, 3, 2, 8, 8),
        "embedding": normal(2, 1, 6),
        "tokens": normal(3, 1, 1, 5),
        "features": normal(4, 1, 2, 5, 1, 4),
        "audio_tokens": normal(5, 1, 2, 4, 5),
        "condition": normal(6, 1, 1 if method == "echomimic" else 3, 2, 16, 16),
        "reference": normal(7, 1, 3, 16, 16),
        "mask": normal(8, 2, 3, 64),
    }


def run(
    method: str, made: dict[str, nn.Module], inputs: dict[str, Tensor], params: dict, mode: str
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The cases that come before `mode`, then it: its fields and the stored banks."""
    ours = import_module(f"tests.parity.modes.{method}")
    doubled = params if method == "aniportrait" else params | {"batch": 1}  # the other two double conditions later
    uses = {
        name: ours.MODES[name](made, inputs, {}, doubled, {})
        for name in ("image_tokens", "audio_tokens", "condition")
        if name in ours.MODES
    }
    of_reference = {"timestep": 0, "batch": 1 if method == "echomimic" else params["batch"]}
    uses["reference"] = ours.MODES["reference"](made, inputs, uses, params | of_reference, {})
    return ours.MODES[mode](made, inputs, uses, params, {}), uses["reference"]


def silent(made: dict[str, nn.Module], inputs: dict[str, Tensor], params: dict, method: str) -> Tensor:
    """The unconditional row on its own, without banks."""
    denoising, latent = made["denoising_unet"], inputs["latent"]
    if method == "hallo2":
        tokens = made["imageproj"](torch.zeros_like(inputs["embedding"]))
        masks = [mask[[1, 2, 0], :size] for mask, size in zip(inputs["mask"], params["mask_sizes"])]
        sound = torch.zeros(1, 2, 3, 5)
        return denoising(latent, 601, tokens=tokens, audio=Audio(sound, masks, (0.5, 1.0, 2.0)))
    if method == "aniportrait":
        features = made["pose_guider"](inputs["condition"])
        return denoising(latent, 601, tokens=torch.zeros(1, 1, 5), condition=features)
    features = made["face_locator"](inputs["condition"])
    return denoising(latent, 601, tokens=torch.zeros(1, 2, 4, 5), token_scale=3.0, condition=features)


def test_modes_refuse_what_a_case_contradicts() -> None:
    params = {"guidance_scale": None, "num_frames": 3}
    with pytest.raises(ValueError, match="has 2 frames, the case 3"):
        modes.denoise({}, {"latent": normal(0, 1, 3, 2, 4, 4)}, {}, params)
    case = {"scheduler": "euler", "steps": 2, "eta": 0.0, "step_indices": [], "model_output": "v"}
    with pytest.raises(ValueError, match="only DDIM without noise"):
        modes.scheduler({}, {}, {}, case, {})
