"""LR-ASD (Liao et al. 2025): is this face speaking what is heard? Frames and MFCC -> a logit per frame.

Factored convolutions over space and time, or frequency and time, a gate over both modalities, two GRUs.
"""

from __future__ import annotations

import torch
from torch import nn

EPS = 1e-3  # of all batch normalisations
MEAN, DEVIATION = 0.4161, 0.1688  # of grey face crops on [0, 1]
EMBEDDING = 128


class VisualBlock(nn.Module):
    """Spatial convolutions 5x5 and 3x3, then temporal ones over 5 and 3 frames."""

    def __init__(self, inp: int, out: int, stride: int = 1):
        super().__init__()
        self.s_1 = nn.Conv3d(inp, out // 2, (1, 5, 5), (1, stride, stride), (0, 2, 2), bias=False)
        self.s_norm_1 = nn.BatchNorm3d(out // 2, EPS)
        self.s_2 = nn.Conv3d(out // 2, out, (1, 3, 3), padding=(0, 1, 1), bias=False)
        self.s_norm_2 = nn.BatchNorm3d(out, EPS)
        self.t_1 = nn.Conv3d(out, out, (5, 1, 1), padding=(2, 0, 0), bias=False)
        self.t_norm_1 = nn.BatchNorm3d(out, EPS)
        self.t_2 = nn.Conv3d(out, out, (3, 1, 1), padding=(1, 0, 0), bias=False)
        self.t_norm_2 = nn.BatchNorm3d(out, EPS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.s_norm_1(self.s_1(x)))
        x = torch.relu(self.s_norm_2(self.s_2(x)))
        x = torch.relu(self.t_norm_1(self.t_1(x)))
        return torch.relu(self.t_norm_2(self.t_2(x)))


class VisualEncoder(nn.Module):
    """(n, frames, 112, 112) grey on 0..255 -> (n, frames, 128); a frame sees 9 frames to each side."""

    def __init__(self) -> None:
        super().__init__()
        self.block1 = VisualBlock(1, 32, stride=2)
        self.pool1 = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        self.block2 = VisualBlock(32, 64)
        self.pool2 = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        self.block3 = VisualBlock(64, EMBEDDING)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = (x[:, None] / 255.0 - MEAN) / DEVIATION  # (n, 1, frames, 112, 112)
        x = self.pool1(self.block1(x))  # (n, 32, frames, 28, 28)
        x = self.pool2(self.block2(x))  # (n, 64, frames, 14, 14)
        return self.block3(x).amax((3, 4)).transpose(1, 2)


class AudioBlock(nn.Module):
    """Convolutions over 5 and 3 coefficients, then over 5 and 3 steps of time."""

    def __init__(self, inp: int, out: int):
        super().__init__()
        self.m_1 = nn.Conv2d(inp, out // 2, (5, 1), padding=(2, 0), bias=False)
        self.m_norm_1 = nn.BatchNorm2d(out // 2, EPS)
        self.m_2 = nn.Conv2d(out // 2, out, (3, 1), padding=(1, 0), bias=False)
        self.m_norm_2 = nn.BatchNorm2d(out, EPS)
        self.t_1 = nn.Conv2d(out, out, (1, 5), padding=(0, 2), bias=False)
        self.t_norm_1 = nn.BatchNorm2d(out, EPS)
        self.t_2 = nn.Conv2d(out, out, (1, 3), padding=(0, 1), bias=False)
        self.t_norm_2 = nn.BatchNorm2d(out, EPS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.m_norm_1(self.m_1(x)))
        x = torch.relu(self.m_norm_2(self.m_2(x)))
        x = torch.relu(self.t_norm_1(self.t_1(x)))
        return torch.relu(self.t_norm_2(self.t_2(x)))


class AudioEncoder(nn.Module):
    """MFCC (n, 4 frames, 13), 100 a second -> (n, frames, 128)."""

    def __init__(self) -> None:
        super().__init__()
        self.block1 = AudioBlock(1, 32)
        self.pool1 = nn.MaxPool2d((1, 3), (1, 2), (0, 1))
        self.block2 = AudioBlock(32, 64)
        self.pool2 = nn.MaxPool2d((1, 3), (1, 2), (0, 1))
        self.block3 = AudioBlock(64, EMBEDDING)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x[:, None].transpose(2, 3)  # (n, 1, 13, 4 frames)
        x = self.pool2(self.block2(self.pool1(self.block1(x))))  # (n, 64, 13, frames)
        return self.block3(x).mean(2).transpose(1, 2)


class Gate(nn.Module):
    """Two sequences side by side, each channel scaled by a weight in (0, 1) that depends on all of its frame."""

    def __init__(self, channels: int):
        super().__init__()
        self.attention = nn.Conv1d(channels, channels, 1, bias=False)
        self.bn = nn.BatchNorm1d(channels, EPS)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        x = torch.cat((first, second), 2).transpose(1, 2)  # (n, channels, frames)
        return (x * torch.sigmoid(self.bn(self.attention(x)))).transpose(1, 2)


class Detector(nn.Module):
    """One GRU forward and one backward in time, joined by a gate: (n, frames, 256) -> (n, frames, 128)."""

    def __init__(self, channels: int):
        super().__init__()
        self.gru_forward = nn.GRU(channels, channels // 4, batch_first=True)
        self.gru_backward = nn.GRU(channels, channels // 4, batch_first=True)
        self.attention = Gate(channels // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        past, _ = self.gru_forward(x)
        future, _ = self.gru_backward(x.flip(1))
        return self.attention(past, future.flip(1))


class SpeakerModel(nn.Module):
    """Both encoders and what follows them."""

    def __init__(self) -> None:
        super().__init__()
        self.visualEncoder = VisualEncoder()
        self.audioEncoder = AudioEncoder()
        self.fusion = Gate(2 * EMBEDDING)
        self.detector = Detector(2 * EMBEDDING)


class Classifier(nn.Module):
    """Two logits, not speaking and speaking."""

    def __init__(self) -> None:
        super().__init__()
        self.FC = nn.Linear(EMBEDDING, 2)


class LRASD(nn.Module):
    """The whole network under the key names of its published weights."""

    def __init__(self) -> None:
        super().__init__()
        self.model = SpeakerModel()
        self.lossAV = Classifier()
        self.lossV = Classifier()  # of the visual half alone, a task of training only

    def visual(self, faces: torch.Tensor) -> torch.Tensor:
        """(n, frames, 112, 112) grey on 0..255 -> (n, frames, 128)."""
        return self.model.visualEncoder(faces)

    def logits(self, visual: torch.Tensor, mfcc: torch.Tensor) -> torch.Tensor:
        """Visual features (n, frames, 128) and MFCC (n, 4 frames, 13) -> logit of speaking (n, frames)."""
        heard = self.model.audioEncoder(mfcc)
        return self.lossAV.FC(self.model.detector(self.model.fusion(heard, visual)))[..., 1]
