"""Training of the rivals: known deformations, losses and where their gradients go, exact resume, what a run leaves."""

from __future__ import annotations

import dataclasses
import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.checkpoints import read_checkpoint, state_of
from baselines.mraa.training import axes_equivariance
from baselines.training import __main__ as command
from baselines.training import stage as stages
from baselines.training.adversarial import Discriminator, adversarial_losses
from baselines.training.perceptual import Pyramid
from baselines.training.transform import Deformation, draw, jacobian_equivariance, point_equivariance
from semo.train.data import FrameBank, step_generator
from semo.train.loop import train
from tests.unit.fake_clips import prepared
from tests.unit.train_data import moving_squares

SIDE = 64
METHODS = [method for method in command.trainable() if not command.stages_of(method)]


# deformations


def deformation(batch: int = 3, seed: int = 0, bend: float = 1.0) -> Deformation:
    affine, bends = draw(batch, step_generator(seed, 0))
    return Deformation(affine, bend * bends)


def test_the_jacobian_of_a_deformation_is_its_derivative() -> None:
    known = deformation(bend=10.0)
    points = torch.rand(3, 7, 2, generator=step_generator(1, 0)) * 2 - 1
    derivative = torch.autograd.functional.jacobian(lambda p: known.points(p).sum((0, 1)), points)  # (2, B, N, 2)
    torch.testing.assert_close(known.jacobian(points), derivative.permute(1, 2, 0, 3), atol=1e-4, rtol=1e-4)


def test_a_deformation_near_the_identity_is_drawn_and_can_be_the_identity() -> None:
    affine, bends = draw(500, step_generator(0, 0))
    torch.testing.assert_close(affine.mean(0), torch.eye(2, 3), atol=0.01, rtol=0)
    assert float(affine.std(0).mean()) == pytest.approx(0.05, abs=0.005)
    image = torch.rand(2, 3, 16, 16)
    still = Deformation(torch.eye(2, 3).expand(2, -1, -1), torch.zeros(2, *bends.shape[1:]))
    torch.testing.assert_close(still.image(image), image, atol=1e-5, rtol=0)


def blob(centres: Tensor, side: int = 64) -> Tensor:
    """Images (B, 1, S, S) with one soft dot at each centre (B, 1, 2)."""
    line = torch.linspace(-1, 1, side)
    x, y = torch.meshgrid(line, line, indexing="xy")
    square = (x - centres[:, :, 0, None]) ** 2 + (y - centres[:, :, 1, None]) ** 2
    return torch.exp(-square / 0.01)[:, None]


def dot(image: Tensor) -> Tensor:
    """A detector that is right: the centre of mass, (B, 1, 2)."""
    line = torch.linspace(-1, 1, image.shape[-1])
    share = image[:, 0] / image.sum((1, 2, 3))[:, None, None]
    return torch.stack([(share.sum(1) * line).sum(-1), (share.sum(2) * line).sum(-1)], dim=-1)[:, None]


def test_a_right_detector_is_equivariant_and_a_blind_one_is_not() -> None:
    known = deformation(4)
    image = blob(torch.tensor([[[0.2, -0.1]], [[-0.3, 0.3]], [[0.0, 0.0]], [[0.4, 0.2]]]))
    right = point_equivariance(dot(image), dot(known.image(image)), known)
    blind = point_equivariance(torch.full((4, 1, 2), 0.3), torch.full((4, 1, 2), 0.3), known)
    assert float(right) < 0.005 < 0.02 < float(blind)


def test_jacobian_equivariance_is_zero_where_the_chain_rule_holds() -> None:
    known = deformation(3)
    points = torch.rand(3, 5, 2) * 2 - 1
    deformed = torch.eye(2) + 0.1 * torch.randn(3, 5, 2, 2, generator=step_generator(2, 0))
    driving = known.jacobian(points) @ deformed
    assert float(jacobian_equivariance(driving, deformed, points, known)) < 1e-5
    assert float(jacobian_equivariance(driving, driving, points, known)) > 0.01


def test_principal_axes_count_by_their_covariance() -> None:
    """A turn or a flipped sign of the axes within the same covariance costs nothing."""
    axes = torch.eye(2) + 0.3 * torch.randn(2, 3, 2, 2, generator=step_generator(3, 0))
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]])
    assert float(axes_equivariance(axes, axes @ turn)) < 1e-5
    assert float(axes_equivariance(axes, -axes)) < 1e-5
    assert float(axes_equivariance(axes, 1.1 * axes)) > 0.05


