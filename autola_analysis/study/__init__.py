"""Models x data x analyses -> a report; the demo study."""
