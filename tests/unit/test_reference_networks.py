"""Networks of the reference tier against the packages whose numbers they must equal, on the same seeded weights.

The official files are not needed: parity of arithmetic does not depend on the values of the weights.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import lpips
import numpy as np
import pytest
import pytorch_fid.inception
import torch
import torch_fidelity
import torchmetrics.functional.image.lpips as torchmetrics_lpips
import torchvision
from cleanfid.resize import build_resizer
from PIL import Image
from pytorch_fid.fid_score import calculate_frechet_distance, get_activations
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN

from semo.features import i3d, inception, network
from semo.features import lpips as lpips_networks
from semo.features.nets import inception as nets
from semo.frechet import frechet_distance
from semo.metrics import metric
from semo.registry import read_weight

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")

# Convolutions of another batch size or memory layout add up in another order: float32 round-off through 94 layers.
ROUND_OFF = dict(rtol=1e-4, atol=1e-5)


def pictures(seed: int, frames: int, height: int, width: int) -> np.ndarray:
    """Smooth coloured shades under noise, uint8 (frames, H, W, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 9.0
    phases = rng.uniform(0, 6, (frames, 1, 1, 3))
    shade = 127.5 + 90 * np.sin(x[..., None] * rng.uniform(0.5, 1.5) + phases) * np.cos(y[..., None] + phases)
    return (shade + rng.normal(0, 12, shade.shape)).clip(0, 255).astype(np.uint8)


def saved(frames: np.ndarray, folder: Path) -> list[Path]:
    """The frames as PNG files in `folder`."""
    folder.mkdir(exist_ok=True)
    files = [folder / f"{i}.png" for i in range(len(frames))]
    for file, frame in zip(files, frames):
        Image.fromarray(frame).save(file)
    return files


def planes(frames: np.ndarray) -> torch.Tensor:
    return torch.tensor(frames).permute(0, 3, 1, 2)


def fill(module: nn.Module, seed: int) -> nn.Module:
    """Seeded values that keep activations alive through many layers."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.Linear)):
            spread = (2 / part.weight[0].numel()) ** 0.5
            part.weight.data.normal_(0, spread, generator=generator)
            if part.bias is not None:
                part.bias.data.normal_(0, 0.1, generator=generator)
        if isinstance(part, nn.BatchNorm2d):
            part.weight.data.uniform_(0.9, 1.1, generator=generator)
            for values in (part.bias.data, part.running_mean):
                values.normal_(0, 0.1, generator=generator)
            part.running_var.uniform_(0.8, 1.2, generator=generator)
    return module.eval()


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory) -> Path:
    """A state dict with the names of the released file, classifier included."""
    whole = nn.Module()
    for name, part in nets.inception().named_children():
        whole.add_module(name, part)
    whole.fc = nn.Linear(2048, 1008)
    path = tmp_path_factory.mktemp("seeded") / inception.FILE
    torch.save(fill(whole, 0).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return pictures(1, 4, 72, 96)


def features(name: str, file: Path, frames: np.ndarray) -> np.ndarray:
    return network(name)({inception.FILE: file}).frames(frames)


@pytest.fixture
def pytorch_fid_network(monkeypatch, inception_file):
    """pytorch-fid's own network on the seeded file, whatever its options."""
    state = torch.load(inception_file, weights_only=True)
    monkeypatch.setattr(pytorch_fid.inception, "load_state_dict_from_url", lambda *_, **__: state)
    return lambda **options: pytorch_fid.inception.InceptionV3([3], **options).eval()


def test_features_are_those_of_pytorch_fid(inception_file, frames, pytorch_fid_network, tmp_path):
    """Through pytorch-fid's whole path: PNG files, its reader, its resize, its network of torchvision blocks."""
    expected = get_activations(saved(frames, tmp_path), pytorch_fid_network(), batch_size=4, num_workers=0)
    ours = features("inception-pytorch-fid", inception_file, frames)
    assert ours.shape == (4, 2048) and ours.dtype == np.float32
    assert ours.std(axis=0).mean() > 1e-2, "features must tell the pictures apart for the comparison to mean anything"
    np.testing.assert_allclose(ours, expected, **ROUND_OFF)


def test_features_are_those_of_torch_fidelity(inception_file, frames):
    """Through torch-fidelity's extractor, which takes uint8 and resizes itself."""
    theirs = FeatureExtractorInceptionV3("seeded", ["2048"], feature_extractor_weights_path=str(inception_file))
    ours = features("inception-torch-fidelity", inception_file, frames)
    np.testing.assert_allclose(ours, theirs(planes(frames))[0].numpy(), **ROUND_OFF)


def test_kid_is_that_of_torch_fidelity_end_to_end(inception_file, frames, tmp_path):
    """Its loader, extractor, subset and kernel: one subset of all 4 frames. Its kernel of 1.3 rounds to float32."""
    other = pictures(11, 4, 72, 96)
    for side, name in ((frames, "real"), (other, "fake")):
        saved(side, tmp_path / name)
    theirs = torch_fidelity.calculate_metrics(
        input1=str(tmp_path / "real"),
        input2=str(tmp_path / "fake"),
        kid=True,
        kid_subsets=1,
        kid_subset_size=4,
        batch_size=2,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
        feature_extractor_weights_path=str(inception_file),
    )[KEY_METRIC_KID_MEAN]
    extractor = network("inception-torch-fidelity")({inception.FILE: inception_file})
    clips = [[{"frames": extractor.frames(side)}] for side in (frames, other)]
    assert metric("kid").of_set(*clips) == pytest.approx(theirs, abs=5e-6)


def test_weights_saved_without_counters_load_too(inception_file, tmp_path):
    """Batch-norm counters, which measuring ignores, are missing in files of old torch versions."""
    state = torch.load(inception_file, weights_only=True)
    torch.save({key: value for key, value in state.items() if "num_batches" not in key}, tmp_path / "old.pth")
    network = nets.load(tmp_path / "old.pth", "cpu")
    assert not any(value.is_meta for value in network.state_dict().values())
    assert torch.equal(network.Mixed_7c.branch1x1.bn.running_var, state["Mixed_7c.branch1x1.bn.running_var"])


def test_features_are_those_of_clean_fid(inception_file, frames, pytorch_fid_network):
    """clean-fid's resize and scale, then pytorch-fid's network: clean-fid runs the same weights as TorchScript."""
    resized = np.stack([build_resizer("clean")(frame) for frame in frames])
    plain = pytorch_fid_network(resize_input=False, normalize_input=False)
    with torch.inference_mode():
        expected = plain((planes(resized) - 128) / 128)[0].flatten(1).numpy()
    np.testing.assert_allclose(features("inception-clean-fid", inception_file, frames), expected, **ROUND_OFF)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (299, 299), (512, 400)])
