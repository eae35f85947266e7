"""The command line: one file a group of commands. stdout is data, stderr is progress."""