# losses


def few_maps(x: Tensor) -> list[Tensor]:
    """Two fixed feature maps, in place of a trained network."""
    weight = torch.randn(8, 3, 3, 3, generator=step_generator(4, 0)).to(x.dtype)
    first = F.relu(F.conv2d(x - 0.5, weight, padding=1))
    return [first, F.avg_pool2d(first, 4)]


def test_the_pyramid_compares_at_every_scale_that_is_large_enough() -> None:
    sides: list[int] = []

    def maps(x: Tensor) -> list[Tensor]:
        sides.append(x.shape[-1])
        return few_maps(x)

    prediction, target = (torch.rand(2, 3, 128, 128, requires_grad=True) for _ in range(2))
    Pyramid(maps)(prediction, target).backward()
    assert sides == [128, 128, 64, 64, 32, 32]
    assert prediction.grad is not None and target.grad is None
    assert float(Pyramid(maps)(prediction, prediction).detach()) == 0


def test_vgg19_where_it_is_and_the_bundled_network_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import vgg19

    from baselines.training.perceptual import VGG19_ENDS, Vgg19, feature_maps
    from semo import registry
    from semo.errors import DatasetError

    network = vgg19()
    torch.save(network.state_dict(), tmp_path / "vgg19.pth")
    image = torch.rand(1, 3, 32, 32)
    maps = Vgg19(tmp_path / "vgg19.pth")(image)
    mean, std = (torch.tensor(x)[:, None, None] for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    plain = (image - mean) / std
    for made, end in zip(maps, VGG19_ENDS, strict=True):
        assert torch.equal(made, network.features[:end](plain))

    def absent(name: str) -> dict[str, Path]:
        raise DatasetError("not here")

    monkeypatch.setattr(registry, "locate", absent)
    bundled, name = feature_maps("cpu")
    assert name == "corpus network (bundled)" and len(bundled(torch.rand(1, 3, 64, 64))) == 5


def test_each_adversary_learns_from_its_own_loss_only() -> None:
    discriminator = Discriminator(width=4)
    made, real = torch.rand(2, 3, 32, 32, requires_grad=True), torch.rand(2, 3, 32, 32)
    generator, judge = adversarial_losses(discriminator, made, real)
    generator.backward(retain_graph=True)
    assert made.grad is not None and float(made.grad.abs().sum()) > 0
    assert all(p.grad is None for p in discriminator.parameters())
    made.grad = None
    judge.backward()
    assert made.grad is None
    assert all(float(p.grad.abs().sum()) > 0 for p in discriminator.parameters())


# recipes


@pytest.fixture(scope="module")
def bank() -> FrameBank:
    small = moving_squares(people=4, frames=12)
    clips = {name: clip.numpy().repeat(2, 1).repeat(2, 2) for name, clip in zip(small.names, small.clips, strict=True)}
    return FrameBank([clips])


@pytest.fixture(autouse=True)
def two_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "BATCH", 2)


def make(method: str, bank: FrameBank) -> stages.PairStage:
    return command.make_stage(method, "mini", bank, few_maps, seed=0)


@pytest.mark.parametrize("method", METHODS)
def test_gradients_reach_every_parameter(method: str, bank: FrameBank) -> None:
    """From any point, as some layers start at zero; but those idle in the original networks, which a recipe names."""
    stage = make(method, bank)
    with torch.no_grad():
        for parameter in stage.parameters():
            parameter.add_(0.01 * torch.randn(parameter.shape, generator=step_generator(5, 0)))
    stage(stage.batch(0, 0.9)[0]).backward()
    idle = {name for name, p in stage.named_parameters() if p.grad is None or not bool(p.grad.any())}
    assert idle == {f"networks.{name}" for name in getattr(stage, "idle", ())}


@pytest.mark.parametrize("method", METHODS)
def test_a_few_pairs_are_learned(method: str, bank: FrameBank, tmp_path: Path) -> None:
    stage = make(method, bank)
    same = stage.batch(0, 0.0)
    stage.__dict__["batch"] = lambda step, progress, rank=0: same
    stage.train()
    with torch.no_grad():
        before = float(stage(same[0]))
    train(stage, 25, tmp_path, report_every=25, checkpoint_seconds=1e9)
    stage.train()
    with torch.no_grad():
        after = float(stage(same[0]))
    assert after < 0.8 * before
    made = stage.eval().reconstruct(same[0].source, same[0].driving)
    assert made.shape == same[0].source.shape and bool(torch.isfinite(made).all())


