"""The rectified flow: its conventions are identities that any correct implementation satisfies."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from semo.flow import Flow, interpolate, to_data, to_velocity, velocity


def pair(seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, 2, 4, 4, generator=generator), torch.randn(3, 2, 4, 4, generator=generator)


@given(tau=st.floats(0.06, 1.0), seed=st.integers(0, 100))
def test_data_and_velocity_are_recovered_from_either_prediction(tau, seed):
    data, noise = pair(seed)
    level = torch.full((3,), tau)
    noised = interpolate(data, noise, level)
    v = velocity(data, noise)
    torch.testing.assert_close(to_data(v, noised, level, "v"), data, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(to_velocity(data, noised, level, "x"), v, atol=2e-4, rtol=1e-3)
    torch.testing.assert_close(noised - (1 - tau) * v, noise, atol=2e-5, rtol=1e-4)  # noise estimate


def test_ends_of_the_path():
    data, noise = pair()
    torch.testing.assert_close(interpolate(data, noise, torch.zeros(3)), data)
    torch.testing.assert_close(interpolate(data, noise, torch.ones(3)), noise)


@pytest.mark.parametrize("steps", [1, 2, 5, 25])
@pytest.mark.parametrize("kind", ["v", "x"])
def test_sampler_with_the_exact_network_returns_the_data(steps, kind):
    data, noise = pair()
    out = Flow(kind).sample(lambda z, tau: data if kind == "x" else velocity(data, noise), noise, steps)
    torch.testing.assert_close(out, data, atol=1e-5, rtol=1e-5)


def test_sampler_follows_a_curved_flow_to_first_order():
    """dz/dtau = -v with v = z: z(0) = z(1) e; Euler's error falls in proportion to the step."""
    noise = torch.ones(1, 1)
    errors = [abs(float(Flow("v").sample(lambda z, tau: z, noise, n)) - math.e) for n in (32, 64)]
    assert errors[1] < 0.6 * errors[0]


def test_zero_network_costs_two_for_unit_latents():
    data, noise = torch.randn(2, 64, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    loss = Flow("v").loss(torch.zeros_like(data), data, noise)
    assert loss.shape == (64,)
    assert float(loss.mean()) == pytest.approx(2.0, abs=0.02)  # standard error 0.006


@pytest.mark.parametrize(("schedule", "mean"), [("uniform", 1 / 2), ("high", 2 / 3), ("logit-normal", 1 / 2)])
def test_noise_levels(schedule, mean):
    tau = Flow("v", schedule).sample_tau(20_000, torch.Generator().manual_seed(0))
    assert 0 <= float(tau.min()) and float(tau.max()) <= 1
    assert float(tau.mean()) == pytest.approx(mean, abs=0.01)


def test_share_of_pure_noise():
    tau = Flow("x", "uniform", 0.25).sample_tau(20_000, torch.Generator().manual_seed(0))
    assert float((tau == 1).float().mean()) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("bad", [{"prediction": "eps"}, {"schedule": "cosine"}])
def test_unknown_choice_is_refused(bad):
    with pytest.raises(ValueError, match="use"):
        Flow(**bad)
