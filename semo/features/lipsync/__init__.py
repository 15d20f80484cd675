"""Steps of SyncNet's evaluation pipeline around its two networks; imported only when an extractor is made."""
