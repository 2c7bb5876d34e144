//! What runs: variables, arenas, the compiled program and the batch feed.
