"""The verbs of the command line: they parse, call one function, and print; no logic."""