@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
def test_clean_fid_resize_bit_by_bit(height, width):
    frames = pictures(2, 2, height, width)
    expected = np.stack([build_resizer("clean")(frame) for frame in frames])
    ours = nets.as_clean_fid(frames, "cpu")
    assert torch.equal(ours, (planes(expected) - 128) / 128)
    assert not np.array_equal(expected, expected.round()) or (height, width) == (299, 299), "floats, not rounded"


def test_the_three_resizes_give_three_inputs():
    frames = pictures(3, 1, 400, 360)
    inputs = [resize(frames, "cpu") for resize in (nets.as_pytorch_fid, nets.as_clean_fid, nets.as_torch_fidelity)]
    for one in inputs:
        assert one.shape == (1, 3, 299, 299) and one.dtype == torch.float32
        assert -1.0 <= one.min() < one.max() <= 1.0
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert (inputs[first] - inputs[second]).abs().mean() > 5e-3


def test_ranges_of_black_and_white():
    """2x - 1 reaches 1 for white, (x - 128) / 128 only 127/128: part of the variant."""
    ends = np.stack([np.zeros((20, 20, 3), np.uint8), np.full((20, 20, 3), 255, np.uint8)])
    whites = {nets.as_pytorch_fid: 1.0, nets.as_clean_fid: 127 / 128, nets.as_torch_fidelity: 127 / 128}
    for resize, white in whites.items():
        black_and_white = resize(ends, "cpu").numpy()
        np.testing.assert_allclose(black_and_white[0], -1.0, atol=1e-6)
        np.testing.assert_allclose(black_and_white[1], white, atol=1e-6)


def test_inception_features_do_not_depend_on_batches_and_chunks(inception_file, frames):
    extractor = network("inception-pytorch-fid")({inception.FILE: inception_file})
    session = extractor.start()
    session.add(frames[:1])
    session.add(frames[1:])
    cut = session.finish(None)["frames"]
    np.testing.assert_allclose(cut, extractor.frames(frames), **ROUND_OFF)


@pytest.mark.filterwarnings("ignore:The `disp` argument is deprecated")
def test_fid_is_that_of_the_packages():
    """On 96 features: pytorch-fid's matrix root and torch-fidelity's eigenvalues, full rank and rank-deficient."""
    rng = np.random.default_rng(4)
    for rows in (400, 40):
        real, fake = (np.abs(rng.normal(scale, 1, (rows, 96))).astype(np.float32) for scale in (0.0, 0.5))
        moments = [(side.mean(0, dtype=float), np.cov(side, rowvar=False)) for side in (real, fake)]
        ours = frechet_distance(real, fake)
        assert ours == pytest.approx(calculate_frechet_distance(*moments[0], *moments[1]), rel=1e-4)
        statistics = [fid_features_to_statistics(torch.tensor(side)) for side in (real, fake)]
        assert ours == pytest.approx(fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID], rel=1e-4)


