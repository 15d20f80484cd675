"""Judges whether a sequence of pose changes is one of the data; belongs to training."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from baselines.sadtalker.pose_vae import POSE


class Layer(nn.Module):
    """Convolution over time, batch norm, leaky ReLU; `down` halves the time steps."""

    def __init__(self, inputs: int, outputs: int, down: bool):
        super().__init__()
        kernel, stride = (4, 2) if down else (3, 1)
        self.conv = nn.Conv1d(inputs, outputs, kernel, stride, padding=1, bias=False)
        self.norm = nn.BatchNorm1d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.norm(self.conv(x)), 0.2)


class PoseDiscriminator(nn.Module):
    """Pose changes (B, T, 6) -> logits (B, T / 4)."""

    def __init__(self, width: int):
        super().__init__()
        self.seq = nn.Sequential(
            Layer(POSE, width, down=True),
            Layer(width, 2 * width, down=True),
            Layer(2 * width, 4 * width, down=False),
            nn.Conv1d(4 * width, 1, 3, padding=1),
        )

    def forward(self, motion: Tensor) -> Tensor:
        return self.seq(motion.mT)[:, 0]
