"""The family's sampler: DDIM on v-prediction, betas rescaled to a signal-to-noise ratio of zero at the last step."""

from __future__ import annotations

from diffusers import DDIMScheduler

SCHEDULE = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "linear",
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
    "clip_sample": False,
    "set_alpha_to_one": True,
}


def ddim(steps: int, **changed: object) -> DDIMScheduler:
    """Scheduler with its `timesteps` set: `step(v, timestep, sample).prev_sample` goes on.

    `add_noise` and `get_velocity` make what training needs. changed: arguments of diffusers' DDIMScheduler.
    """
    scheduler = DDIMScheduler(**(SCHEDULE | changed))
    scheduler.set_timesteps(steps)
    return scheduler
