"""What each command does: `run(args)`, with the arguments that `nopo.cli` describes."""
