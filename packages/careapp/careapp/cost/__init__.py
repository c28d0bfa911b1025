"""Computes what a stack costs from its resource graph, a dated price table and stated assumptions."""
