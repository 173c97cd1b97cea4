"""How well networks find the joints of people: average precision by OKS, and every joint by itself."""