class StandInForI3D(nn.Module):
    """Called like the TorchScript of StyleGAN-V; its 400 numbers tell what it was given."""

    def __init__(self, width: int):
        super().__init__()
        self.width = width

    def forward(self, x, rescale: bool = False, resize: bool = False, return_features: bool = False):
        told = torch.zeros(x.shape[0], self.width, dtype=x.dtype)
        told[:, :16] = x[:, 0].mean(dim=[2, 3])  # red of every frame
        told[:, 16] = x.amin(dim=[1, 2, 3, 4])
        told[:, 17] = x.amax(dim=[1, 2, 3, 4])
        for i, size in enumerate([x.shape[1], x.shape[2], x.shape[3], x.shape[4]]):
            told[:, 18 + i] = float(size)
        told[:, 22] = float(rescale and resize and return_features)
        told[:, 23] = float(x.dtype == torch.float32)
        return told


def stand_in(folder: Path, width: int = i3d.LOGITS) -> i3d.I3D:
    torch.jit.script(StandInForI3D(width)).save(str(folder / "stand-in.pt"))
    return i3d.I3D({i3d.FILE: folder / "stand-in.pt"})


@pytest.fixture
def numbered() -> np.ndarray:
    """40 frames of 12 x 20, red = frame number, one black and one white pixel."""
    video = np.zeros((40, 12, 20, 3), np.uint8)
    video[..., 0] = np.arange(40)[:, None, None]
    video[:, 0, 0], video[:, 0, 1] = 0, 255
    return video


def test_i3d_is_fed_as_its_file_wants(tmp_path, numbered):
    told = stand_in(tmp_path).windows(numbered[None, :16])
    assert told.shape == (1, 400) and told.dtype == np.float32
    np.testing.assert_allclose(told[0, :16], numbered[:16, ..., 0].mean(axis=(1, 2)), rtol=1e-6)
    assert told[0, 16:24].tolist() == [0.0, 255.0, 3.0, 16.0, 12.0, 20.0, 1.0, 1.0]


@pytest.mark.parametrize("chunk", [1, 7, 16, 40])
def test_i3d_windows_are_16_frames_from_every_16th_on(tmp_path, numbered, chunk):
    session = stand_in(tmp_path).start()
    for start in range(0, 40, chunk):
        session.add(numbered[start : start + chunk])
    told = session.finish(None)["windows"]
    assert told.shape == (2, 400), "the last 8 frames make no window"
    for row, start in zip(told, (0, 16)):
        np.testing.assert_allclose(row[:16], numbered[start : start + 16, ..., 0].mean(axis=(1, 2)), rtol=1e-6)


def test_short_clips_have_no_window(tmp_path, numbered):
    session = stand_in(tmp_path).start()
    session.add(numbered[:15])
    assert len(session.finish(None)["windows"]) == 0


def test_a_file_of_another_network_is_refused(tmp_path, numbered):
    with pytest.raises(ValueError, match="not the I3D of StyleGAN-V"):
        stand_in(tmp_path, width=512).windows(numbered[None, :16])


def trunk_file(name: str, folder: Path) -> tuple[Path, nn.Module]:
    """Seeded trunk saved under torchvision's names, and the trunk."""
    with torch.device("meta"):
        trunk = getattr(torchvision.models, {"alex": "alexnet", "vgg": "vgg16"}[name])(weights=None).features
    fill(trunk.to_empty(device="cpu"), 5)
    path = folder / f"{name}.pth"
    torch.save({f"features.{key}": value for key, value in trunk.state_dict().items()}, path)
    return path, trunk


CLASSES = {"alex": lpips_networks.LpipsAlex, "vgg": lpips_networks.LpipsVgg}


@pytest.fixture(scope="module", params=CLASSES)
def perceptual(request, tmp_path_factory):
    """Name of the trunk, the trunk and our network on it."""
    path, trunk = trunk_file(request.param, tmp_path_factory.mktemp("trunk"))
    kind = CLASSES[request.param]
    return request.param, trunk, kind({kind.file: path})


def pair() -> tuple[np.ndarray, np.ndarray]:
    return pictures(6, 3, 64, 80), pictures(7, 3, 64, 80)


def scaled(frames: np.ndarray) -> torch.Tensor:
    return planes(frames) / 127.5 - 1


