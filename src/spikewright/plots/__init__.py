"""Pictures of runs, energies and networks: data first, then matplotlib draws them."""
