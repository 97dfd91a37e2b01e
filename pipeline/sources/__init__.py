"""Where videos come from: one class per kind of source, with its settings."""
