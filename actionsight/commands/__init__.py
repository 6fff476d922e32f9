"""The groups of the command line, a module each; `actionsight.cli` puts them together."""
