"""Tables and figures from the results of a run."""
