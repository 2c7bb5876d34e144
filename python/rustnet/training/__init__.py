"""`compile`, `fit`, `evaluate`, `predict`: from a model and arrays to programs that run epochs in Rust."""
