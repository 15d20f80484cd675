"""SyncNet v2 (Chung and Zisserman 2016): lips and speech in one space, with the keys of `syncnet_v2.model`."""

from __future__ import annotations

from torch import Tensor, nn

WINDOW = 5  # frames that one lip embedding sees
PATCH = 20  # MFCC rows that one speech embedding sees


def _block(conv: nn.Module, norm: type[nn.Module]) -> tuple[nn.Module, nn.Module, nn.Module]:
    return conv, norm(conv.out_channels), nn.ReLU(inplace=True)


def _head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(inplace=True), nn.Linear(512, 1024))


class SyncNet(nn.Module):
    """Two towers into 1024 dimensions; embeddings are compared by Euclidean distance and not normalised.

    Runs in eval mode only: it normalises with the statistics of training.
    """

    def __init__(self) -> None:
        super().__init__()
        c2, n2, c3, n3 = nn.Conv2d, nn.BatchNorm2d, nn.Conv3d, nn.BatchNorm3d
        self.netcnnaud = nn.Sequential(
            *_block(c2(1, 64, 3, padding=1), n2),
            nn.Identity(),  # upstream pools 1 x 1 here
            *_block(c2(64, 192, 3, padding=1), n2),
            nn.MaxPool2d(3, (1, 2)),
            *_block(c2(192, 384, 3, padding=1), n2),
            *_block(c2(384, 256, 3, padding=1), n2),
            *_block(c2(256, 256, 3, padding=1), n2),
            nn.MaxPool2d(3, 2),
            *_block(c2(256, 512, (5, 4)), n2),
        )
        self.netfcaud = _head()
        self.netcnnlip = nn.Sequential(
            *_block(c3(3, 96, (WINDOW, 7, 7), (1, 2, 2)), n3),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_block(c3(96, 256, (1, 5, 5), (1, 2, 2), (0, 1, 1)), n3),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_block(c3(256, 256, (1, 3, 3), padding=(0, 1, 1)), n3),
            *_block(c3(256, 256, (1, 3, 3), padding=(0, 1, 1)), n3),
            *_block(c3(256, 256, (1, 3, 3), padding=(0, 1, 1)), n3),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_block(c3(256, 512, (1, 6, 6)), n3),
        )
        self.netfclip = _head()

    def lips(self, frames: Tensor) -> Tensor:
        """float (T, 224, 224, 3) BGR 0..255, T >= 5 -> (T - 4, 1024), one embedding per 5 consecutive frames.

        Only the first layer looks along time, without padding, so one pass over T frames gives what upstream gets from
        T - 4 windows of 5 frames.
        """
        x = self.netcnnlip(frames.permute(3, 0, 1, 2)[None])  # (1, 512, T - 4, 1, 1)
        return self.netfclip(x[0, :, :, 0, 0].T)

    def speech(self, patches: Tensor) -> Tensor:
        """float (N, 20, 13) MFCC rows -> (N, 1024)."""
        return self.netfcaud(self.netcnnaud(patches.transpose(1, 2)[:, None]).flatten(1))
