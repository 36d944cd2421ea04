"""The commands of `ballast`, one a module (`app.command`)."""
