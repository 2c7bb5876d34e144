"""The recording machinery: dtypes, tensors, traces, variables, and the dispatch of public ops."""
