"""AniPortrait: Audio-Driven Synthesis of Photorealistic Portrait Animation (Wei et al., 2024)."""
