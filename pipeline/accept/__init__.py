"""Keep results after a change that alters no number, in Snakemake and DVC alike."""
