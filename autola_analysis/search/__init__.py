"""The search for HOGA's wiring: a mixture of all operations on every edge, learned by gradient descent."""
