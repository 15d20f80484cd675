"""Sound to head motion: a transformer that continues the motion it has made so far, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.aniportrait.head import POSE
from baselines.aniportrait.hearing import FPS, Hearing

PIECE = 5 * FPS  # frames that are made together; the last piece takes what remains and is up to twice as long
SMOOTHED = 7  # frames averaged


class PositionTable(nn.Module):
    """Sines and cosines of the place in the piece."""

    pe: Tensor

    def __init__(self, width: int, places: int):
        super().__init__()
        frequencies = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        angles = torch.arange(places)[:, None] * frequencies
        self.register_buffer("pe", torch.stack((angles.sin(), angles.cos()), -1).flatten(1)[None])


class Audio2Pose(nn.Module):
    """Each frame attends to itself and earlier ones, the farther the less (ALiBi), and to the sound of its own moment.

    latent, layers, heads: of the transformer; places: longest piece in frames; ids: styles to choose from
    """

    def __init__(self, hearing: Hearing, latent: int, layers: int, heads: int, places: int, ids: int):
        super().__init__()
        self.audio_encoder = hearing
        self.pose_map = nn.Linear(POSE, latent)
        self.in_fn = nn.Linear(hearing.width, latent)
        self.PPE = PositionTable(latent, places)
        layer = nn.TransformerDecoderLayer(latent, heads, dim_feedforward=2 * latent, batch_first=True)
        self.transformer_decoder = nn.TransformerDecoder(layer, layers)
        self.pose_map_r = nn.Linear(latent, POSE)
        self.id_embed = nn.Embedding(ids, latent)
        self.heads, self.places = heads, places

    def forward(self, sound: Tensor, before: Tensor, ids: Tensor) -> Tensor:
        """All frames at once from known motion, as in training.

        before: (B, F, 6), the pose before each frame, zeros before the first; ids: (B,) -> the pose of each, (B, F, 6)
        """
        frames = before.shape[1]
        heard = self.in_fn(self.audio_encoder(sound, frames))
        x = self.pose_map(before) + self.PPE.pe[:, :frames] + self.id_embed(ids)[:, None]
        bias = self._bias(frames).repeat(len(x), 1, 1)  # (B * heads, F, F)
        elsewhere = ~torch.eye(frames, dtype=torch.bool, device=x.device)
        return self.pose_map_r(self.transformer_decoder(x, heard, tgt_mask=bias, memory_mask=elsewhere))

    @torch.inference_mode()
    def continued(self, sound: Tensor, frames: int, ids: Tensor) -> Tensor:
        """Each frame from those made before, (B, frames, 6): `forward` on its own output, computed once per frame.

        Raises ValueError for more frames than there are places.
        """
        if frames > self.places:
            raise ValueError(f"head motion is made for at most {self.places} frames at once, not {frames}")
        heard = self.in_fn(self.audio_encoder(sound, frames))
        bias = self._bias(frames)
        kept = [Past() for _ in self.transformer_decoder.layers]
        pose, made = heard.new_zeros(len(heard), 1, POSE), []
        for frame in range(frames):
            x = self.pose_map(pose) + self.PPE.pe[:, frame : frame + 1] + self.id_embed(ids)[:, None]
            for layer, past in zip(self.transformer_decoder.layers, kept, strict=True):
                x = _step(layer, x, heard[:, frame : frame + 1], past, bias[:, frame : frame + 1, : frame + 1])
            pose = self.pose_map_r(x)
            made.append(pose)
        return torch.cat(made, 1)

    def _bias(self, frames: int) -> Tensor:
        """ALiBi (heads, F, F): minus the distance in time, of another slope for each head; later frames are hidden."""
        device = self.in_fn.weight.device
        slopes = 2 ** (-8 / self.heads * torch.arange(1, self.heads + 1, device=device))
        places = torch.arange(frames, device=device)
        distance = places[:, None] - places
        return (-slopes[:, None, None] * distance).masked_fill(distance < 0, -torch.inf)


class Past:
    """Keys and values of the frames so far in one layer, (B, heads, F, C / heads)."""

    def __init__(self) -> None:
        self.held: tuple[Tensor, Tensor] | None = None

    def with_newest(self, *newest: Tensor) -> tuple[Tensor, Tensor]:
        """All keys and values, those of one more frame included."""
        pairs = zip(self.held or (newest[0][:, :, :0], newest[1][:, :, :0]), newest, strict=True)
        keys, values = (torch.cat(pair, 2) for pair in pairs)
        self.held = keys, values
        return keys, values


def _step(layer: nn.TransformerDecoderLayer, x: Tensor, heard: Tensor, past: Past, bias: Tensor) -> Tensor:
    """One frame (B, 1, C) through one layer; it hears its own moment only, so there is nothing to weigh."""
    attend, listen = layer.self_attn, layer.multihead_attn
    parts = F.linear(x, attend.in_proj_weight, attend.in_proj_bias).chunk(3, -1)
    query, *newest = (part.unflatten(-1, (attend.num_heads, -1)).transpose(1, 2) for part in parts)
    mixed = F.scaled_dot_product_attention(query, *past.with_newest(*newest), attn_mask=bias)
    x = layer.norm1(x + attend.out_proj(mixed.transpose(1, 2).flatten(2)))
    value = F.linear(heard, *(part.chunk(3)[2] for part in (listen.in_proj_weight, listen.in_proj_bias)))
    x = layer.norm2(x + listen.out_proj(value))
    return layer.norm3(x + layer.linear2(layer.activation(layer.linear1(x))))


@torch.inference_mode()
def head_motion(
    network: Audio2Pose, waveform: np.ndarray, frames: int, identity: int, turn_scale: float = 1.0
) -> np.ndarray:
    """Pose (frames, 6) relative to the portrait for a whole clip at 30 frames per second, smoothed.

    Every piece begins anew at the portrait's pose. identity: one of the network's styles; turn_scale: of the angles
    """
    hearing = network.audio_encoder
    device = network.in_fn.weight.device
    sound, ids = hearing.prepared(waveform, frames), torch.tensor([identity], device=device)
    made = [
        network.continued(hearing.cut(sound, piece).to(device), len(piece), ids)[0].cpu().numpy()
        for piece in pieces(frames)
    ]
    return smoothed(np.concatenate(made) * np.repeat([turn_scale, 1.0], 3))


def pieces(frames: int) -> Iterator[range]:
    """Pieces of 5 s, the last one of up to 10 s; one piece where there are no more frames than that."""
    starts = range(0, frames, PIECE)[: max(1, math.ceil(frames / PIECE) - 1)]
    return (range(start, later) for start, later in zip(starts, [*starts[1:], frames], strict=True))


def smoothed(motion: np.ndarray, width: int = SMOOTHED) -> np.ndarray:
    """The mean over `width` frames around each, over fewer at the ends."""
    sums = np.concatenate([np.zeros((1, motion.shape[1])), motion.astype(np.float64).cumsum(0)])
    frames = np.arange(len(motion))
    first, last = (frames - width // 2).clip(0), (frames + width // 2 + 1).clip(max=len(motion))
    return (sums[last] - sums[first]) / (last - first)[:, None]
