"""The command `htsat`: one module per subcommand, each with `main(argv) -> exit code`."""
