"""Methods that reconstruct or animate portraits: one folder each, all behind `baselines.method.Method`."""
