"""The AVA-Kinetics SlowOnly study as a reproducible data and experiment pipeline."""
