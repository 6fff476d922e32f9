"""The groups of the command line, a module each; `actionsight.cli.main` puts them together."""
