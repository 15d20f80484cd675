"""What the modes of Hallo2, AniPortrait and EchoMimic share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from baselines.blocks.reference_unet import Banks, ReferenceUNet, UNetConfig, ddim, guided, published
from tests.parity.modes import Fields, Mode

Uses = Mapping[str, Fields]
UNCONDITIONAL = torch.tensor([True, False])  # rows of a batch of two


def unet_sizes(meta: Mapping[str, Any], **of_reference: Any) -> UNetConfig:
    """Of the denoising U-Net of a sidecar; raises ValueError where its reference U-Net has other sizes.

    of_reference: what the reference U-Net has in any case, whatever its configuration says
    """
    denoising, reference = (published(meta["modules"][name]["config"]) for name in ("denoising_unet", "reference_unet"))
    if denoising.reference(**of_reference) != reference.reference(**of_reference):
        raise ValueError("the two U-Nets of a sidecar must have the same widths, layers and heads")
    return denoising


def write(modules: Mapping[str, nn.Module], inputs: Fields, tokens: Tensor | None, params: Mapping[str, Any]) -> Fields:
    """Mode `reference`."""
    batch = params["batch"]
    banks = modules["reference_unet"](
        inputs["ref_latent"].expand(batch, -1, -1, -1),
        None if tokens is None else tokens.expand(batch, -1, -1),
        params["timestep"],
        params["fusion_blocks"],
    )
    return {f"bank.{index}": entry[:, 0] for index, entry in enumerate(banks.stored())}


def denoise(
    modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: Mapping[str, Any], **given: Any
) -> Fields:
    """Modes `plain` and `cfg`; `given`: all that `DenoisingUNet` takes by name."""
    latent, scale = inputs["latent"], params["guidance_scale"]
    if latent.shape[2] != params["num_frames"]:
        raise ValueError(f"the latent has {latent.shape[2]} frames, the case {params['num_frames']}")
    if params["classifier_free_guidance"]:
        given["unconditional"] = UNCONDITIONAL
    v = modules["denoising_unet"](
        latent.expand(params["batch"], -1, -1, -1, -1),
        params["timestep"],
        _banks(modules["reference_unet"], uses["reference"], params["fusion_blocks"]),
        **given,
    )
    return {"v": v} | ({} if scale is None else {"v_guided": guided(v, scale)})


def _banks(unet: ReferenceUNet, fields: Fields, fusion: str) -> Banks:
    stored = [fields[f"bank.{index}"][:, None] for index in range(len(fields))]
    silent = unet.blocks_by_stage()[0] if fusion == "midup" else 0
    return Banks((None,) * silent + tuple(stored))


def scheduler(
    modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict[str, Any], align_corners: dict
) -> Fields:
    """Mode `scheduler`: single steps, each from the same sample."""
    settings = dict(params)
    name, steps, eta = settings.pop("scheduler"), settings.pop("steps"), settings.pop("eta")
    indices, output = settings.pop("step_indices"), settings.pop("model_output")
    if name != "ddim" or eta:
        raise ValueError(f"only DDIM without noise is known, not {name} with eta {eta}")
    made = ddim(steps, **settings)
    fields = {"timesteps": made.timesteps, "alphas_cumprod": made.alphas_cumprod}
    for index in indices:
        step = made.step(uses["v"][output], made.timesteps[index], inputs["sample"])
        fields[f"step_{index}.prev_sample"] = step.prev_sample
    return fields


def doubled(value: Tensor, params: Mapping[str, Any], unconditional: Tensor | None = None) -> Tensor:
    """With guidance: the unconditional value (zeros where not given), then the value."""
    if not params["classifier_free_guidance"]:
        return value
    return torch.cat((torch.zeros_like(value) if unconditional is None else unconditional, value))


def modes(condition: Mode, reference: Mode, predict: Mode) -> dict[str, Mode]:
    """The modes that all three methods have; with and without guidance the networks run alike."""
    return {"condition": condition, "reference": reference, "plain": predict, "cfg": predict, "scheduler": scheduler}
