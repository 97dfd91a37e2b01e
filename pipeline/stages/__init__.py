"""One command-line module per Snakemake rule; no stage imports another."""
