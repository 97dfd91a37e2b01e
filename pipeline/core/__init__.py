"""What every room uses: atomic files, locks, tables, progress, tracking; it knows no videos."""
