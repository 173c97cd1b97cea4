"""How networks for joints are trained."""
