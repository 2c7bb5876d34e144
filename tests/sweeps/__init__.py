"""Sweeps beside Keras: thousands of calls from a seed, each with both libraries."""
