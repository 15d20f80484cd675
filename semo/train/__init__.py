"""Training: settings, data, one loop, and what each stage adds to it."""
