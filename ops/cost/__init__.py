"""What a stack costs: a pure function of its resource graph, a dated price table and stated assumptions."""
