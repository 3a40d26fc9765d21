"""Files in, candidates for review out: Slack exports, tables, JSON of several shapes, FAQ pages."""
