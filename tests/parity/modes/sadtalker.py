"""SadTalker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from baselines.sadtalker import config
from baselines.sadtalker.audio_encoder import encode
from baselines.sadtalker.keypoints import place
from baselines.sadtalker.pose_vae import POSE
from tests.parity.modes import Fields, Mode, set_sampling


def build(meta: Mapping[str, Any]) -> dict[str, nn.Module]:
    sizes = {name: entry["config"] for name, entry in meta["modules"].items()}
    renderer, detector, mapping, pose, recon = (
        sizes.get(name, {}) for name in ("generator", "kp_extractor", "mapping", "audio2pose", "face_3drecon")
    )
    dense = renderer.get("dense_motion_params", {})
    if recon.get("net_recon", "resnet50") != "resnet50" or recon.get("use_last_fc"):
        raise ValueError("face_3drecon: only a ResNet-50 without its last layer is published")
    coefficients = mapping.get("coeff_nc")
    given = {
        "width": renderer.get("block_expansion"),
        "downs": renderer.get("num_down_blocks"),
        "channels": renderer.get("reshape_channel"),
        "depth": renderer.get("reshape_depth", detector.get("reshape_depth")),
        "blocks_3d": renderer.get("num_resblocks"),
        "keypoints": (detector | mapping | renderer).get("num_kp"),
        "compress": dense.get("compress"),
        "hourglass_width": dense.get("block_expansion"),
        "hourglass_blocks": dense.get("num_blocks"),
        "hourglass_max_width": dense.get("max_features"),
        "detector_width": detector.get("block_expansion"),
        "detector_blocks": detector.get("num_blocks"),
        "detector_max_width": detector.get("max_features"),
        "detector_planes": detector.get("reshape_channel"),
        "detector_scale": detector.get("scale_factor"),
        "temperature": detector.get("temperature"),
        "expressions": coefficients - POSE if coefficients else None,
        "mapping_width": mapping.get("descriptor_nc"),
        "mapping_layers": mapping.get("layer"),
        "bins": mapping.get("num_bins"),
        "pose_frames": pose.get("seq_len"),
        "pose_latent": pose.get("latent"),
        "pose_classes": pose.get("classes"),
        "pose_audio": pose.get("audio_emb_out"),
        "pose_hidden": pose["decoder_layers"][0] if pose else None,
    }
    built = config.build(config.Config(**{field: value for field, value in given.items() if value is not None}))
    return {name: module for name, module in built.items() if name in sizes}


def _counted(mel, params: Mapping[str, Any]):
    if mel.shape[1] < params["num_frames"]:
        raise ValueError(f"the case counts {params['num_frames']} frames, the sound has {mel.shape[1]}")
    return mel[:, : params["num_frames"]]


def audio2exp(modules, inputs, uses, params, align_corners) -> Fields:
    network, mel = modules["audio2exp"], _counted(inputs["mel"], params)
    return {
        "exp": network.in_chunks(mel, inputs["exp_ref"], _counted(inputs["blink"], params), params["chunk"]),
        "audio_embedding": encode(network.audio_encoder, mel.flatten(0, 1)),
    }


def audio2pose(modules, inputs, uses, params, align_corners) -> Fields:
    network, mel = modules["audio2pose"], _counted(inputs["mel"], params)
    if network.seq_len != params["seq_len"]:
        raise ValueError(f"the case has chunks of {params['seq_len']} frames, the network of {network.seq_len}")
    pose = inputs["coeff_ref"][..., -POSE:]  # (B, 1, 6)
    motion = network(pose[:, 0], mel, inputs["z"], params["style_class"])
    return {"pose_motion_pred": motion, "pose_pred": pose + motion}


def audio2pose_encoder(modules, inputs, uses, params, align_corners) -> Fields:
    return {"audio_embedding": modules["audio2pose"].embed(inputs["mel"])}


def face_recon(modules, inputs, uses, params, align_corners) -> Fields:
    return {"coeff": modules["face_3drecon"](inputs["image"])}


def canonical(modules, inputs, uses, params, align_corners) -> Fields:
    return {"value": modules["kp_extractor"](inputs["image"])}


def mapping(modules, inputs, uses, params, align_corners) -> Fields:
    return modules["mapping"](inputs["coeff"])


def transform(modules, inputs, uses, params, align_corners) -> Fields:
    motion = uses["mapping"]
    if motion["pitch"].shape[1] != params["bins"]:
        raise ValueError(f"the case counts {params['bins']} bins per angle, the network {motion['pitch'].shape[1]}")
    wanted = {name: params[f"{name}_in"] for name in ("yaw", "pitch", "roll")}
    replaced = {name: value for name, value in wanted.items() if value is not None}
    scale = params["degrees_per_bin"], params["degree_offset"], params["pi"]
    return {"value": place(uses["canonical"]["value"], motion, *scale, replaced)}


def render(modules, inputs, uses, params, align_corners) -> Fields:
    network = modules["generator"]
    for part in network.parts:
        set_sampling(part, align_corners)
    made = network(network.volume(inputs["source"]), uses["kp_source"]["value"], uses["kp_driving"]["value"])
    warped = made.warped
    return {
        "image": made.image,
        "mask": warped.mask,
        "deformation": warped.deformation,
        "occlusion_map": warped.occlusion,
    }


MODES: dict[str, Mode] = {
    "audio2exp": audio2exp,
    "audio2pose": audio2pose,
    "audio2pose_encoder": audio2pose_encoder,
    "face_recon": face_recon,
    "canonical": canonical,
    "mapping": mapping,
    "transform": transform,
    "render": render,
}
