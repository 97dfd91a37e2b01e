"""One command-line module per Snakemake rule; no stage imports another.

A stage reads its flags and hands over to the library. What it needs beyond its flags is imported in
`main`, behind them: `--help` and a mistyped flag answer at once, and no job loads what it does not
use.
"""
