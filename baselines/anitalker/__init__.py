"""AniTalker: identity-decoupled facial motion and audio-driven diffusion over it (Liu et al., ACM MM 2024)."""