class Killed(RuntimeError):
    """Stands for a process that dies in the middle of training."""


@pytest.mark.parametrize("method", METHODS)
def test_resume_after_a_kill_is_bit_identical(method: str, bank: FrameBank, tmp_path: Path) -> None:
    """Through the start of an adversarial term, whose moments are checkpointed too."""
    unbroken = make(method, bank)
    train(unbroken, 6, tmp_path / "a", report_every=6, checkpoint_seconds=1e9)
    broken = make(method, bank)
    draw_batch = broken.batch

    def batch(step: int, progress: float, rank: int = 0):
        if step == 4:
            raise Killed
        return draw_batch(step, progress, rank)

    broken.__dict__["batch"] = batch
    with pytest.raises(Killed):
        train(broken, 6, tmp_path / "b", report_every=6, checkpoint_seconds=0)
    resumed = make(method, bank)
    train(resumed, 6, tmp_path / "b", report_every=6, checkpoint_seconds=1e9)
    for name, value in unbroken.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


# the command


def run(tmp_path: Path, *arguments: str) -> Path:
    out = tmp_path / "run"
    clips = tmp_path / "clips"
    if not clips.exists():
        manifest = prepared(clips) / "manifest.tsv"
        manifest.write_text(manifest.read_text().replace("\tp0\ttest\t", "\tp0\ttrain\t"))
    command.main(["fomm", "--steps", "2", "--clips", str(clips), "--out", str(out), *arguments])
    return out


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "feature_maps", lambda device: (few_maps, "fixed maps of a test"))


@pytest.fixture
def small_config(monkeypatch: pytest.MonkeyPatch) -> None:
    """FOMM for the frames of the prepared test clips."""
    from tests.unit.fake_clips import SIZE

    config = importlib.import_module("baselines.fomm.config")
    smaller = dataclasses.replace(config.SIZES["mini"], frame_size=SIZE)
    monkeypatch.setitem(config.SIZES, "mini", smaller)


def test_a_run_leaves_a_model_that_its_method_loads(tmp_path: Path, no_network: None, small_config: None) -> None:
    from baselines.fomm.method import Method
    from baselines.method import ClipContext

    out = run(tmp_path)
    record = json.loads((out / "model/config.json").read_text())
    assert (record["method"], record["size"]) == ("fomm", "mini")
    assert record["training"]["perceptual"] == "fixed maps of a test"
    assert (out / "curve.tsv").read_text().startswith("step\tloss\tpsnr_moving\tpsnr_moving_copy\tmotion_use_db")
    assert (out / "strip.png").stat().st_size > 0
    assert not (out / "checkpoint.safetensors").exists()
    tensors = read_checkpoint(out / "model/model.safetensors")
    assert state_of(tensors, "generator") and state_of(tensors, "kp_detector")
    method = Method()
    method.load(out / "model", "mini", "cpu")
    frames = np.zeros((3, 32, 32, 3), np.uint8)
    made = list(method.reconstruct(frames[0], iter(frames), ClipContext("clip", 0)))
    assert len(made) == 3 and made[0].shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--size", "huge"), "fomm has no size 'huge'; it has official, mini"),
        (("--size", "official"), "fomm (official) works at 256 px and the clips are prepared at"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    tmp_path: Path, no_network: None, capsys: pytest.CaptureFixture, arguments: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(tmp_path, *arguments)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_equal_seeds_train_equal_models(bank: FrameBank, tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        stage = make("fomm", bank)
        train(stage, 2, tmp_path / name, report_every=2)
        made.append({key: value.clone() for key, value in stage.state_dict().items()})
    assert all(torch.equal(made[0][key], made[1][key]) for key in made[0])


def test_a_recipe_is_found_by_its_file() -> None:
    assert set(METHODS) == {"fomm", "mraa", "tpsmm", "lia", "liveportrait"}
    for method in METHODS:
        assert issubclass(command.part(method, "training").Training, nn.Module)
        assert command.part(method, "training").Training.name == method
