"""EchoMimic: Lifelike Audio-Driven Portrait Animations through Editable Landmark Conditions (Chen et al., 2025)."""
