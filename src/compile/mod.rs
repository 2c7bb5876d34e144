//! From a graph to a program: gradient, simplification, fusion, memory plan.
