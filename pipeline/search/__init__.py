"""Search: how much of a score is luck, over folds and seeds; it trains through `training`, never a stage."""
