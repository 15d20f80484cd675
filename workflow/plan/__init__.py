"""What the rules need to know before any job runs: no torch, no module of semo."""
