"""Models as files for other runtimes, and how closely they agree."""
