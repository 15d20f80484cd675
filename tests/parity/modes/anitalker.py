"""Modes of AniTalker's golden runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from baselines.anitalker.config import published
from baselines.anitalker.diffusion import ddim, signal
from baselines.anitalker.predictor import Condition, MotionPredictor
from baselines.anitalker.renderer import Renderer
from baselines.lia.config import Config as Scales

Fields = dict[str, Tensor]
Uses = Mapping[str, Fields]
GIVEN = {"location": "face_location", "face_scale": "face_scale", "pose": "yaw_pitch_roll"}  # control -> input
PREDICTED = {"location": "predicted_location", "face_scale": "predicted_scale", "pose": "predicted_pose"}
SAMPLER = {"scheduler": "ddim", "beta_schedule": "linear", "prediction_type": "epsilon", "eta": 0.0}


def build(meta: Mapping[str, Any]) -> dict[str, nn.Module]:
    """The modules of a sidecar, with the sizes it records."""
    return {name: _module(entry["config"]) for name, entry in meta["modules"].items()}


def _module(config: Mapping[str, Any]) -> nn.Module:
    if "infer_type" in config:
        return MotionPredictor(published(config["infer_type"], config["motion_dim"], config["decoder_layers"]))
    sizes = dict(config)
    if sizes.pop("fusion_type") != "weighted_sum":
        raise ValueError(f"levels are fused by a weighted sum, not {config['fusion_type']!r}")
    scales = Scales.published(**sizes)
    return Renderer(scales.frame_size, scales.style_dim, scales.motion_dim, scales.widths)


def encode(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align_corners: dict) -> Fields:
    encoder = modules["stage1"].enc
    code, features = encoder.net_app(inputs["image"])
    fields = {"source_code": code, "source_identity_excluded": encoder.net_decouping(code)[1]}
    return fields | {f"source_feat.{level}": feature for level, feature in enumerate(features)}


def start(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align_corners: dict) -> Fields:
    return {"start_code": uses["source"]["source_code"]}


def motion(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align_corners: dict) -> Fields:
    return {"alpha": modules["stage1"].enc.motion(inputs["image"])}


def render(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align_corners: dict) -> Fields:
    if params.get("noise") is not None:
        raise ValueError("AniTalker runs without noise; the case asks for some")
    features = [value for name, value in uses["source"].items() if name.startswith("source_feat.")]
    decoder = modules["stage1"].dec
    latent = uses["start"]["start_code"] + decoder.direction(uses["alpha_driving"]["alpha"])
    return {"image": decoder(latent, features, align_corners=bool(align_corners["grid_sample"])).image}


def _condition(network: Any, inputs: Fields, params: Mapping[str, Any]) -> Condition:
    given = {name: inputs[role] for name, role in GIVEN.items()} if params["control_flag"] else {}
    return network.condition(inputs["audio"], inputs["initial_code"], inputs["direction_code"], given)


def predict(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align_corners: dict) -> Fields:
    """Also `control`: `control_flag` says which of the two it is."""
    network: Any = modules[params["module"]]
    condition = _condition(network, inputs, params)
    fields = {PREDICTED[name]: value for name, value in condition.predicted.items()}
    return fields | {"eps": network(inputs["noisy"], params["timestep"], condition)}


def sample(modules: Mapping[str, nn.Module], inputs: Fields, uses: Uses, params: dict, align_corners: dict) -> Fields:
    unlike = {name: params[name] for name, value in SAMPLER.items() if params[name] != value}
    if unlike:
        raise ValueError(f"AniTalker samples with {SAMPLER}; the case asks for {unlike}")
    network: Any = modules[params["module"]]
    condition = _condition(network, inputs, params)
    signals = signal(params["num_train_timesteps"], params["beta_start"], params["beta_end"])
    made = ddim(
        lambda x, timestep: network(x, timestep, condition),
        inputs["noisy"], params["timesteps"], params["clip_x0"], signals, params["indices"],
    )  # fmt: skip
    fields: Fields = {}
    for number, step in enumerate(made, 1):
        if number in (params.get("after_steps") or ()):
            fields[f"after_step_{number}"] = step.sample
        fields |= {f"index_{step.index}.pred_x0": step.clean, "motion": step.sample}
    return fields


MODES: dict[str, Callable[..., Fields]] = {
    "encode": encode,
    "start": start,
    "motion": motion,
    "render": render,
    "predict": predict,
    "control": predict,
    "ddim": sample,
}
