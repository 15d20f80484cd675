"""`semo score REAL FAKE`: every metric of the suite on two folders of videos made by anybody."""
