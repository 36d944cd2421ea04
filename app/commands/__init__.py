"""The commands of `ballast`, one a module: `add_arguments(parser)` and `run(options) -> exit code`."""