@pytest.mark.filterwarnings("ignore:The parameter 'pretrained'", "ignore:Arguments other than a weight enum")
def test_lpips_is_that_of_the_lpips_package(perceptual):
    name, trunk, ours = perceptual
    theirs = lpips.LPIPS(net=name, pnet_rand=True, verbose=False)
    convolutions = [[part for part in net.modules() if isinstance(part, nn.Conv2d)] for net in (theirs.net, trunk)]
    for target, source in zip(*convolutions, strict=True):
        target.load_state_dict(source.state_dict())
    with torch.inference_mode():
        expected = theirs(*map(scaled, pair())).flatten().numpy()
    found = ours.distances(*pair())
    assert found.shape == (3,) and found.dtype == np.float64
    assert found.min() > 1e-2
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_lpips_is_that_of_torchmetrics(perceptual, monkeypatch):
    """torchmetrics guards the norm by 1e-8 under its root, lpips by 1e-10 beside it: equal to a part in 10^4."""
    name, trunk, ours = perceptual
    monkeypatch.setattr(torchmetrics_lpips, "_get_tv_model_features", lambda *_: trunk)
    expected = torchmetrics_lpips.learned_perceptual_image_patch_similarity(
        *map(scaled, pair()), net_type=name, reduction="none"
    )
    np.testing.assert_allclose(ours.distances(*pair()), expected.numpy(), rtol=1e-4)


def test_lpips_of_a_frame_does_not_depend_on_the_others(perceptual, monkeypatch):
    _, _, ours = perceptual
    whole = ours.distances(*pair())
    monkeypatch.setattr(lpips_networks, "PIXELS_AT_ONCE", 2 * 64 * 80)
    np.testing.assert_allclose(ours.distances(*pair()), whole, rtol=1e-5)
    monkeypatch.setattr(lpips_networks, "PIXELS_AT_ONCE", 1)
    np.testing.assert_allclose(ours.distances(*pair()), whole, rtol=1e-5)


def test_lpips_of_equal_frames_is_zero_and_noise_costs(perceptual):
    _, _, ours = perceptual
    truth, _ = pair()
    assert ours.distances(truth, truth).tolist() == [0.0, 0.0, 0.0]
    noise = np.random.default_rng(8).integers(-1, 2, truth.shape)
    near, far = (np.clip(truth + size * noise, 0, 255).astype(np.uint8) for size in (5, 25))
    assert (ours.distances(truth, near) < ours.distances(truth, far)).all()


def test_lpips_refuses_frames_its_trunk_cannot_see(perceptual):
    _, _, ours = perceptual
    side = ours.smallest
    assert np.isfinite(ours.distances(pictures(9, 1, side, side), pictures(10, 1, side, side))).all()
    with pytest.raises(ValueError, match=f"needs {side} a side"):
        ours.distances(pictures(9, 1, side - 1, side), pictures(10, 1, side - 1, side))


def test_lpips_refuses_another_trunk(tmp_path):
    path, _ = trunk_file("alex", tmp_path)
    with pytest.raises(ValueError, match="features.2.weight"):
        lpips_networks.build("vgg", path)


def test_weights_are_declared_under_the_names_the_networks_ask_for():
    expected = {
        **dict.fromkeys(inception.NETWORKS, inception.FILE),
        i3d.I3D: i3d.FILE,
        lpips_networks.LpipsAlex: lpips_networks.LpipsAlex.file,
        lpips_networks.LpipsVgg: lpips_networks.LpipsVgg.file,
    }
    for kind, file in expected.items():
        (item,) = read_weight(kind.weights[0]).files
        assert item.name == file and item.sha256 and item.bytes
        assert kind.tier == "reference"
    for file in (inception.FILE, lpips_networks.LpipsAlex.file, lpips_networks.LpipsVgg.file):
        sha256 = next(read_weight(kind.weights[0]).files[0].sha256 for kind in expected if expected[kind] == file)
        assert Path(file).stem.rsplit("-", 1)[1] == sha256[:8], "torch names files by the start of their sha256"


def test_declaring_networks_and_metrics_loads_no_heavy_package():
    modules = "semo.features.inception, semo.features.i3d, semo.features.lpips, semo.metrics.fid, semo.metrics.fvd, "
    modules += "semo.metrics.kid, semo.metrics.lpips, semo.metrics.ssim, semo.metrics.psnr, semo.metrics.l1"
    heavy = "{'torch', 'torchvision', 'cv2', 'skimage', 'lpips', 'scipy'} & set(sys.modules)"
    command = f"import sys, {modules}; sys.exit(' '.join({heavy}) or 0)"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
