"""The report directory: run record, tables, figures, page."""
